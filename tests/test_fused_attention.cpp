// Attention as one operation against its plain twin: results, gradients, what must not be seen,
// bits. PyTorch's numbers and differences are in test_ops.cpp. Sizes cross the borders of
// blocks, which have 192 queries at most, and 128 keys.
#include "layers/attention.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include "autograd/attention_blocks.h"
#include "autograd/parallel.h"
#include "autograd/random.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include <doctest/doctest.h>

using namespace heed;
using heed_tests::difference, heed_tests::same;

namespace {

constexpr double CLOSE = sizeof(Scalar) == 8 ? 1e-14 : 2e-6;

struct Result {
  Tensor y, dq, dk, dv;
};

template <class Attend> Result run(Attend attend, const Tensor& q, const Tensor& k,
                                   const Tensor& v, const Mask& mask, const Tensor& g) {
  Tensor query = q.detach().requires_grad_(), key = k.detach().requires_grad_(),
         value = v.detach().requires_grad_();
  Tensor y = attend(query, key, value, mask);
  y.backward(g);
  return {y.detach(), query.grad(), key.grad(), value.grad()};
}
constexpr auto FUSED = [](const Tensor& q, const Tensor& k, const Tensor& v, const Mask& mask) {
  return attention_output(q, k, v, mask);
};
constexpr auto PLAIN = [](const Tensor& q, const Tensor& k, const Tensor& v, const Mask& mask) {
  return scaled_dot_product_attention(q, k, v, mask).output;
};

// The largest difference, relative to the largest number, or to 1: a gradient that is 0 in one
// order of sums is 1e-8 in another.
double off(const Tensor& a, const Tensor& b) {
  double largest = std::max(1., double(max(pow(b, 2)).item()));
  return std::sqrt(double(max(pow(a - b, 2)).item()) / largest);
}
double farthest(const Result& a, const Result& b) {
  return std::max({off(a.y, b.y), off(a.dq, b.dq), off(a.dk, b.dk), off(a.dv, b.dv)});
}
bool all_same(const Result& a, const Result& b) {
  return same(a.y, b.y) && same(a.dq, b.dq) && same(a.dk, b.dk) && same(a.dv, b.dv);
}
bool all_zero(const Tensor& x) {
  for (Scalar v : x.to_vector())
    if (v != 0) return false;
  return true;
}

Mask coins(const Shape& shape) { return Mask::keep(rand(shape) < 0.5); }

}  // namespace

TEST_CASE("fused attention: its plain twin's results and gradients, with every form of mask") {
  double worst = 0;
  manual_seed(1);
  const int64_t B = 2, H = 3, d = 5, dv = 4;
  for (auto size : {std::pair(1, 1), {3, 20}, {260, 7}, {40, 300}, {257, 129}, {300, 300}}) {
    const int Tq = size.first, Tk = size.second;
    Tensor q = randn({B, H, Tq, d}), k = randn({B, H, Tk, d}), v = randn({B, H, Tk, dv}),
           g = randn({B, H, Tq, dv});
    std::vector<Mask> masks = {{},
                               coins({Tq, Tk}),
                               coins({B, Tq, Tk}),
                               coins({B, H, Tq, Tk}),
                               coins({B, H, 1, Tk}),
                               coins({Tq, 1}),
                               padding_mask(std::vector<int>{Tk / 2, 0}, Tk)};
    if (Tq == Tk) masks.push_back(causal_mask(Tq));
    if (Tq == Tk)
      masks.push_back(
          combine(causal_mask(Tq), padding_mask(std::vector<int>{Tk, (Tk + 1) / 2}, Tk)));
    for (const Mask& mask : masks) {
      CAPTURE(Tq);
      CAPTURE(Tk);
      double off = farthest(run(FUSED, q, k, v, mask, g), run(PLAIN, q, k, v, mask, g));
      worst = std::max(worst, off);
      CHECK(off < CLOSE);
    }
  }
}

TEST_CASE("fused attention: large scores, of either sign, in any order of blocks") {
  manual_seed(2);
  const int64_t T = 400;
  Tensor q = randn({1, T, 3}), k = randn({1, T, 3}), v = randn({1, T, 2}), g = randn({1, T, 2});
  for (double factor : {100., -100.}) {
    Tensor slope = arange(double(T)).view({1, T, 1}) * (factor / double(T));
    Result fused = run(FUSED, q, k * slope, v, {}, g),
           plain = run(PLAIN, q, k * slope, v, {}, g);
    CHECK(farthest(fused, plain) < 10 * CLOSE);
  }
  q = full({1, 1, 1}, 1e4), k = full({1, T, 1}, -1e4);  // e^score is 0 in every number type
  CHECK(difference(attention_output(q, k, ones({1, T, 2})), ones({1, 1, 2})) < CLOSE);
}

