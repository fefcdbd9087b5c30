// Operations of one's own, right and wrong, and what gradcheck says of them. Built in double:
// the name of this file ends in _double, and the Makefile adds -DHEED_DOUBLE.
#include "lessons/00_prologue/own_operations.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// [snippet: cube]
// y = x^3
// dx = g 3 x^2         x, y: same shape; needs x
Tensor cube(const Tensor& x) {
  Tensor numbers = x.detach();  // the same numbers, outside the tape
  Tensor y = numbers * numbers * numbers;
  return record("cube", y, inputs(x), saved(x),
                [](const Tensor& g, GradOf dx, const Tensor& x) { dx += g * 3 * x * x; });
}
// [end]

// The same with a slip of the pen: 2 x^2.
Tensor cube_with_slip(const Tensor& x) {
  Tensor numbers = x.detach();
  return record("cube_with_slip", numbers * numbers * numbers, inputs(x), saved(x),
                [](const Tensor& g, GradOf dx, const Tensor& x) { dx += g * 2 * x * x; });
}

// The same with the upstream gradient g forgotten.
Tensor cube_without_g(const Tensor& x) {
  Tensor numbers = x.detach();
  return record("cube_without_g", numbers * numbers * numbers, inputs(x), saved(x),
                [](const Tensor&, GradOf dx, const Tensor& x) { dx += 3 * x * x; });
}

// [snippet: zero softmax]
// Right numbers, and a backward step that always returns zeros.
Tensor softmax_without_gradient(const Tensor& x) {
  return record("softmax_without_gradient", softmax(x.detach(), -1), inputs(x), saved(),
                [](const Tensor& g, GradOf dx) { dx += zeros(g.shape()); });
}
// [end]

// y = x^p with backward g p x^p, where it should be g p x^(p - 1).
Tensor power_with_slip(const Tensor& x, double p) {
  return record("power_with_slip", pow(x.detach(), p), inputs(x), saved(x),
                [p](const Tensor& g, GradOf dx, const Tensor& x) { dx += g * p * pow(x, p); });
}

// [snippet: plain sum]
// L = the plain sum of the outputs. For each element of x: the slope of L from two neighbours,
// against the derivative that backward() gives. Returns the largest difference, relative to the
// largest slope (to 1e-3 at least, as in gradcheck).
double check_by_plain_sum(Tensor (*f)(const Tensor&), Tensor x) {
  x.zero_grad();
  sum(f(x)).backward();
  Tensor got = x.grad();
  NoGrad guard;  // from here on nothing is recorded
  constexpr double step = 1e-4;
  double largest = 1e-3, error = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double before = x.data()[i];
    x.mutable_data()[i] = before + step;
    const double above = sum(f(x)).item();
    x.mutable_data()[i] = before - step;
    const double below = sum(f(x)).item();
    x.mutable_data()[i] = before;
    const double slope = (above - below) / (2 * step);
    largest = std::max(largest, std::abs(slope));
    error = std::max(error, std::abs(got.data()[i] - slope));
  }
  return error / largest;
}
// [end]

Verdict judge(const std::string& name, bool right, Tensor (*f)(const Tensor&),
              const Tensor& x) {
  constexpr double any_error = std::numeric_limits<double>::infinity();  // report, do not throw
  auto outputs = [f](const std::vector<Tensor>& in) { return f(in[0]); };
  return {name, right, check_by_plain_sum(f, x), gradcheck(name, outputs, {x}, any_error)};
}

}  // namespace
}  // namespace HEED_PRECISION

GradcheckResults check_own_operations(unsigned long long seed) {
  manual_seed(seed);
  Tensor x = uniform({3, 4}, 0.5, 1.5).requires_grad_();
  GradcheckResults results;
  results.verdicts = {
      judge("cube", true, cube, x),
      judge("cube, 2 x^2 for 3 x^2", false, cube_with_slip, x),
      judge("cube, g forgotten", false, cube_without_g, x),
      judge(
          "softmax", true, [](const Tensor& t) { return softmax(t, -1); }, x),
      judge("softmax, backward returns 0", false, softmax_without_gradient, x),
      judge(
          "x^3, p x^p for p x^(p-1)", false,
          [](const Tensor& t) { return power_with_slip(t, 3); }, x),
      judge(
          "x^0, p x^p for p x^(p-1)", false,
          [](const Tensor& t) { return power_with_slip(t, 0); }, x),
  };
  try {
    gradcheck("cube", [](const std::vector<Tensor>& in) { return cube_with_slip(in[0]); }, {x});
  } catch (const Error& error) { results.message = error.what(); }
  return results;
}

}  // namespace heed
