// Layers for sequences: positions, embeddings, dropout, layer normalisation. Their gradients
// and PyTorch's outputs are in test_layers.cpp, their first weights in test_init.cpp.
#include <algorithm>
#include <cmath>
#include "autograd/graph.h"
#include "autograd/parallel.h"
#include "autograd/random.h"
#include "layers/dropout.h"
#include "layers/embedding.h"
#include "layers/layer_norm.h"
#include "layers/positional_encoding.h"
#include "tests/golden.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::Golden, heed_tests::difference, heed_tests::expect_error, heed_tests::same;

namespace {

bool all(const Tensor& x, double number) {
  std::vector<Scalar> numbers = x.to_vector();
  return std::all_of(numbers.begin(), numbers.end(),
                     [=](Scalar v) { return v == Scalar(number); });
}

}  // namespace

// ---- positions
TEST_CASE("sequence: the table of positions is right to the last bit of a float") {
  Golden golden("layers");
  for (int64_t width : {512, 7}) {
    CAPTURE(width);
    std::string name = "position_table." + std::to_string(width);
    Tensor table = PositionalEncoding(width).pe;
    expect_shape(table, {1, 5000, width});
    std::vector<int> positions = golden.ints(name + "/positions");
    Tensor rows = index_select(table.select(0, 0), positions);
    CHECK(positions.size() == 7);
    // In float both are rounded from double. In double the last bits of an angle, which is 4999
    // at most, are to be seen.
    if (sizeof(Scalar) == 4) CHECK(same(rows, golden[name + "/rows"]));
    else CHECK(difference(rows, golden[name + "/rows"]) < 2e-12);
  }
}

TEST_CASE("sequence: even columns are sines, odd ones cosines, of angles that grow slower") {
  Tensor table = PositionalEncoding::sines(4, 3);
  const double fast[] = {0, std::sin(1.), std::sin(2.)};
  const double slow[] = {1, std::cos(.01), std::cos(.02)};
  for (int64_t t = 0; t < 3; ++t) {
    CHECK(double(table.at({0, t, 0})) == doctest::Approx(fast[t]).epsilon(1e-6));
    CHECK(double(table.at({0, t, 3})) == doctest::Approx(slow[t]).epsilon(1e-6));
  }
}

TEST_CASE("sequence: position t adds row t, to every sentence the same") {
  manual_seed(1);
  Tensor x = randn({2, 4, 6});
  PositionalEncoding sines(6);
  LearnedPositionalEncoding learned(6, 5);
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t t = 0; t < 4; ++t) {
      auto row = [&](const Tensor& y) { return y.select(0, b).select(0, t); };
      CHECK(same(row(sines(x)), row(x) + sines.pe.select(0, 0).select(0, t)));
      CHECK(same(row(learned(x)).detach(), (row(x) + learned.weight.select(0, t)).detach()));
    }
  sum(learned(x)).backward();
  CHECK(all(learned.weight.grad().narrow(0, 0, 4), 2));  // two sentences
  CHECK(all(learned.weight.grad().narrow(0, 4, 1), 0));  // no sentence is so long
}

TEST_CASE("sequence: more positions than the table has, and other errors") {
  PositionalEncoding sines(6, 0, 4);
  LearnedPositionalEncoding learned(6, 4);
  CHECK(sines(ones({2, 4, 6})).shape() == Shape{2, 4, 6});
  CHECK(learned(ones({2, 4, 6})).shape() == Shape{2, 4, 6});
  expect_error([&] { sines(ones({2, 5, 6})); },
               {"[PositionalEncoding] 5 positions", "table has 4", "max_len of 5 or more"});
  expect_error([&] { learned(ones({2, 5, 6})); },
               {"[LearnedPositionalEncoding] 5 positions", "table has 4", "max_len of 5"});
  CHECK(same(sines(ones({2, 1, 6}), 3), sines(ones({2, 4, 6})).narrow(1, 3, 1)));
  expect_error([&] { sines(ones({2, 2, 6}), 3); },
               {"[PositionalEncoding] 5 positions", "table has 4"});
  expect_error([&] { sines(ones({2, 2, 6}), -1); }, {"[PositionalEncoding] first position -1"});
  expect_error([&] { sines(ones({2, 4, 7})); },
               {"[PositionalEncoding] x (2, 4, 7)", "(B, T, D)", "D = 6"});
  expect_error([&] { learned(ones({4, 6})); }, {"[LearnedPositionalEncoding] x (4, 6)"});
  expect_error([] { PositionalEncoding(0); },
               {"[PositionalEncoding] 5000 positions of 0 numbers", "both must be positive"});
  expect_error([] { PositionalEncoding(6, 0, 0); }, {"[PositionalEncoding] 0 positions"});
  for (auto make : {+[] { PositionalEncoding(6, 1.5); }, +[] { PositionalEncoding(6, -1); }})
    expect_error(make, {"[PositionalEncoding] dropout", "between 0 and 1"});
  expect_error([] { LearnedPositionalEncoding(6, 4, 1.5); },
               {"[LearnedPositionalEncoding] dropout 1.5", "between 0 and 1"});
  expect_error([] { LearnedPositionalEncoding(6, 0); },
               {"[LearnedPositionalEncoding] 0 positions", "both must be positive"});
}

