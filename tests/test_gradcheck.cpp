// The check of the checker: wrong derivatives are planted, and gradcheck must name each.
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

#include <limits>

using namespace heed;
using heed_tests::expect_error;

namespace {

constexpr bool FLOAT = sizeof(Scalar) == 4;
constexpr double INF = std::numeric_limits<double>::infinity();
constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

using Inputs = std::vector<Tensor>;

// Different numbers, none near a kink.
Tensor input(const Shape& shape) {
  Tensor x = arange(double(numel(shape)));
  return (x * 0.37 - 1.03).view(shape).detach().requires_grad_();
}

// y = f(x) with a derivative that is planted: wrong(g) instead of the right one.
template <class F, class Wrong> Function planted(F f, Wrong wrong) {
  return [=](const Inputs& in) {
    Tensor y;
    {
      NoGrad guard;
      y = f(in[0]);
    }
    return record("planted", y, inputs(in[0]), saved(in[0]),
                  [=](const Tensor& g, GradOf dx, const Tensor& x) { dx += wrong(g, x); });
  };
}

// x, with a gradient whose element i is changed by `by`.
Function spoiled(int64_t i, double by) {
  return planted([](const Tensor& x) { return x * 2; },
                 [=](const Tensor& g, const Tensor&) {
                   Tensor d = g * 2;
                   d.mutable_data()[i] += Scalar(by);
                   return d;
                 });
}

}  // namespace

TEST_CASE("gradcheck: refuses float" * doctest::skip(!FLOAT)) {
  Tensor x = input({3});
  expect_error([&] { gradcheck("double it", [](auto& in) { return in[0] * 2; }, {x}); },
               {"[gradcheck] double it", "floats are too coarse", "-DHEED_DOUBLE"});
}

TEST_CASE("gradcheck: what is right passes" * doctest::skip(FLOAT)) {
  Tensor x = input({2, 3}), y = input({3, 1}), s = input({});
  double error = gradcheck("right", [](auto& in) { return tanh(matmul(in[0], in[1])) * in[2]; },
                           {x, y, s});
  CHECK(error < 1e-9);
  CHECK(gradcheck("a scalar result", [](auto& in) { return mean(in[0] * in[0]); }, {x}) < 1e-9);
  CHECK(gradcheck("a view", [](auto& in) { return in[0].transpose(0, 1); }, {x}) < 1e-9);
  // An input that counts for nothing, and one whose derivative is 0, are right with 0.
  auto constant = [](auto& in) { return in[0] * 2 + sum(softmax(in[1], 0)); };
  CHECK(gradcheck("zero gradients", constant, {x, y, s}) < 1e-9);
}

TEST_CASE("gradcheck: planted errors are found and named" * doctest::skip(FLOAT)) {
  Tensor x = input({2, 3}), square = input({3, 3});
  auto caught = [](const Function& f, const Tensor& at,
                   std::initializer_list<const char*> more = {"argument 0"}) {
    expect_error([&] { gradcheck("f", f, {at}); }, {"[gradcheck] f", "differences give"});
    expect_error([&] { gradcheck("f", f, {at}); }, more);
  };
  auto square_of = [](const Tensor& v) { return v * v; };
  // Sums of a softmax and of normalised numbers are constant: the plain sum would pass these.
  caught(planted([](const Tensor& v) { return softmax(v, 1); },
                 [](const Tensor&, const Tensor& v) { return zeros(v.shape()); }),
         x);
  caught(planted([](const Tensor& v) { return v - mean(v, {1}, true); },
                 [](const Tensor&, const Tensor& v) { return zeros(v.shape()); }),
         x);
  // wrong sign, a missing term, a factor, the sum for the mean
  caught(planted(square_of, [](const Tensor& g, const Tensor& v) { return g * v * -2; }), x);
  caught(planted(square_of, [](const Tensor& g, const Tensor& v) { return g * v; }), x);
  caught(planted(
             [](const Tensor& v) { return mean(v, {1}); },
             [](const Tensor& g, const Tensor& v) { return g.unsqueeze(1).expand(v.shape()); }),
         x);
  // the wrong axis, where shapes cannot tell
  caught(planted([](const Tensor& v) { return sum(v, {0}); },
                 [](const Tensor& g, const Tensor&) {
                   return g.unsqueeze(1).expand({3, 3});
                 }),
         square);
  caught(planted([](const Tensor& v) { return v.transpose(0, 1).clone(); },
                 [](const Tensor& g, const Tensor&) { return g; }),
         square);
  caught(planted([](const Tensor& v) { return softmax(v, 0); },
                 [](const Tensor& g, const Tensor& v) {
                   Tensor y = softmax(v, 0);
                   return y * (g - sum(y * g, {1}, true));
                 }),
         square);
  // no gradient at all
  caught([](auto& in) { return in[0].detach() * in[0].detach() + in[0] * 0; }, x);
}