TEST_CASE(
    "fused attention: a query that sees nothing gets 0, and leaves the others their bits") {
  manual_seed(3);
  const int64_t T = 300;
  Tensor q = randn({T, 4}), k = randn({T, 4}), v = randn({T, 4}), g = randn({T, 4});
  Tensor may = coins({T, T}).tensor().clone();
  for (int row : {0, 130, 299}) may.select(0, row).zero_();
  Result with = run(FUSED, q, k, v, Mask::keep(may), g);
  Tensor other = q.clone(), other_g = g.clone();
  for (int row : {0, 130, 299}) {
    CHECK(all_zero(with.y.select(0, row)));
    CHECK(all_zero(with.dq.select(0, row)));
    other.select(0, row).fill_(7), other_g.select(0, row).fill_(-3);
  }
  CHECK(all_same(run(FUSED, other, k, v, Mask::keep(may), other_g), with));
}

TEST_CASE("fused attention: scores that are -infinity have no weight, or NaN if all are") {
  const Scalar infinity = std::numeric_limits<Scalar>::infinity();
  const int64_t Tk = 300;
  Tensor q = ones({1, 3, 1}), k = zeros({1, Tk, 1}), v = arange(double(Tk)).view({1, Tk, 1}),
         may = zeros({3, Tk});
  k.narrow(1, 0, 200).fill_(-infinity);
  for (int key : {5, 150}) may.set({0, key}, 1), may.set({1, key}, 1);
  may.set({1, 250}, 1);  // the second query sees a number, too; the third sees nothing
  Result fused = run(FUSED, q, k, v, Mask::keep(may), ones({1, 3, 1})),
         plain = run(PLAIN, q, k, v, Mask::keep(may), ones({1, 3, 1}));
  for (const Tensor& y : {fused.y, plain.y}) {
    CHECK(std::isnan(y.at({0, 0, 0})));
    CHECK(y.at({0, 1, 0}) == 250);
    CHECK(y.at({0, 2, 0}) == 0);
  }
  for (const Tensor& dv : {fused.dv, plain.dv})
    for (int key : {5, 150}) CHECK(std::isnan(dv.at({0, key, 0})));
  CHECK(fused.dv.at({0, 250, 0}) == 1);  // no NaN from a query that does not see this key
}

TEST_CASE("fused attention: hidden keys at the end change no bit, whatever they hold") {
  manual_seed(4);
  const int64_t Tq = 270, long_Tk = 500;
  Tensor q = randn({1, Tq, 4}), k = randn({1, long_Tk, 4}), v = randn({1, long_Tk, 4}),
         g = randn({1, Tq, 4});
  for (int Tk : {1, 100, 128, 130, 256, 300}) {
    k.narrow(1, Tk, long_Tk - Tk).mul_(50);
    Result all = run(FUSED, q, k, v, padding_mask(std::vector<int>{Tk}, long_Tk), g);
    Result few = run(FUSED, q, k.narrow(1, 0, Tk), v.narrow(1, 0, Tk), {}, g);
    CHECK(same(all.y, few.y));
    CHECK(same(all.dq, few.dq));
    CHECK(same(all.dk.narrow(1, 0, Tk).contiguous(), few.dk));
    CHECK(same(all.dv.narrow(1, 0, Tk).contiguous(), few.dv));
    CHECK(all_zero(all.dk.narrow(1, Tk, long_Tk - Tk)));
    CHECK(all_zero(all.dv.narrow(1, Tk, long_Tk - Tk)));
    k = randn({1, long_Tk, 4});
  }
}

TEST_CASE("fused attention: nor does one in the middle, however large its score") {
  manual_seed(10);
  Tensor q = ones({3, 4}), k = randn({200, 4}), v = randn({200, 4}), g = randn({3, 4});
  Tensor may = ones({1, 200});
  for (int key : {0, 70, 150}) may.set({0, key}, 0);
  Result with = run(FUSED, q, k, v, Mask::keep(may), g);
  for (int key : {0, 70, 150}) k.select(0, key).fill_(200);  // e^-400 would be all that is left
  Result other = run(FUSED, q, k, v, Mask::keep(may), g);
  CHECK(same(with.y, other.y));
  CHECK(same(with.dq, other.dq));
  CHECK(same(with.dv, other.dv));
}

