// Attention against its formula, written as loops; rows that see nothing, dropout, heads, any
// number of threads. PyTorch's numbers are in test_layers.cpp, what must not be seen in
// test_proofs.cpp. Sizes differ pairwise, so that no wrong broadcast can hide.
#include "layers/attention.h"
#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/parallel.h"
#include "autograd/random.h"
#include "layers/additive_attention.h"
#include "layers/self_attention_2d.h"
#include "tests/golden.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::difference, heed_tests::expect_error, heed_tests::same;

namespace {

constexpr int64_t B = 2, H = 3, TQ = 4, TK = 5, d = 6, DV = 7, D = H * d;
constexpr double CLOSE = sizeof(Scalar) == 8 ? 1e-13 : 2e-6;

struct Inputs {
  Tensor query, key, value;
  std::vector<Tensor> all() const { return {query, key, value}; }
};
Inputs heads_inputs(uint64_t seed = 1) {
  manual_seed(seed);
  Tensor q = randn({B, H, TQ, d}), k = randn({B, H, TK, d}), v = randn({B, H, TK, DV});
  return {q.requires_grad_(), k.requires_grad_(), v.requires_grad_()};
}
Inputs layer_inputs() {
  manual_seed(2);
  Tensor q = randn({B, TQ, D}), k = randn({B, TK, D}), v = randn({B, TK, D});
  return {q.requires_grad_(), k.requires_grad_(), v.requires_grad_()};
}

Mask coins(const Shape& shape, uint64_t seed = 5) {
  Tensor may = empty(shape);
  Generator(seed).bernoulli(may.mutable_data(), may.numel(), 0.6);
  return Mask::keep(may);
}
struct Case {
  const char* name;
  Mask mask;
};
// Every form, and in some a query that sees nothing.
std::vector<Case> masks() {
  Tensor blind = ones({B, TQ, TK});
  blind.select(1, 2).zero_();
  return {{"none", {}},
          {"(Tq, Tk)", coins({TQ, TK})},
          {"(1, Tk)", coins({1, TK})},
          {"(Tq, 1): queries 0 and 2 alone see", Mask::keep(tensor({1, 0, 1, 0}, {TQ, 1}))},
          {"(B, Tq, Tk)", coins({B, TQ, TK})},
          {"(B, 1, Tk)", padding_mask(std::vector<int>{5, 2}, TK)},
          {"(B, 1, Tk), an empty sentence", padding_mask(std::vector<int>{0, 3}, TK)},
          {"(B, H, Tq, Tk)", coins({B, H, TQ, TK})},
          {"(1, H, 1, Tk)", coins({1, H, 1, TK})},
          {"query 2 sees nothing", Mask::keep(blind)},
          {"nobody sees anything", Mask::hide(ones({1, 1}))}};
}

// For every form of a mask. Failures name it.
void for_each_mask(const std::function<void(const Mask&)>& test) {
  for (const Case& c : masks()) {
    INFO("mask: ", c.name);
    test(c.mask);
  }
}

// Equation 1, number by number. visible(b, h, i, j): may query i look at key j?
using Visible = std::function<bool(int64_t, int64_t, int64_t, int64_t)>;
Attention by_loops(const Inputs& in, const Visible& visible) {
  Attention result{zeros({B, H, TQ, DV}), zeros({B, H, TQ, TK})};
  for (int64_t b = 0; b < B; ++b)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t i = 0; i < TQ; ++i) {
        double power[TK], total = 0;
        for (int64_t j = 0; j < TK; ++j) {
          double score = 0;
          for (int64_t p = 0; p < d; ++p)
            score += double(in.query.at({b, h, i, p})) * double(in.key.at({b, h, j, p}));
          power[j] = visible(b, h, i, j) ? std::exp(score / std::sqrt(double(d))) : 0;
          total += power[j];
        }
        if (total == 0) continue;
        for (int64_t j = 0; j < TK; ++j)
          result.weights.set({b, h, i, j}, Scalar(power[j] / total));
        for (int64_t p = 0; p < DV; ++p) {
          double sum = 0;
          for (int64_t j = 0; j < TK; ++j)
            sum += power[j] / total * double(in.value.at({b, h, j, p}));
          result.output.set({b, h, i, p}, Scalar(sum));
        }
      }
  return result;
}

