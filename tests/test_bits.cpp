// One result, one set of bits: whatever the number of threads, the strides, the other sizes,
// and whether a row stands alone or in a batch. (Between compilers and CPUs:
// tests/test_build.cpp.)
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/random.h"
#include "tests/golden.h"
#include <doctest/doctest.h>

#include <functional>
#include <span>

using namespace heed;
using heed_tests::same;

namespace {

using Numbers = std::vector<Scalar>;

// Large enough for several threads.
Tensor large(uint64_t seed) {
  manual_seed(seed);
  return uniform({301, 503}, -3, 3);
}

// f's results and gradients for inputs of one size with `large`.
Numbers run(const std::function<Tensor(const Tensor&, const Tensor&)>& f) {
  Tensor a = large(1).requires_grad_(), b = large(2).requires_grad_();
  Tensor y = f(a, b);
  Numbers all = y.to_vector();
  manual_seed(3);
  y.backward(uniform(y.shape(), -1, 1));
  for (const Tensor& x : {a, b})
    if (x.grad().defined())
      for (Scalar number : x.grad().to_vector()) all.push_back(number);
  return all;
}

}  // namespace

TEST_CASE("bits: the number of threads changes none") {
  const std::function<Tensor(const Tensor&, const Tensor&)> functions[] = {
      [](auto& a, auto& b) { return a * b + a / (b * b + 1); },
      [](auto& a, auto& b) { return relu(a) - clamp(b, -1, 1) * 2; },
      [](auto& a, auto& b) { return exp(a) + tanh(b) * sigmoid(a) + log(b * b + 1); },
      [](auto& a, auto& b) { return softmax(a, 1) * log_softmax(b, 1); },
      [](auto& a, auto& b) { return softmax(a, 0) * log_softmax(b, 0); },
      [](auto& a, auto& b) { return sum(a, {1}) * mean(b, {1}); },
      [](auto& a, auto& b) { return sum(a, {0}) * var(b, {0}); },
      [](auto& a, auto& b) {
        return sum(a.view({7, 43, 503}), {1}) * mean(b);
      },
      [](auto& a, auto& b) { return max(a, {1}) + max(b, {1}) * sum(b); },
      [](auto& a, auto& b) { return matmul(a, b.transpose(0, 1)); },
      [](auto& a, auto& b) {
        return matmul(a.view({7, 43, 503}), b.view({7, 43, 503}).transpose(1, 2));
      },
      [](auto& a, auto& b) { return a.transpose(0, 1).contiguous() * b.transpose(0, 1); },
      [](auto& a, auto& b) {
        return a.view({7, 43, 503}).transpose(1, 2).contiguous() * b.view({7, 503, 43});
      },
      [](auto& a, auto& b) {
        return linear(cat({{a, a, a, a}}, 0), b, b.narrow(1, 0, 1).reshape({b.size(0)}));
      },
      [](auto& a, auto& b) {
        std::vector<int> labels(size_t(a.size(0)), 5);
        labels[3] = -100;
        return cross_entropy(a * b, labels, {.label_smoothing = 0.1});
      },
  };
  int threads = get_num_threads();
  for (size_t i = 0; i < std::size(functions); ++i) {
    CAPTURE(i);
    set_num_threads(1);
    Numbers alone = run(functions[i]);
    for (int count : {2, 3, 8}) {
      set_num_threads(count);
      CHECK(run(functions[i]) == alone);
    }
  }
  set_num_threads(threads);
}