TEST_CASE("gradcheck: the element that is off is named" * doctest::skip(FLOAT)) {
  Tensor x = input({2, 3});
  for (int i : {0, 4, 5}) {
    std::string place = "element " + std::to_string(i) + " ";
    for (double by : {1e-3, -1.0, INF, -INF, NOT_A_NUMBER}) {
      CAPTURE(i);
      CAPTURE(by);
      expect_error([&] { gradcheck("f", spoiled(i, by), {x}); },
                   {"argument 0", "(2, 3)", place.c_str()});
    }
  }
  // got and expected: x0 * x1 with the right gradient for x0 and 7 too much for x1
  Function product = [](const Inputs& in) {
    return record("product", in[0].detach() * in[1].detach(), inputs(in[0], in[1]),
                  saved(in[0], in[1]),
                  [](const Tensor& g, GradOf da, GradOf db, const Tensor& a, const Tensor& b) {
                    da += g * b;
                    db += g * a + 7;
                  });
  };
  Tensor a = scalar(3).requires_grad_(), b = scalar(5).requires_grad_();
  CHECK_NOTHROW(gradcheck("the first alone", product, {a, tensor({5}).requires_grad_()}, 10));
  expect_error([&] { gradcheck("f", product, {a, b}); }, {"argument 1", "()", "element 0"});
}

TEST_CASE("gradcheck: the error is relative to the largest gradient" * doctest::skip(FLOAT)) {
  Tensor x = input({2, 3});
  auto scaled = [](double factor, double wrong) {
    return planted([=](const Tensor& v) { return v * factor; },
                   [=](const Tensor& g, const Tensor&) { return g * (factor * wrong); });
  };
  CHECK_NOTHROW(gradcheck("f", scaled(1, 1 + 1e-8), {x}));
  for (double factor : {1e-2, 1., 1e6})
    expect_error([&] { gradcheck("f", scaled(factor, 1 + 1e-6), {x}); }, {"above 1e-07"});
  double error = gradcheck("f", scaled(1, 1 + 1e-6), {x}, 1e-5);
  CHECK(error > 9e-7);
  CHECK(error < 1.1e-6);
  CHECK_NOTHROW(gradcheck("below the floor of 1e-3", scaled(1e-12, 2), {x}));
}

TEST_CASE("gradcheck: draws are repeated, and the generator is put back" *
          doctest::skip(FLOAT)) {
  manual_seed(5);
  Generator before = default_generator();
  Tensor x = input({4, 3});
  auto dropout = [](auto& in) { return in[0] * in[0] * (rand(in[0].shape()) > 0.5) * 2; };
  CHECK(gradcheck("dropout", dropout, {x}) < 1e-9);
  CHECK(default_generator() == before);
}

TEST_CASE("gradcheck: leaves everything as it was, even if f throws" * doctest::skip(FLOAT)) {
  manual_seed(5);
  Generator before = default_generator();
  Tensor x = input({2, 3});
  std::vector<Scalar> numbers = x.to_vector();
  gradcheck("f", [](auto& in) { return exp(in[0]); }, {x});
  CHECK(x.to_vector() == numbers);
  for (int good : {0, 1, 2, 3, 10}) {
    int calls = 0;
    auto fails = [&](const Inputs& in) {
      Tensor y = in[0] * rand(in[0].shape());
      if (calls++ == good) fail("[f] as planned");
      return y;
    };
    expect_error([&] { gradcheck("f", fails, {x}); }, {"as planned"});
    CHECK(x.to_vector() == numbers);
    CHECK(default_generator() == before);
    CHECK(grad_enabled);
  }
}