TEST_CASE("fused attention: under a causal mask no later key changes a bit") {
  manual_seed(5);
  const int64_t T = 520;
  Tensor q = randn({T, 4}), k = randn({T, 4}), v = randn({T, 4});
  Tensor y = attention_output(q, k, v, causal_mask(T));
  for (int64_t at : {1, 127, 128, 255, 257, 400}) {
    Tensor other_k = k.clone(), other_v = v.clone();
    other_k.narrow(0, at, T - at).mul_(-9), other_v.narrow(0, at, T - at).fill_(1000);
    Tensor other = attention_output(q, other_k, other_v, causal_mask(T));
    CHECK(same(other.narrow(0, 0, at).contiguous(), y.narrow(0, 0, at).contiguous()));
    CHECK(difference(other, y) > 0);
  }
}

TEST_CASE("fused attention: the same bits at any number of threads, in a batch and alone") {
  manual_seed(6);
  const int64_t B = 3, T = 300;
  Tensor q = randn({B, 2, T, 16}), k = randn({B, 2, T, 16}), v = randn({B, 2, T, 16}),
         g = randn({B, 2, T, 16});
  const int before = get_num_threads();
  set_num_threads(1);
  const Result one = run(FUSED, q, k, v, causal_mask(T), g);
  for (int threads : {2, 3, 8}) {
    set_num_threads(threads);
    CHECK(all_same(run(FUSED, q, k, v, causal_mask(T), g), one));
  }
  set_num_threads(before);
  auto part = [](const Tensor& x) { return x.narrow(0, 1, 1).contiguous(); };
  Result alone = run(FUSED, part(q), part(k), part(v), causal_mask(T), part(g));
  CHECK(all_same(alone, {part(one.y), part(one.dq), part(one.dk), part(one.dv)}));
}

TEST_CASE("fused attention: the same bits at any number of threads, whatever is hidden") {
  manual_seed(11);
  const int64_t T = 1000;
  Tensor q = randn({1, T, 16}), k = randn({1, T, 16}), v = randn({1, T, 16});
  for (int64_t key : {340, 670}) v.select(1, key).fill_(std::numeric_limits<Scalar>::infinity());
  const int before = get_num_threads();
  set_num_threads(1);
  const Tensor one = attention_output(q, k, v, causal_mask(T));
  for (int threads : {2, 3, 8}) {
    set_num_threads(threads);
    CHECK(same(attention_output(q, k, v, causal_mask(T)), one));
  }
  set_num_threads(before);
}

TEST_CASE("fused attention: no mask is copied for each head") {
  const int64_t heads = 3, T = 20;
  Tensor x = zeros({2, heads, T, 4});
  for (const Tensor& mask : {ones({T, T}), ones({T, 1}), ones({T, T}).transpose(0, 1),
                             ones({2, 1, T, 1}), ones({1, T}), Tensor()}) {
    const fused::Operands operands(x, x, x, mask);
    CHECK(operands.mask[0] == operands.mask[1]);
    CHECK(operands.mask[0] == operands.mask[heads - 1]);
  }
}

TEST_CASE("fused attention: more keys than a Scalar can count are refused") {
  const int64_t most = int64_t(1) << std::numeric_limits<Scalar>::digits;
  Tensor keys = zeros({1, 1}).expand({most + 1, 1});
  const std::string count = std::to_string(most + 1);
  heed_tests::expect_error([&] { fused_attention(zeros({1, 1}), keys, keys); },
                           {"[fused_attention]", count.c_str(), "keys"});
}

TEST_CASE("fused attention: a score that is no number is not lost") {
  manual_seed(8);
  const Scalar nan = std::numeric_limits<Scalar>::quiet_NaN();
  for (int64_t T : {5, 300})
    for (int64_t key : {int64_t(0), T / 2, T - 1}) {
      Tensor q = randn({1, T, 4}), k = randn({1, T, 4}), v = randn({1, T, 4});
      k.select(1, key).fill_(nan);
      const Result seen = run(FUSED, q, k, v, causal_mask(T), ones({1, T, 4}));
      for (int64_t t = 0; t < T; ++t) {
        CAPTURE(t);
        CHECK(std::isnan(seen.y.at({0, t, 0})) == (t >= key));
        if (t >= key) CHECK(std::isnan(seen.dq.at({0, t, 0})));
      }
    }
}

TEST_CASE("fused attention: MultiHeadAttention::output is its output, in training, too") {
  manual_seed(7);
  MultiHeadAttention layer(12, 3, 0.4);
  Tensor x = randn({2, 9, 12}), memory = randn({2, 5, 12});
  Mask mask = padding_mask(std::vector<int>{5, 2}, 5);
  layer.eval();
  CHECK(difference(layer.output(x, memory, memory, mask),
                   layer(x, memory, memory, mask).output) < CLOSE);
  layer.train();
  manual_seed(8);
  Tensor output = layer.output(x, memory, memory, mask);
  manual_seed(8);
  CHECK(same(output.detach(), layer(x, memory, memory, mask).output.detach()));
}