TEST_CASE("bits: a row has the same ones alone and in a batch") {
  Tensor x = large(4), w = uniform({37, 503}, -1, 1), b = uniform({37}, -1, 1);
  const std::function<Tensor(const Tensor&)> functions[] = {
      [](auto& t) { return exp(t) * tanh(t) + sigmoid(t) / log(t * t + 1); },
      [](auto& t) { return softmax(t, 1); },
      [](auto& t) { return log_softmax(t, -1); },
      [](auto& t) { return sum(t, {1}); },
      [](auto& t) { return mean(t, {1}, true) + var(t, {1}, 1, true) + max(t, {1}, true); },
      [&](auto& t) { return linear(t, w, b); },
      [&](auto& t) { return matmul(t, w.transpose(0, 1)); },
  };
  for (size_t i = 0; i < std::size(functions); ++i) {
    CAPTURE(i);
    Tensor whole = functions[i](x);
    for (int row : {0, 1, 17, 150, 299, 300}) {
      CAPTURE(row);
      CHECK(same(functions[i](x.narrow(0, row, 1)), whole.narrow(0, row, 1)));
    }
    CHECK(same(functions[i](x.narrow(0, 100, 5)), whole.narrow(0, 100, 5)));
  }
}

// Many short rows go through softmax together, each in a lane of its own.
TEST_CASE("bits: so have the short rows of a softmax, masked or not, and their gradients") {
  manual_seed(5);
  const int64_t rows = 37;
  for (int64_t n : {1, 2, 7, 15, 16, 17, 20, 32, 33, 63, 64, 65}) {
    CAPTURE(n);
    Tensor x = uniform({rows, n}, -9, 9), g = uniform({rows, n}, -1, 1),
           may = uniform({rows, n}, 0, 1) > 0.3;
    may.narrow(0, 3, 2).zero_();         // nothing is visible
    x.narrow(0, 7, 1).fill_(-INFINITY);  // all scores are -infinity, and so all are NaN
    may.narrow(0, 7, 1).fill_(1);
    x.narrow(0, 9, 1).narrow(1, 0, 1).fill_(-INFINITY);
    for (bool masked : {false, true}) {
      auto weights = [&](int64_t first, int64_t count) {
        Tensor some = x.narrow(0, first, count).clone().requires_grad_();
        Tensor y =
            masked ? masked_softmax(some, may.narrow(0, first, count)) : softmax(some, 1);
        y.backward(g.narrow(0, first, count).clone());
        return cat({y.detach(), some.grad()}, 1);
      };
      Tensor all = weights(0, rows);
      for (int64_t row = 0; row < rows; ++row) {
        CAPTURE(row);
        Tensor one = weights(row, 1), same_row = all.narrow(0, row, 1);
        if (row == 7)
          CHECK(one.at({0, 0}) != one.at({0, 0}));
        else
          CHECK(same(one, same_row));
      }
      CHECK(all.at({7, 0}) != all.at({7, 0}));
    }
  }
}

TEST_CASE("bits: rows of a softmax that share a mask have the one that broadcasting gives") {
  manual_seed(6);
  Tensor x = uniform({5, 4, 7, 20}, -9, 9);
  for (const Shape& shape : {Shape{5, 1, 1, 20}, Shape{5, 1, 7, 20}, Shape{7, 20}, Shape{20}}) {
    Tensor may = uniform(shape, 0, 1) > 0.3;
    CHECK(same(masked_softmax(x, may), masked_softmax(x, may.expand(x.shape()).contiguous())));
  }
}

// Channels lie side by side in vectors, of which the last overlaps the one before it.
TEST_CASE("bits: a channel has the same ones in batch_norm alone and among others") {
  manual_seed(7);
  const int64_t N = 7;
  auto normalized = [](const Tensor& numbers, const Tensor& g, bool training) {
    int64_t C = numbers.size(1);
    Tensor x = numbers.clone().requires_grad_(), mean = full({C}, 0.25), var = full({C}, 2);
    Tensor weight = full({C}, 1.5).requires_grad_(), bias = full({C}, -0.5).requires_grad_();
    Tensor y = batch_norm(x, mean, var, weight, bias, training, 0.1, 1e-5);
    y.backward(g);
    std::vector<Tensor> rows = {y.detach(), x.grad()};
    for (const Tensor& t : {weight.grad(), bias.grad(), mean, var})
      rows.push_back(t.unsqueeze(0));
    return cat(rows, 0);
  };
  for (int64_t C : {1, 3, 15, 16, 17, 33, 100})
    for (bool training : {true, false}) {
      CAPTURE(C);
      Tensor x = uniform({N, C}, -3, 3), g = uniform({N, C}, -1, 1);
      Tensor all = normalized(x, g, training);
      for (int64_t c = 0; c < C; ++c) {
        CAPTURE(c);
        auto channel = [c](const Tensor& t) { return t.narrow(1, c, 1).clone(); };
        CHECK(same(normalized(channel(x), channel(g), training), channel(all)));
      }
    }
}