// ---- embedding
TEST_CASE("sequence: a token's row, in the order of the sentences") {
  manual_seed(1);
  Embedding table(7, 3);
  Tensor y = table(std::vector<int>{4, 0, 6, 2, 2, 0}, {2, 3});
  expect_shape(y, {2, 3, 3});
  CHECK(same(y.select(0, 1).select(0, 0).detach(), table.weight.select(0, 2).detach()));
  CHECK(same(y.select(0, 0).select(0, 2).detach(), table.weight.select(0, 6).detach()));
}

TEST_CASE("sequence: the padding row is 0, and stays so in training") {
  manual_seed(1);
  Embedding table(7, 3, 2);
  Tensor padding = table.weight.select(0, 2).detach();
  CHECK(all(padding, 0));
  Tensor y = table(std::vector<int>{2, 5, 2, 5}, {2, 2});
  CHECK(all(y.select(0, 0).select(0, 0), 0));
  sum(y * y + y).backward();
  CHECK(all(table.weight.grad().select(0, 2), 0));
  CHECK_FALSE(all(table.weight.grad().select(0, 5), 0));
  CHECK(all(table.weight.grad().select(0, 0), 0));  // did not occur
  Embedding all_trained(7, 3);
  sum(all_trained(std::vector<int>{2, 2}, {1, 2})).backward();
  CHECK(all(all_trained.weight.grad().select(0, 2), 2));
  CHECK(all(Embedding(7, 3, 0).weight.select(0, 0), 0));
}

TEST_CASE("sequence: a token outside the vocabulary, and other errors") {
  Embedding table(7, 3);
  auto look_up = [&](std::vector<int> ids, Shape shape) {
    return [=, &table] { table(ids, shape); };
  };
  expect_error(look_up({0, 6, 7}, {1, 3}),
               {"[Embedding] token 7 at place 2", "outside the vocabulary", "0 to 6"});
  expect_error(look_up({-1}, {1, 1}), {"[Embedding] token -1 at place 0"});
  expect_error(look_up({0, 1, 2}, {2, 2}), {"[Embedding] 3 tokens for shape (2, 2)"});
  expect_error([] { Embedding(7, 3, 7); },
               {"[Embedding] padding_idx 7", "outside the vocabulary of 7"});
  expect_error([] { Embedding(7, 3, -2); }, {"[Embedding] padding_idx -2"});
  for (auto [V, D] : {std::pair{0, 3}, {7, 0}, {-1, 3}})
    expect_error([V = V, D = D] { Embedding(V, D); }, {"[Embedding]", "both must be positive"});
}

// ---- dropout
TEST_CASE("sequence: dropout is PyTorch's, bit for bit, forward and backward") {
  if (sizeof(Scalar) == 8) return;  // there the golden numbers are float's
  Golden golden("ops");
  int compared = 0;
  for (auto [name, p, training] : {std::tuple{"p0", 0., true},
                                   {"p10", 0.1, true},
                                   {"p25", 0.25, true},
                                   {"p50", 0.5, true},
                                   {"p90", 0.9, true},
                                   {"p100", 1., true},
                                   {"eval", 0.5, false}}) {
    std::string prefix = std::string("dropout.") + name + "/";
    CAPTURE(prefix);
    Tensor x = golden[prefix + "in0"].requires_grad_();
    manual_seed(5);
    Tensor y = dropout(x, p, training);
    CHECK(same(rand({1}), golden[prefix + "next"]));  // so many coins were drawn, no more
    CHECK(same(y.detach(), golden[prefix + "bits"]));
    y.backward(golden[prefix + "c"]);
    CHECK(same(x.grad(), golden[prefix + "grad_bits"]));
    ++compared;
  }
  CHECK(compared == 7);
}

