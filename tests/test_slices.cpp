// Slices of one tensor: narrow() and select() put their gradients into one gradient of its
// size, in place. (That many slices take no more memory than one: test_pool.cpp.)
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/golden.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::expect_error, heed_tests::same;

namespace {

using Numbers = std::vector<Scalar>;

Tensor leaf(Numbers numbers) {
  return tensor(numbers, {int64_t(numbers.size())}).requires_grad_();
}
Numbers grad(const Tensor& x) { return x.grad().to_vector(); }

// Windows of 3 from 5 numbers, weighed 1, 10, 100: element i is in those that begin at i - 2
// to i.
Tensor windows(const Tensor& x) {
  return sum(x.narrow(0, 0, 3)) + sum(x.narrow(0, 1, 3)) * 10 + sum(x.narrow(0, 2, 3)) * 100;
}
const Numbers WINDOWS = {1, 11, 111, 110, 100};

Numbers times(Numbers numbers, Scalar factor) {
  for (Scalar& x : numbers) x *= factor;
  return numbers;
}

}  // namespace

TEST_CASE("slices: gradients of overlapping slices add up") {
  Tensor x = leaf({1, 2, 3, 4, 5});
  windows(x).backward();
  CHECK(grad(x) == WINDOWS);
  windows(x).backward();  // a leaf goes on adding
  CHECK(grad(x) == times(WINDOWS, 2));
  Tensor y = leaf({1, 2, 3, 4, 5});
  windows(y * 7).backward();
  CHECK(grad(y) == times(WINDOWS, 7));
  Tensor z = leaf({1, 2, 3, 4, 5});
  windows(z.narrow(0, 0, 5)).backward();  // slices of a slice
  CHECK(grad(z) == WINDOWS);
}

TEST_CASE("slices: many along any dimension, of views, and in every order") {
  manual_seed(3);
  Tensor x = randn({4, 6, 5}).requires_grad_(), c = randn({6, 4, 3});
  auto gradient = [&](bool backwards) {
    x.zero_grad();
    Tensor view = x.permute({1, 0, 2}), total = zeros({4, 3});
    for (int64_t t = 0; t < 6; ++t) {
      int64_t at = backwards ? 5 - t : t;
      Tensor slice = view.select(0, at).narrow(-1, at % 3, 3);  // (4, 3)
      total = total + slice * c.select(0, at);
    }
    sum(total).backward();
    return x.grad();
  };
  Tensor expected = zeros({4, 6, 5});
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t t = 0; t < 6; ++t)
      for (int64_t j = 0; j < 3; ++j) expected.set({i, t, t % 3 + j}, c.at({t, i, j}));
  CHECK(same(gradient(false), expected));
  CHECK(same(gradient(true), expected));
}

TEST_CASE("slices: a graph that is retained gives the same again") {
  Tensor x = leaf({1, 2, 3, 4, 5}), inner = x * 2;
  Tensor y = windows(inner * inner);
  y.backward(true);
  Numbers once = grad(x);
  CHECK(once == Numbers{8, 176, 2664, 3520, 4000});  // 2 * 2 (2 x) * WINDOWS
  y.backward();
  CHECK(grad(x) == times(once, 2));
  expect_error([&] { y.backward(); }, {"[backward]", "already", "retain_graph"});
}

TEST_CASE("slices: retain_grad on what is sliced, and on a slice") {
  Tensor x = leaf({1, 2, 3, 4, 5}), inner = x * 3, slice = inner.narrow(0, 1, 2);
  inner.retain_grad();
  slice.retain_grad();
  Tensor y = windows(inner) + sum(slice) * 1000;
  y.backward(true);
  CHECK(grad(slice) == Numbers{1000, 1000});
  CHECK(grad(inner) == Numbers{1, 1011, 1111, 110, 100});
  CHECK(grad(x) == times(grad(inner), 3));
  y.backward();
  CHECK(grad(slice) == Numbers{2000, 2000});
  CHECK(grad(inner) == Numbers{2, 2022, 2222, 220, 200});
  CHECK(grad(x) == Numbers{6, 6066, 6666, 660, 600});
}

