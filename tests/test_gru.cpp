// The gated recurrent unit: padding, batches and steps, each against the same thing done
// plainly. (Numbers and derivatives: test_ops and test_layers.)
#include "layers/gru.h"
#include "autograd/graph.h"
#include "autograd/parallel.h"
#include "autograd/random.h"
#include "layers/proofs.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include <doctest/doctest.h>

using namespace heed;
using heed_tests::expect_error, heed_tests::same;

namespace {

constexpr int64_t B = 3, T = 5, IN = 4, H = 6;
const std::vector<int> LENGTHS = {5, 1, 3};

std::vector<GRU> variants() {
  manual_seed(0);
  std::vector<GRU> all;
  for (Reset reset : {Reset::after_product, Reset::before_product})
    for (bool bidirectional : {false, true})
      all.emplace_back(
          IN, H, GRU::Options{.layers = 2, .bidirectional = bidirectional, .reset = reset});
  return all;
}

// The same unit from small operations.
Tensor plain_step(const GRUCell& cell, const Tensor& x, const Tensor& h) {
  Tensor i = linear(x, cell.weight_ih, cell.bias_ih);
  auto own = [&](const Tensor& state, int gate) {
    return linear(state, cell.weight_hh.narrow(0, gate * H, H),
                  cell.bias_hh.narrow(0, gate * H, H));
  };
  Tensor r = sigmoid(i.narrow(1, 0, H) + own(h, 0));
  Tensor z = sigmoid(i.narrow(1, H, H) + own(h, 1));
  Tensor reset = cell.reset == Reset::after_product ? r * own(h, 2) : own(r * h, 2);
  Tensor n = tanh(i.narrow(1, 2 * H, H) + reset);
  return (1 - z) * n + z * h;
}

}  // namespace

TEST_CASE("gru: one operation over a sequence has the bits of small ones, step by step") {
  for (Reset reset : {Reset::after_product, Reset::before_product}) {
    manual_seed(1);
    GRUCell cell(IN, H, reset);
    Tensor x = randn({B, T, IN}), h = randn({B, H});
    Tensor all = cell.over(x, h, {}, false), back = cell.over(x, h, {}, true), plain = h;
    for (int64_t t = 0; t < T; ++t) {
      plain = plain_step(cell, x.select(1, t), plain);
      CHECK(same(all.select(1, t).contiguous(), plain));
      if (t == 0) CHECK(same(cell(x.select(1, 0), h), plain));
    }
    plain = h;
    for (int64_t t = T - 1; t >= 0; --t) {
      plain = plain_step(cell, x.select(1, t), plain);
      CHECK(same(back.select(1, t).contiguous(), plain));
    }
  }
}

TEST_CASE("gru: padding is neither read nor written, and a batch is its sentences one by one") {
  for (const GRU& gru : variants()) {
    Tensor x = randn({B, T, IN});
    auto model = [&](const Tensor& x, std::span<const int> lengths) {
      return gru(x, lengths).output;
    };
    CHECK(prove_padding("gru", model, x, LENGTHS) > 0);
    CHECK(prove_batch("gru", model, x, LENGTHS) > 0);
    GRUOutput y = gru(x, LENGTHS);
    for (int64_t b = 0; b < B; ++b) {
      int length = LENGTHS[size_t(b)];
      if (length < T) {
        Tensor padding = y.output.select(0, b).narrow(0, length, T - length);
        CHECK(same(padding.contiguous(), zeros(padding.shape())));
      }
      Tensor alone = gru(x.narrow(0, b, 1).narrow(1, 0, length)).hidden;
      CHECK(same(y.hidden.narrow(1, b, 1).contiguous(), alone));
    }
  }
}

TEST_CASE("gru: without a backward direction nothing ahead is seen") {
  manual_seed(3);
  GRU gru(IN, H, {.layers = 2, .dropout = 0.25});
  auto model = [&](const Tensor& x) { return gru(x).output; };
  CHECK(prove_causal("gru, in training", model, randn({2, T, IN})) > 0);
  GRU both(IN, H, {.bidirectional = true});
  expect_error(
      [&] {
        prove_causal(
            "both ways", [&](const Tensor& x) { return both(x).output; }, randn({2, T, IN}));
      },
      {"[prove_causal] both ways", "position 0", "position 1"});
}

TEST_CASE("gru: padding gets no gradient, and gives none") {
  for (const GRU& gru : variants()) {
    Tensor x = randn({B, T, IN}).requires_grad_();
    GRUOutput y = gru(x, LENGTHS);
    Tensor c = randn(y.output.shape());
    sum(c * y.output).backward();
    Tensor dx = x.grad();
    for (int64_t b = 0; b < B; ++b)
      for (int64_t t = LENGTHS[size_t(b)]; t < T; ++t)
        CHECK(same(dx.select(0, b).select(0, t).contiguous(), zeros({IN})));
    std::vector<Tensor> before;
    for (const Tensor& p : gru.parameters()) before.push_back(p.grad()), p.zero_grad();
    for (int64_t b = 0; b < B; ++b)  // other weights of what is 0 anyway
      for (int64_t t = LENGTHS[size_t(b)]; t < T; ++t)
        for (int64_t j = 0; j < c.size(2); ++j) c.set({b, t, j}, 1e6);
    sum(c * gru(x.detach(), LENGTHS).output).backward();
    for (size_t i = 0; i < before.size(); ++i)
      CHECK(same(gru.parameters()[i].grad(), before[i]));
  }
}