// The numbers of a mask at (b, h, i, j): (Tq, Tk) for all, (B, Tq, Tk) for all heads; sizes of
// 1 repeat.
bool may(const Mask& mask, int64_t b, int64_t h, int64_t i, int64_t j) {
  if (!mask.defined()) return true;
  const Tensor& m = mask.tensor();
  auto at = [&](int dim, int64_t index) { return m.size(dim) == 1 ? 0 : index; };
  int64_t q = at(-2, i), k = at(-1, j);
  if (m.dim() == 2) return m.at({q, k}) == 1;
  if (m.dim() == 3) return m.at({at(0, b), q, k}) == 1;
  return m.at({at(0, b), at(1, h), q, k}) == 1;
}

bool all_zero(const Tensor& x) {
  std::vector<Scalar> numbers = x.to_vector();
  return std::all_of(numbers.begin(), numbers.end(), [](Scalar v) { return v == 0; });
}

Tensor both(const Attention& a) {
  return cat({a.output.reshape({-1}), a.weights.reshape({-1})}, 0);
}
// Numbers to weigh an output with: no two alike.
Tensor weigh(const Shape& shape) {
  Tensor c = empty(shape);
  Generator(9).uniform(c.mutable_data(), c.numel(), 0.5, 1.5);
  return c;
}
std::vector<Tensor> gradients(const std::vector<Tensor>& leaves, const Tensor& y) {
  for (const Tensor& x : leaves) x.zero_grad();
  y.backward(weigh(y.shape()));
  std::vector<Tensor> result;
  for (const Tensor& x : leaves) result.push_back(x.grad());
  return result;
}
bool all_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

}  // namespace

TEST_CASE("attention: softmax(Q K^T / sqrt(d)) V, by loops, with every form of mask") {
  Inputs in = heads_inputs();
  for_each_mask([&](const Mask& mask) {
    Attention got = scaled_dot_product_attention(in.query, in.key, in.value, mask);
    Attention expected = by_loops(in, [&](int64_t b, int64_t h, int64_t i, int64_t j) {
      return may(mask, b, h, i, j);
    });
    CHECK(difference(got.output, expected.output) < CLOSE);
    CHECK(difference(got.weights, expected.weights) < CLOSE);
    for (int64_t b = 0; b < B; ++b)
      for (int64_t h = 0; h < H; ++h)
        for (int64_t i = 0; i < TQ; ++i)
          for (int64_t j = 0; j < TK; ++j)
            CHECK((got.weights.at({b, h, i, j}) == 0) == !may(mask, b, h, i, j));
  });
}

TEST_CASE("attention: without heads, and without a batch, the same bits") {
  Inputs in = heads_inputs();
  Attention whole = scaled_dot_product_attention(in.query, in.key, in.value, coins({TQ, TK}));
  for (int64_t b = 0; b < B; ++b) {
    Attention heads = scaled_dot_product_attention(in.query.select(0, b), in.key.select(0, b),
                                                   in.value.select(0, b), coins({TQ, TK}));
    CHECK(same(heads.output, whole.output.select(0, b)));
    CHECK(same(heads.weights, whole.weights.select(0, b)));
    auto one = [&](const Tensor& x) { return x.select(0, b).select(0, 1); };
    Attention alone = scaled_dot_product_attention(one(in.query), one(in.key), one(in.value),
                                                   coins({TQ, TK}));
    CHECK(same(alone.output, one(whole.output)));
    CHECK(same(alone.weights, one(whole.weights)));
  }
}

TEST_CASE("attention: a mask of three dimensions is one for each sentence, also if B == H") {
  manual_seed(4);
  Tensor x = randn({2, 2, 3, d});
  Mask mask = padding_mask(std::vector<int>{3, 1}, 3);
  Tensor weights = scaled_dot_product_attention(x, x, x, mask).weights;
  for (int64_t h = 0; h < 2; ++h) {
    CHECK(weights.at({0, h, 0, 2}) > 0);
    CHECK(weights.at({1, h, 0, 0}) == 1);
    CHECK(weights.at({1, h, 0, 2}) == 0);
  }
}