TEST_CASE("slices: a gradient that is shared is copied before a slice adds to it") {
  for (bool slice_first : {true, false}) {
    Tensor x = leaf({1, 2, 3}), z = leaf({1, 2, 3});
    Tensor a = x * 1, b = z * 1, s = a + b;  // s hands one gradient to both
    Tensor part = sum(a.narrow(0, 0, 2)) * 5;
    (slice_first ? part + sum(s) : sum(s) + part).backward();
    CHECK(grad(x) == Numbers{6, 6, 1});
    CHECK(grad(z) == Numbers{1, 1, 1});
  }
  // What the caller gave as the gradient belongs to the caller, even if a step reads it.
  Tensor x = leaf({1, 2, 3}), k = tensor({2, 3, 4}), product = x * k;
  Tensor y = product + 0;
  Tensor both = cat({y, product.narrow(0, 1, 2)}, 0);
  both.backward(tensor({1, 1, 1, 10, 10}));
  CHECK(grad(x) == Numbers{2, 33, 44});
  Tensor again = leaf({1, 2, 3}), scaled = again * k;
  Tensor sum_of_both = scaled + scaled.narrow(0, 1, 1);
  sum_of_both.backward(k);
  CHECK(k.to_vector() == Numbers{2, 3, 4});
  CHECK(grad(again) == Numbers{4, 3 * (3 + 9), 16});
}

TEST_CASE("slices: a gradient that the caller holds does not change") {
  Tensor x = leaf({1, 2, 3, 4, 5});
  windows(x).backward();
  Tensor held = x.grad();
  windows(x).backward();
  CHECK(held.to_vector() == WINDOWS);
  CHECK(grad(x) == times(WINDOWS, 2));
}

TEST_CASE("slices: only what is asked for gets a gradient") {
  Tensor x = leaf({1, 2, 3}), constant = tensor({4, 5, 6});
  Tensor y = sum(x.narrow(0, 0, 2) * constant.narrow(0, 1, 2));
  y.backward();
  CHECK(grad(x) == Numbers{5, 6, 0});
  CHECK_FALSE(constant.grad().defined());
  {
    NoGrad guard;
    CHECK_FALSE(x.narrow(0, 0, 2).requires_grad());
  }
  x.zero_grad();
  sum(x.narrow(0, 1, 0)).backward();  // an empty slice
  CHECK(grad(x) == Numbers{0, 0, 0});
}

TEST_CASE("slices: a change in place is found whichever slice it goes through") {
  Tensor x = leaf({1, 2, 3}), inner = x * 2, slice = inner.narrow(0, 0, 2);
  Tensor y = sum(slice * slice);
  {
    NoGrad guard;
    inner.detach().narrow(0, 2, 1).fill_(9);  // not even what y reads
  }
  expect_error([&] { y.backward(); }, {"[backward] mul", "(2)", "changed in place"});
  // Gradients are added in place, too; that is no change of anything that was saved.
  Tensor z = leaf({1, 2, 3});
  windows(cat({z, z.narrow(0, 0, 2) * z.narrow(0, 1, 2)}, 0)).backward();
  CHECK(grad(z) == Numbers{1 + 110 * 2, 11 + 110 * 1 + 100 * 3, 111 + 100 * 2});
}

// A decoder reads the same values, and scores the same keys, at each of its steps.
TEST_CASE("slices: what is read step after step gets its gradient in place, and the same one") {
  manual_seed(0);
  const int64_t B = 3, T = 4, D = 5;
  auto random_leaf = [](const Shape& shape) { return randn(shape).requires_grad_(); };
  Tensor values = random_leaf({B, T, D}), keys = random_leaf({B, T, D}), v = randn({D});
  Tensor by_step_values = zeros({B, T, D}), by_step_keys = zeros({B, T, D}), total = scalar(0);
  for (int step = 0; step < 3; ++step) {
    Tensor weights = randn({B, 1, T}), query = randn({B, D}), g = randn({B, 1, D}),
           h = randn({B, T});
    total = total + sum(matmul(weights, values) * g) + sum(additive_scores(query, keys, v) * h);
    // by hand, each step by itself, and with plain products
    by_step_values.add_(matmul(weights.transpose(1, 2), g));
    Tensor s = tanh(query.unsqueeze(1) + keys.detach());
    by_step_keys.add_(h.unsqueeze(2) * v * (1 - s * s));
  }
  total.backward();
  const double tolerance = sizeof(Scalar) == 8 ? 1e-13 : 1e-5;
  auto apart = [](const Tensor& a, const Tensor& b) {
    Tensor d = a - b;
    return double(max(d * d).item());
  };
  CHECK(apart(values.grad(), by_step_values) < tolerance * tolerance);
  CHECK(apart(keys.grad(), by_step_keys) < tolerance * tolerance);
}