TEST_CASE("gradcheck: gradients of its arguments stay as they were" * doctest::skip(FLOAT)) {
  Tensor x = input({2, 3}), y = input({3}), none = input({3});
  for (const Tensor& t : {x, y}) sum(t * 7).backward();
  const Scalar *of_x = x.grad().data(), *of_y = y.grad().data();
  auto unchanged = [&] {
    CHECK(x.grad().data() == of_x);
    CHECK(y.grad().data() == of_y);
    CHECK(x.grad().to_vector() == std::vector<Scalar>(6, 7));
    CHECK(y.grad().to_vector() == std::vector<Scalar>(3, 7));
    CHECK(!none.grad().defined());
  };
  auto f = [](const Inputs& in) { return in[0] * in[1] * in[2]; };
  CHECK(gradcheck("f", f, {x, y, none}) < 1e-9);  // the 7 does not count
  unchanged();
  CHECK(gradcheck("one twice", [](auto& in) { return in[0] + in[1] * 0; }, {y, y}) < 1e-9);
  unchanged();
  for (int good : {0, 1, 5}) {
    int calls = 0;
    auto fails = [&](const Inputs& in) {
      if (calls++ == good) fail("[f] as planned");
      return f(in);
    };
    expect_error([&] { gradcheck("f", fails, {x, y, none}); }, {"as planned"});
    unchanged();
  }
  expect_error([&] { gradcheck("f", spoiled(1, 1), {x}); }, {"differences give"});
  unchanged();
}

// Beside large numbers a step is rounded: what is divided by must be the step that was taken.
TEST_CASE("gradcheck: large arguments" * doctest::skip(FLOAT)) {
  Tensor x = tensor({1e7 + 0.37, 1e7 - 1.03, 3e6 + 0.11}).requires_grad_();
  Tensor whole = tensor({1e7, 1e7, 3e6});
  CHECK(gradcheck("f", [&](auto& in) { return in[0] - whole; }, {x}) < 1e-9);
  Tensor huge = tensor({1, 1e14}).requires_grad_();
  expect_error([&] { gradcheck("f", [&](auto& in) { return in[0] * 2; }, {huge}); },
               {"[gradcheck]", "is lost beside 1e+14"});
  CHECK(huge.at({1}) == Scalar(1e14));
}

TEST_CASE("gradcheck: what it does not take" * doctest::skip(FLOAT)) {
  Tensor x = input({2, 3}), plain = ones({2, 3});
  auto twice = [](auto& in) { return in[0] * 2; };
  expect_error([&] { gradcheck("f", twice, {plain}); }, {"argument 0", "requires_grad_()"});
  expect_error([&] { gradcheck("f", twice, {x, x * 2}); }, {"argument 1", "leaf"});
  expect_error([&] { gradcheck("f", twice, {Tensor()}); }, {"argument 0"});
  // where nothing is compared, nothing is checked
  expect_error([&] { gradcheck("f", [&](auto&) { return x * 2; }, {}); }, {"f: no argument"});
  expect_error([&] { gradcheck("f", twice, {input({2, 0})}); }, {"f: nothing to compare"});
  auto no_numbers = [](auto& in) { return in[0].narrow(0, 0, 0); };
  expect_error([&] { gradcheck("f", no_numbers, {x}); }, {"f: nothing to compare"});
  int calls = 0;
  auto growing = [&](auto& in) { return in[0].expand({++calls, 2, 3}); };
  expect_error([&] { gradcheck("f", growing, {x}); }, {"(2, 2, 3)", "(1, 2, 3)"});
  Tensor view = plain.transpose(0, 1);
  view.requires_grad_();
  expect_error([&] { gradcheck("f", twice, {view}); }, {"argument 0", "row-major", "inside"});
  expect_error([&] { gradcheck("f", [](auto& in) { return in[0].detach(); }, {x}); },
               {"requires a gradient"});
}