#ifdef HEED_DOUBLE
TEST_CASE("attention: gradients against differences, with every mask, and with dropout") {
  double largest = 0;
  Inputs in = heads_inputs();
  manual_seed(3);
  MultiHeadAttention layer(D, H, 0.3);
  Inputs x = layer_inputs();
  for_each_mask([&](const Mask& mask) {
    for (double p : {0., 0.3}) {
      CAPTURE(p);
      auto plain = [&](auto& in) {
        return both(scaled_dot_product_attention(in[0], in[1], in[2], mask, p));
      };
      if (!mask.defined() || !all_zero(mask.tensor()))
        CHECK_NOTHROW(largest = std::max(largest, gradcheck("attention", plain, in.all())));
      layer.train(p > 0);
      std::vector<Tensor> leaves = x.all();
      for (const Tensor& parameter : layer.parameters()) leaves.push_back(parameter);
      auto heads = [&](auto&) { return both(layer(x.query, x.key, x.value, mask)); };
      CHECK_NOTHROW(largest = std::max(largest, gradcheck("heads", heads, leaves)));
    }
  });
  MESSAGE("largest error: " << largest);
}
#endif

TEST_CASE("attention: a query that sees nothing gets zeros and leaves the others their bits") {
  Inputs in = heads_inputs();
  Tensor visible = coins({TQ, TK}).tensor().clone();
  visible.select(0, 2).zero_();
  Mask blind = Mask::keep(visible);
  auto without_2 = [](const Tensor& x, int dim = 2) {
    return cat({x.narrow(dim, 0, 2), x.narrow(dim, 3, 1)}, dim);
  };
  Mask rest = Mask::keep(without_2(visible, 0));

  Attention with = scaled_dot_product_attention(in.query, in.key, in.value, blind);
  CHECK(all_zero(with.weights.select(2, 2)));
  CHECK(all_zero(with.output.select(2, 2)));
  Inputs others = {without_2(in.query).detach().requires_grad_(),
                   in.key.detach().clone().requires_grad_(),
                   in.value.detach().clone().requires_grad_()};
  Attention alone = scaled_dot_product_attention(others.query, others.key, others.value, rest);
  CHECK(same(without_2(with.output), alone.output));
  CHECK(same(without_2(with.weights), alone.weights));

  Tensor c = weigh(with.output.shape()), e = weigh(with.weights.shape());
  (sum(with.output * c) + sum(with.weights * e)).backward();
  (sum(alone.output * without_2(c)) + sum(alone.weights * without_2(e))).backward();
  CHECK(all_zero(in.query.grad().select(2, 2)));
  CHECK_FALSE(all_zero(in.query.grad().select(2, 1)));
  CHECK(same(without_2(in.query.grad()), others.query.grad()));
  CHECK(same(in.key.grad(), others.key.grad()));
  CHECK(same(in.value.grad(), others.value.grad()));
}

TEST_CASE("attention: in a layer, too: context 0, so that the output is the bias") {
  manual_seed(3);
  MultiHeadAttention layer(D, H);
  {
    NoGrad guard;
    layer.out_proj.bias->copy_(weigh({D}));
    layer.in_proj_bias.copy_(weigh({3 * D}));
  }
  Inputs in = layer_inputs();
  Mask mask = padding_mask(std::vector<int>{0, 3}, TK);  // sentence 0 has no keys
  Attention a = layer(in.query, in.key, in.value, mask);
  CHECK(all_zero(a.weights.select(0, 0)));
  for (int64_t i = 0; i < TQ; ++i)
    CHECK(same(a.output.select(0, 0).select(0, i), layer.out_proj.bias->detach()));
  a.output.backward(weigh(a.output.shape()));
  for (const Tensor& x : in.all()) {
    CHECK(all_zero(x.grad().select(0, 0)));
    CHECK_FALSE(all_zero(x.grad().select(0, 1)));
  }
  CHECK(all_zero(in.key.grad().select(0, 1).narrow(0, 3, 2)));  // and hidden keys get none
  CHECK(all_zero(in.value.grad().select(0, 1).narrow(0, 3, 2)));
}