TEST_CASE("sequence: dropout that leaves out all or nothing draws no coins") {
  Tensor x = randn({3, 4}).requires_grad_();
  const Generator before = default_generator();
  CHECK(same(dropout(x, 0).detach(), x.detach()));
  CHECK(same(dropout(x, 0.5, false).detach(), x.detach()));
  CHECK(all(dropout(x, 1), 0));
  CHECK(default_generator() == before);
  sum(dropout(x, 1)).backward();
  CHECK(all(x.grad(), 0));
  dropout(x, 0.5);
  CHECK_FALSE(default_generator() == before);
}

TEST_CASE("sequence: dropout keeps the mean, and sends a gradient through what it kept") {
  manual_seed(2);
  Tensor x = ones({100, 100}).requires_grad_();
  for (double p : {0.1, 0.5, 0.9}) {
    x.zero_grad();
    Tensor y = dropout(x, p);
    CHECK(double(mean(y).item()) == doctest::Approx(1).epsilon(0.1));
    sum(y).backward();
    CHECK(same(x.grad(), y.detach()));
  }
  // Views draw as dense tensors do: in their own row-major order.
  Tensor wide = randn({4, 3});
  manual_seed(3);
  Tensor turned = dropout(wide.transpose(0, 1), 0.5);
  manual_seed(3);
  CHECK(same(turned, dropout(wide.transpose(0, 1).contiguous(), 0.5)));
}

TEST_CASE("sequence: Dropout listens to train() and eval(); what it refuses") {
  Dropout layer(0.5);
  Tensor x = ones({10, 10});
  CHECK_FALSE(same(layer(x), x));
  layer.eval();
  CHECK(same(layer(x), x));
  for (double p : {-0.1, 1.1, std::nan("")})
    expect_error([&] { Dropout{p}; }, {"[Dropout] dropout ", "between 0 and 1"});
}

// ---- layer normalisation
TEST_CASE("sequence: LayerNorm: every row gets mean 0 and variance 1, by itself") {
  manual_seed(4);
  Tensor x = randn({3, 5, 8}) * 7 + 30;
  LayerNorm norm(8);
  Tensor y = norm(x).detach(), means = mean(y, {-1}), variances = var(y, {-1}, 0);
  for (Scalar m : means.to_vector()) CHECK(std::abs(double(m)) < 1e-5);
  for (Scalar v : variances.to_vector()) CHECK(double(v) == doctest::Approx(1).epsilon(1e-4));
  CHECK(same(norm(x.narrow(0, 1, 1)).detach(), y.narrow(0, 1, 1)));
  CHECK(same(norm(x.select(1, 2)).detach(), y.select(1, 2)));
  norm.eval();
  CHECK(same(norm(x).detach(), y));
  expect_error([&] { norm(ones({3, 7})); }, {"[layer_norm] x (3, 7)", "rows of 7", "(8)"});
}

TEST_CASE("sequence: normalisation and masked softmax: any number of threads, the same bits") {
  manual_seed(4);
  Tensor x = randn({300, 101}).requires_grad_(), w = randn({101}).requires_grad_();
  Tensor may = dropout(ones({300, 101}), 0.4) > 0;
  int before = get_num_threads();
  auto run = [&](int threads) {
    set_num_threads(threads);
    x.zero_grad();
    w.zero_grad();
    Tensor y = masked_softmax(layer_norm(x, w, w), may);
    (y * y).backward(x.detach());
    return cat({y.detach().view({-1}), x.grad().view({-1}), w.grad()}, 0);
  };
  Tensor one = run(1);
  for (int threads : {2, 3}) CHECK(same(run(threads), one));
  set_num_threads(before);
}