TEST_CASE("gru: padding may hold NaN") {
  const int lengths[] = {T, 2, 0};
  manual_seed(9);
  Tensor clean = randn({B, T, 3 * H}), dirty = clean.clone();
  for (int64_t b = 0; b < B; ++b)
    for (int64_t t = lengths[b]; t < T; ++t)
      dirty.select(0, b).select(0, t).fill_(std::numeric_limits<Scalar>::quiet_NaN());
  Tensor w = randn({3 * H, H}), bias = randn({3 * H}), h0 = randn({B, H});
  for (bool reverse : {false, true})
    for (bool reset_after : {false, true}) {
      std::vector<Tensor> results[2];
      for (bool nan : {false, true}) {
        std::vector<Tensor> in;
        for (const Tensor& x : {nan ? dirty : clean, w, bias, h0})
          in.push_back(x.clone().requires_grad_());
        Tensor y = gru(in[0], in[1], in[2], in[3], lengths, reverse, reset_after);
        sum(y * y).backward();
        results[nan].push_back(y.detach());
        for (const Tensor& x : in) results[nan].push_back(x.grad());
      }
      for (size_t i = 0; i < results[0].size(); ++i) CHECK(same(results[0][i], results[1][i]));
    }
}

TEST_CASE("gru: padding may hold NaN: so may that of a layer, whose weights multiply it") {
  for (const GRU& gru : variants()) {
    Tensor clean = randn({B, T, IN}), dirty = clean.clone();
    for (int64_t b = 0; b < B; ++b)
      for (int64_t t = LENGTHS[size_t(b)]; t < T; ++t)
        dirty.select(0, b).select(0, t).fill_(t % 2 ? NAN : INFINITY);
    std::vector<Tensor> results[2];
    for (bool nan : {false, true}) {
      Tensor x = (nan ? dirty : clean).clone().requires_grad_();
      GRUOutput y = gru(x, LENGTHS);
      (sum(y.output * y.output) + sum(y.hidden * y.hidden)).backward();
      results[nan] = {y.output.detach(), y.hidden.detach(), x.grad()};
      for (const Tensor& p : gru.parameters())
        results[nan].push_back(p.grad()), p.zero_grad();
    }
    for (size_t i = 0; i < results[0].size(); ++i) CHECK(same(results[0][i], results[1][i]));
  }
}

TEST_CASE("gru: one that was moved from says so") {
  GRU gru(IN, H), taken = std::move(gru);
  expect_error([&] { gru(zeros({B, T, IN})); }, {"[GRU]", "moved from"});
  CHECK(taken(zeros({B, T, IN})).output.shape() == Shape{B, T, H});
  gru = taken;
  CHECK(gru(zeros({B, T, IN})).output.shape() == Shape{B, T, H});
}

TEST_CASE("gru: the same bits at any number of threads") {
  int threads = get_num_threads();
  manual_seed(4);
  GRU gru(40, 70, {.bidirectional = true});
  Tensor x = randn({300, 4, 40});
  std::vector<Tensor> first;
  for (int count : {1, 2, 3, 8}) {
    set_num_threads(count);
    gru.zero_grad();
    Tensor y = gru(x).output;
    (y * y).backward(ones(y.shape()));
    std::vector<Tensor> now = {y};
    for (const Tensor& p : gru.parameters()) now.push_back(p.grad().clone());
    if (first.empty()) first = now;
    for (size_t i = 0; i < now.size(); ++i) CHECK(same(now[i], first[i]));
  }
  set_num_threads(threads);
}

TEST_CASE("gru: what does not fit is said with the shapes") {
  GRU layer(IN, H);
  Tensor x = zeros({B, T, IN});
  expect_error([&] { layer(zeros({B, T, 3})); }, {"[GRU]", "(3, 5, 3)", "(B, T, 4)"});
  expect_error([&] { layer(zeros({B, 0, IN})); }, {"[GRU]", "(3, 0, 4)", "one position"});
  expect_error([&] { layer(x, std::vector<int>{5, 0, 1}); }, {"[GRU]", "sentence 1", "0"});
  expect_error([&] { layer(x, std::vector<int>{5, 6, 1}); },
               {"[GRU] sentence 1 has length 6", "(3, 5, 4)", "5 positions"});
  expect_error([&] { layer(x, std::vector<int>{5, 4}); },
               {"[GRU] 2 lengths for x (3, 5, 4)", "one for each sentence"});
  expect_error([&] { layer.cells[0].over(zeros({B, IN}), zeros({B, H}), LENGTHS, false); },
               {"[GRU] 3 lengths for x (3, 4)", "(B, T, in)"});
  expect_error([] { GRU(0, 3); }, {"[GRU]", "0", "3", "positive"});
  expect_error([] { GRU(2, 3, {.dropout = 7}); }, {"[GRU] dropout", "7"});
  expect_error([] { GRU(3, 3, {.layers = 0}); }, {"[GRU]", "0 layers"});
  Tensor gates = zeros({B, T, 3 * H}), w = zeros({3 * H, H}), b = zeros({3 * H});
  expect_error([&] { gru(zeros({B, T, 17}), w, b, zeros({B, H})); }, {"[gru]", "(3, 5, 17)"});
  expect_error(
      [&] {
        gru(gates, w.transpose(0, 1), b, zeros({B, H}));
      },
      {"[gru]", "(6, 18)", "(18, 6)"});
  expect_error([&] { gru(gates, w, zeros({H}), zeros({B, H})); }, {"[gru]", "(6)", "(18)"});
  for (const std::vector<int>& bad : {std::vector{5, 4}, {5, 6, 1}, {5, -1, 1}})
    expect_error([&] { gru(gates, w, b, zeros({B, H}), bad); }, {"[gru]", "(3, 5, 18)"});
  expect_error([&] { gru(gates, w, b, zeros({H})); }, {"[gru]", "(6)", "(3, 6)"});
  expect_error([&] { gru(gates, w, b, Tensor()); }, {"[gru]", "undefined"});
}