TEST_CASE("attention: weights are handed back as they were before dropout") {
  Inputs in = heads_inputs();
  for_each_mask([&](const Mask& mask) {
    Attention clean = scaled_dot_product_attention(in.query, in.key, in.value, mask);
    manual_seed(7);
    Attention dropped = scaled_dot_product_attention(in.query, in.key, in.value, mask, 0.5);
    CHECK(same(dropped.weights, clean.weights));
    manual_seed(7);
    CHECK(same(dropped.output, matmul(dropout(clean.weights, 0.5), in.value)));
    CHECK(same(dropped.output, clean.output) == all_zero(clean.weights));
  });
}

TEST_CASE("attention: a layer drops weights in training only") {
  manual_seed(3);
  MultiHeadAttention layer(D, H, 0.4), plain = layer;
  plain.dropout = 0;
  Inputs in = layer_inputs();
  Attention expected = plain(in.query, in.key, in.value);
  Generator before = default_generator();
  layer.eval();
  Attention evaluated = layer(in.query, in.key, in.value);
  CHECK(default_generator() == before);  // no coin was thrown
  CHECK(same(evaluated.output, expected.output));
  layer.train();
  Attention trained = layer(in.query, in.key, in.value);
  CHECK_FALSE(default_generator() == before);
  CHECK(same(trained.weights, expected.weights));
  CHECK_FALSE(same(trained.output, expected.output));
}

TEST_CASE("attention: keys projected once give what keys projected at each call give") {
  manual_seed(3);
  MultiHeadAttention layer(D, H);
  Inputs in = layer_inputs();
  Mask mask = padding_mask(std::vector<int>{2, 3}, TK);
  Attention at_once = layer(in.query, in.key, in.value, mask);
  KeysValues projected = layer.project(in.key, in.value);
  expect_shape(projected.keys, {B, H, TK, D / H});
  Attention in_two = layer(in.query, projected, mask);
  CHECK(same(in_two.output, at_once.output));
  CHECK(same(in_two.weights, at_once.weights));
  expect_error([&] { layer.project(in.key.select(0, 0), in.value); },
               {"[MultiHeadAttention] key", "wanted for each"});
  expect_error([&] { layer(in.query.select(0, 0), projected); },
               {"[MultiHeadAttention] query", "wanted"});
}

TEST_CASE("attention: heads lie side by side in the width, and come back in place") {
  Tensor x = arange(double(B * TQ * D)).view({B, TQ, D}), split = split_heads(x, H);
  expect_shape(split, {B, H, TQ, d});
  for (int64_t b = 0; b < B; ++b)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t t = 0; t < TQ; ++t)
        for (int64_t p = 0; p < d; ++p)
          CHECK(split.at({b, h, t, p}) == x.at({b, t, h * d + p}));
  CHECK(same(merge_heads(split), x));
}

// Every head by itself: its rows of in_proj, its columns of out_proj.
TEST_CASE("attention: a layer is one attention a head, on projections of its own") {
  manual_seed(3);
  MultiHeadAttention layer(D, H);
  {
    NoGrad guard;
    layer.in_proj_bias.copy_(weigh({3 * D}));
  }
  Inputs in = layer_inputs();
  Mask mask = coins({B, H, TQ, TK});
  Attention got = layer(in.query, in.key, in.value, mask);
  Tensor output = zeros({B, TQ, D}) + *layer.out_proj.bias;
  for (int64_t h = 0; h < H; ++h) {
    auto project = [&](const Tensor& x, int64_t which) {
      return linear(x, layer.in_proj_weight.narrow(0, which * D + h * d, d),
                    layer.in_proj_bias.narrow(0, which * D + h * d, d));
    };
    Attention head = scaled_dot_product_attention(
        project(in.query, 0), project(in.key, 1), project(in.value, 2),
        Mask::keep(mask.tensor().select(1, h)));
    CHECK(difference(got.weights.select(1, h), head.weights) < CLOSE);
    output = output + linear(head.output, layer.out_proj.weight.narrow(1, h * d, d));
  }
  CHECK(difference(got.output, output) < CLOSE);
}

