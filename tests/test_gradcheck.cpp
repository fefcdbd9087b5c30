// gradcheck itself: right derivatives pass, planted errors do not, and what it says about them.
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/golden.h"
#undef CHECK  // doctest's own from here on
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using namespace heed_tests;

#ifdef HEED_DOUBLE
namespace {

Tensor sample(const Shape& shape, uint64_t seed = 1) {
  manual_seed(seed);
  return uniform(shape, -1, 1).requires_grad_();
}

// y = x^2, whose gradient is changed by `spoil` before it goes on.
Function square(std::function<void(Tensor& dx)> spoil) {
  return [spoil](const std::vector<Tensor>& in) {
    Tensor y = in[0].detach() * in[0].detach();
    return record("square", y, inputs(in[0]), saved(in[0]),
                  [spoil](const Tensor& g, GradOf dx, const Tensor& x) {
                    Tensor d = g * x * 2;
                    spoil(d);
                    dx += d;
                  });
  };
}

// The right forward pass with a backward step of one's own.
template <class Step> Function softmax_with(Step step) {
  return [step](const std::vector<Tensor>& in) {
    Tensor y = softmax(in[0].detach(), -1);
    return record("softmax", y, inputs(in[0]), saved(y), step);
  };
}

}  // namespace

TEST_CASE("gradcheck: a right derivative passes, with an error far below the tolerance") {
  CHECK(gradcheck("square", square([](Tensor&) {}), {sample({3, 4})}) < 1e-9);
  CHECK(gradcheck("product", [](auto& in) { return matmul(in[0], in[1]); },
                  {sample({2, 3}), sample({3, 4}, 2)}) < 1e-9);
  CHECK(gradcheck("scalar", [](auto& in) { return in[0] * in[0]; }, {sample({})}) < 1e-9);
}

TEST_CASE("gradcheck: wrong derivatives are found, each alone") {
  Tensor x = sample({3, 4});
  auto planted = [&](std::function<void(Tensor&)> spoil) {
    expect_error([&] { gradcheck("square", square(spoil), {x}); }, {"[gradcheck] square"});
  };
  planted([](Tensor& d) { d = d * 2; });
  planted([](Tensor& d) { d = -d; });
  planted([](Tensor& d) { d = d * 0; });
  planted([](Tensor& d) { d = d * (1 + 1e-6); });
  for (int64_t i : {0, 5, 11}) {
    planted([i](Tensor& d) { d.mutable_data()[i] += 1e-5; });
    planted([i](Tensor& d) { d.mutable_data()[i] = std::nan(""); });
    planted([i](Tensor& d) { d.mutable_data()[i] = INFINITY; });
  }
}

// The sum of a softmax is constant, and so is that of a normalisation: weights that are all alike
// would let both of these pass.
TEST_CASE("gradcheck: a backward that returns zeros is found, also where sums are constant") {
  Tensor x = sample({2, 5});
  auto right = [](const Tensor& g, GradOf dx, const Tensor& y) {
    dx += y * (g - sum(g * y, {-1}, true));
  };
  CHECK(gradcheck("softmax", softmax_with(right), {x}) < 1e-9);
  auto zeros = [](const Tensor& g, GradOf dx, const Tensor&) { dx += g * 0; };
  expect_error([&] { gradcheck("softmax", softmax_with(zeros), {x}); }, {"[gradcheck] softmax"});
  auto forgetful = [](const Tensor& g, GradOf dx, const Tensor& y) { dx += y * g; };
  expect_error([&] { gradcheck("softmax", softmax_with(forgetful), {x}); }, {"[gradcheck]"});
}

TEST_CASE("gradcheck: an input that gets no gradient is found, unless none is due") {
  auto first_only = [](const std::vector<Tensor>& in) { return in[0] * in[1].detach(); };
  expect_error([&] { gradcheck("mul", first_only, {sample({2}), sample({2}, 2)}); },
               {"argument 1", "shape (2)", "is 0, but"});
  auto unused = [](const std::vector<Tensor>& in) { return in[0] * 3; };
  CHECK(gradcheck("unused", unused, {sample({2}), sample({2}, 2)}) < 1e-9);
}

TEST_CASE("gradcheck: the message says where, what came and what was expected") {
  Tensor x = tensor({1, 2, 3, 4}, {2, 2}).requires_grad_();
  auto planted = [](Tensor& d) { d.mutable_data()[2] = 70; };
  expect_error([&] { gradcheck("the square", square(planted), {x}); },
               {"the square", "argument 0", "shape (2, 2)", "element 2", " is 70, but", "1e-07"});
  CHECK(gradcheck("tolerated", square([](Tensor& d) { d = d * 1.01; }), {x}, 0.1) > 1e-3);
}

TEST_CASE("gradcheck: numbers and the generator are as they were") {
  Tensor x = sample({3, 4}), before = x.detach().clone();
  Generator generator = default_generator();
  auto random = [](const std::vector<Tensor>& in) {  // the same mask at each call
    return in[0] * in[0] * (rand(in[0].shape()) < 0.5);
  };
  CHECK(gradcheck("dropout", random, {x}) < 1e-8);
  CHECK(same(x, before));
  CHECK(default_generator() == generator);
}

TEST_CASE("gradcheck: arguments that it cannot move are refused") {
  auto f = [](const std::vector<Tensor>& in) { return in[0] * 2; };
  Tensor leaf = sample({2, 3});
  for (const Tensor& bad : {ones({2}), leaf * 1, leaf.detach().transpose(0, 1).requires_grad_()})
    expect_error([&] { gradcheck("f", f, {bad}); }, {"[gradcheck] f", "argument 0"});
}
#else
TEST_CASE("gradcheck: in float it refuses, and says what to do") {
  auto f = [](const std::vector<Tensor>& in) { return in[0] * 2; };
  expect_error([&] { gradcheck("twice", f, {ones({2}).requires_grad_()}); },
               {"[gradcheck] twice", "-DHEED_DOUBLE"});
}
#endif