TEST_CASE("bits: linear's bias and its gradient are those of plain loops") {
  manual_seed(8);
  for (int64_t out : {1, 3, 15, 16, 17, 33, 100}) {
    CAPTURE(out);
    Tensor x = uniform({7, 5}, -1, 1), w = uniform({out, 5}, -1, 1),
           g = uniform({7, out}, -1, 1);
    Tensor b = uniform({out}, -1, 1).requires_grad_();
    Tensor y = linear(x, w, b);
    CHECK(same(y.detach(), matmul(x, w.transpose(0, 1)) + b.detach()));
    y.backward(g);
    for (int64_t j = 0; j < out; ++j) {
      Scalar total = 0;
      for (int64_t i = 0; i < 7; ++i) total += g.at({i, j});
      CHECK(b.grad().at({j}) == total);
    }
  }
}

TEST_CASE("bits: strides and the place in memory change none") {
  Tensor x = large(5), turned = x.transpose(0, 1);
  CHECK(same(sum(turned, {0}), sum(x, {1})));
  CHECK(same(sum(turned, {1}), sum(x, {0})));
  CHECK(same(sum(turned), sum(turned.clone())));
  CHECK(same(softmax(turned, 0), softmax(x, 1).transpose(0, 1)));
  CHECK(same(log_softmax(turned, 1), log_softmax(x, 0).transpose(0, 1)));
  CHECK(same(exp(turned), exp(x).transpose(0, 1)));
  CHECK(same(turned * turned, (x * x).transpose(0, 1)));
  CHECK(same(matmul(x, turned), matmul(x.clone(), turned.clone())));
  CHECK(same(linear(x, x), matmul(x, turned)));
  // Any length and any start: the ends of vectors, and what is not on their boundaries
  Tensor flat = x.view({-1});
  for (int start : {0, 1, 3, 6})
    for (int n = 1; n <= 40; ++n) {
      CAPTURE(start);
      CAPTURE(n);
      Tensor part = flat.narrow(0, start, n);
      CHECK(same(exp(part), exp(flat).narrow(0, start, n)));
      CHECK(same(sum(part), sum(part.clone())));
      CHECK(same(sum(part), sum(cat({part, zeros({50})}, 0))));  // padding with zeros
      CHECK(same(sum(part), sum(part.unsqueeze(1).expand({n, 3}), {0}).select(0, 1)));
    }
}

// Plainly: sixteen partial sums; of more than 65536 numbers two parts, the first of which has
// 65536, 2 x 65536, 4 x 65536, ... numbers, as many as leave one.
static Scalar plain_sum(std::span<const Scalar> x) {
  size_t first = 65536;
  if (x.size() > first) {
    while (2 * first < x.size()) first *= 2;
    return plain_sum(x.subspan(0, first)) + plain_sum(x.subspan(first));
  }
  Scalar partial[16] = {};
  for (size_t i = 0; i < x.size(); ++i) partial[i % 16] += x[i];
  for (size_t half = 8; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) partial[i] += partial[i + half];
  return partial[0];
}

TEST_CASE("bits: a sum is that of sixteen partial sums, and a long one that of its parts") {
  Tensor x = randn({300000});
  for (int n : {1, 2, 15, 16, 17, 31, 33, 1000, 65536, 65537, 70000, 131072, 131073, 299995}) {
    CAPTURE(n);
    Tensor part = x.narrow(0, 5, n);
    Scalar wanted = plain_sum(part.to_vector());
    CHECK(sum(part).item() == wanted);
    CHECK(sum(part.unsqueeze(1).expand({n, 3}).contiguous(), {0}).at({1}) == wanted);
  }
}