TEST_CASE("attention: a bias of the keys has no gradient; those of queries and values have") {
  manual_seed(3);
  MultiHeadAttention layer(D, H);
  Inputs in = layer_inputs();
  gradients(layer.parameters(), layer(in.query, in.key, in.value).output);
  auto size = [&](int64_t which) {
    Tensor g = layer.in_proj_bias.grad().narrow(0, which * D, D);
    return std::sqrt(double(sum(g * g).item()));
  };
  CHECK(size(1) < 10 * double(std::numeric_limits<Scalar>::epsilon()) * size(0));
  CHECK(size(0) > 0.01);
  CHECK(size(2) > 0.01);
}

TEST_CASE("attention: as many threads as there are, the same bits") {
  int before = get_num_threads();
  manual_seed(3);
  MultiHeadAttention layer(D, H, 0.2);
  Tensor q = randn({B, 70, D}).requires_grad_(), x = randn({B, 90, D}).requires_grad_();
  Mask mask = padding_mask(std::vector<int>{90, 57}, 90);
  std::vector<Tensor> leaves = layer.parameters();
  leaves.insert(leaves.end(), {q, x});
  auto run = [&](int threads) {
    set_num_threads(threads);
    manual_seed(8);
    Attention a = layer(q, x, x, mask);
    std::vector<Tensor> result = gradients(leaves, both(a));
    result.insert(result.end(), {a.output.detach(), a.weights.detach()});
    return result;
  };
  std::vector<Tensor> one = run(1);
  for (int threads : {2, 3}) CHECK(all_same(run(threads), one));
  set_num_threads(before);
}

TEST_CASE("attention: nothing to attend to, nobody who attends, and no sentence at all") {
  manual_seed(3);
  MultiHeadAttention layer(D, H);
  for (auto [sentences, queries, keys] :
       {std::tuple{2, 4, 0}, {2, 0, 5}, {0, 4, 5}, {2, 0, 0}}) {
    Tensor q = zeros({sentences, queries, D}).requires_grad_(), x = zeros({sentences, keys, D});
    Attention a = layer(q, x, x);
    expect_shape(a.output, {sentences, queries, D});
    expect_shape(a.weights, {sentences, H, queries, keys});
    CHECK(all_zero(a.output));  // out_proj's bias
    sum(a.output).backward();
    CHECK(all_zero(q.grad()));
  }
  SelfAttention2d block(16);
  for (const Shape& shape : {Shape{0, 16, 3, 5}, Shape{2, 16, 0, 5}}) {
    expect_shape(block(zeros(shape)).output, shape);
    expect_shape(block.output(zeros(shape)), shape);
  }
}

TEST_CASE("attention: what does not fit is said with the shapes") {
  auto attend = [](const Shape& q, const Shape& k, const Shape& v) {
    return [=] { scaled_dot_product_attention(ones(q), ones(k), ones(v)); };
  };
  expect_error(attend({4}, {5}, {5}),
               {"[attention] query (4), key (5), value (5)", "(..., T, d)"});
  expect_error(attend({2, 4, 6}, {5, 6}, {5, 6}), {"[attention] query (2, 4, 6), key (5, 6)"});
  expect_error(attend({1, 1, 1, 4, 6}, {1, 1, 1, 5, 6}, {1, 1, 1, 5, 6}),
               {"[attention] query (1, 1, 1, 4, 6)", "B and H"});
  expect_error(attend({2, 4, 6}, {3, 5, 6}, {3, 5, 6}),
               {"[attention] query (2, 4, 6), key (3, 5, 6)", "leading sizes differ"});
  expect_error(attend({2, 3, 4, 6}, {2, 3, 5, 6}, {2, 1, 5, 6}),
               {"[attention]", "value (2, 1, 5, 6)", "leading sizes differ"});
  expect_error(attend({4, 6}, {5, 7}, {5, 7}),
               {"[attention] query (4, 6), key (5, 7)", "last sizes differ"});
  expect_error(attend({4, 6}, {5, 6}, {4, 6}),
               {"[attention] key (5, 6), value (4, 6)", "a value for each key"});
  expect_error([] { scaled_dot_product_attention(Tensor(), ones({5, 6}), ones({5, 6})); },
               {"[attention]", "undefined"});
  Tensor x = ones({4, 6});
  expect_error([&] { scaled_dot_product_attention(x, x, x, causal_mask(5)); },
               {"[mask] (5, 5)", "scores (4, 4)", "5 keys", "there are 4"});
  expect_error([&] { scaled_dot_product_attention(x, x, x, {}, 1.5); }, {"[dropout] p 1.5"});
}

TEST_CASE("attention: what a layer cannot take is said with the shapes") {
  expect_error([] { MultiHeadAttention(10, 3); },
               {"[MultiHeadAttention] width 10 for 3 heads", "divisible"});
  for (auto [width, heads] : {std::pair{12, 0}, {12, -3}, {0, 3}, {3, 12}})
    expect_error([width = width, heads = heads] { MultiHeadAttention(width, heads); },
                 {"[MultiHeadAttention] width"});
  expect_error([] { MultiHeadAttention(12, 3, 1.5); }, {"[MultiHeadAttention] dropout 1.5"});
  MultiHeadAttention layer(12, 3);
  Tensor x = ones({2, 4, 12}), wide = ones({2, 4, 18}), flat = ones({4, 12});
  for (const Tensor& bad : {wide, flat}) {
    const char* shape = bad.dim() == 2 ? "(4, 12)" : "(2, 4, 18)";
    auto parts = {"[MultiHeadAttention] query", shape, "(B, T, 12)"};
    expect_error([&] { layer(bad, x, x); }, parts);
    expect_error([&] { layer(x, bad, x); }, parts);
    expect_error([&] { layer(x, x, bad); }, parts);
  }
  Tensor three = ones({3, 5, 12}), five = ones({2, 5, 12});
  expect_error([&] { layer(x, three, three); },
               {"[MultiHeadAttention] query (2, 4, 12), key (3, 5, 12)", "batch"});
  expect_error([&] { layer(x, five, x); }, {"[MultiHeadAttention]", "key (2, 5, 12)",
                                            "value (2, 4, 12)", "a value for each key"});
  // A mask for each of 3 heads where one for each of 2 sentences is meant.
  expect_error([&] { layer(x, x, x, Mask::keep(ones({3, 4, 4}))); },
               {"[mask] (3, 4, 4)", "scores (2, 3, 4, 4)", "batch first", "unsqueeze(0)"});
  expect_error([&] { split_heads(ones({2, 4, 10}), 3); },
               {"[split_heads]", "(2, 4, 10)", "3 heads"});
  expect_error([&] { split_heads(x, 0); }, {"[split_heads]", "(2, 4, 12)", "0 heads"});
  expect_error([&] { split_heads(flat, 3); }, {"[split_heads]", "(4, 12)", "(B, T, D)"});
  expect_error([&] { merge_heads(x); }, {"[merge_heads]", "(2, 4, 12)", "(B, H, T, d)"});
}

TEST_CASE("attention: additive: as many values as keys, for the same sentences") {
  AdditiveAttention layer(5, 6, 7);
  Tensor state = ones({3, 5}), projected = layer.project(ones({3, 4, 6}));
  for (const Shape& bad :
       {Shape{1, 4, 2}, {5, 3, 4, 2}, {4, 2}, {3, 1, 2}, {3, 5, 2}, {2, 4, 2}}) {
    std::ostringstream text;
    text << bad;
    expect_error([&] { layer(state, projected, ones(bad)); },
                 {"[AdditiveAttention] projected (3, 4, 7), values ", text.str().c_str(),
                  "a value for each key"});
  }
  expect_error([&] { layer(state, projected.select(0, 0), ones({3, 4, 2})); },
               {"[AdditiveAttention] projected (4, 7)", "(B, T, 7)"});
  expect_error([&] { layer(state, projected, Tensor()); }, {"[AdditiveAttention]", "values ()"});
  expect_error([&] { layer(ones({2, 5}), projected, ones({3, 4, 2})); },
               {"[additive_scores]", "(2, 7)", "(3, 7)"});
  expect_shape(layer(state, projected, ones({3, 4, 2})).output, {3, 2});
}

// ---- over feature maps
TEST_CASE("attention 2d: gamma is 0 at the start: the input passes, and only gamma learns") {
  manual_seed(3);
  SelfAttention2d block(16);
  Tensor x = randn({2, 16, 3, 5}).requires_grad_();
  Attention a = block(x);
  CHECK(same(a.output, x.detach()));
  Tensor c = weigh(x.shape());
  a.output.backward(c);
  CHECK(same(x.grad(), c));
  for (auto& parameter : block.named_parameters()) {
    CAPTURE(parameter.first);
    CHECK(all_zero(parameter.second.grad()) == (parameter.first != "gamma"));
  }
}

TEST_CASE("attention 2d: row i of the weights is where pixel i looks") {
  manual_seed(3);
  SelfAttention2d block(16);
  block.gamma.detach().fill_(1);
  Tensor x = randn({2, 16, 3, 5});
  Attention a = block(x);
  expect_shape(a.weights, {2, 15, 15});
  Tensor v = block.value(x).view({2, 16, 15});
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t i = 0; i < 15; ++i) {
      double total = 0;
      for (int64_t j = 0; j < 15; ++j) total += double(a.weights.at({b, i, j}));
      CHECK(total == doctest::Approx(1).epsilon(1e-6));
      Tensor seen = matmul(v.select(0, b), a.weights.select(0, b).select(0, i));  // (16)
      Tensor added = (a.output - x).select(0, b).view({16, 15}).select(1, i);
      CHECK(difference(added, seen) < 100 * CLOSE);
    }
}

TEST_CASE("attention 2d: scaled divides the scores by sqrt(C / 8)") {
  manual_seed(3);
  SelfAttention2d plain(32), scaled = plain;
  scaled.scaled = true;
  {
    NoGrad guard;
    plain.query.weight.mul_(0.5);  // sqrt(32 / 8) is 2
    plain.query.bias->mul_(0.5);
  }
  Tensor x = randn({2, 32, 3, 5});
  CHECK(difference(scaled(x).weights, plain(x).weights) < CLOSE);
}

TEST_CASE("attention 2d: the output alone is the same, and so are its gradients") {
  for (bool scaled : {false, true}) {
    CAPTURE(scaled);
    manual_seed(3);
    SelfAttention2d plain(32, scaled);
    plain.gamma.detach().fill_(0.5);
    SelfAttention2d fused = plain;
    Tensor x = randn({2, 32, 7, 21}).requires_grad_(), same_x = x.detach().requires_grad_();
    Tensor c = weigh(x.shape()), y = plain(x).output, fused_y = fused.output(same_x);
    CHECK(difference(fused_y, y.detach()) < CLOSE);
    y.backward(c);
    fused_y.backward(c);
    CHECK(difference(same_x.grad(), x.grad()) < 10 * CLOSE);
    auto expected = plain.named_parameters(), got = fused.named_parameters();
    for (size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(expected[i].first);
      if (expected[i].first == "key.bias") continue;  // 0, but for rounding: softmax drops it
      CHECK(difference(got[i].second.grad(), expected[i].second.grad()) < 10 * CLOSE);
    }
  }
}

TEST_CASE("attention 2d: errors") {
  for (int channels : {7, 1, 0, -8})
    expect_error([&] { SelfAttention2d{channels}; },
                 {"[SelfAttention2d]", "channels", "eighth", "at least 8"});
  expect_error([] { SelfAttention2d{7}; }, {"[SelfAttention2d] 7 channels"});
  SelfAttention2d block(16);
  expect_error([&] { block(ones({16, 3, 5})); },
               {"[SelfAttention2d] x (16, 3, 5)", "(B, C, H, W)"});
  expect_error([&] { block.output(ones({16, 3, 5})); }, {"[SelfAttention2d] x (16, 3, 5)"});
  expect_error([&] { block(ones({2, 8, 3, 5})); }, {"(2, 8, 3, 5)", "(B, 16, H, W)"});
  expect_error([] { Conv1x1(0, 3); }, {"[Conv1x1] from 0 to 3 channels"});
  expect_error([] { Conv1x1(3, -1); }, {"[Conv1x1] from 3 to -1 channels"});
  expect_error([] { Conv1x1(3, 4)(ones({2, 5, 3, 3})); },
               {"[Conv1x1] x (2, 5, 3, 3)", "(B, 3, H, W)"});
  expect_error([] { Conv1x1(3, 4)(ones({3, 3, 3})); }, {"[Conv1x1] x (3, 3, 3)"});
}
