#include "autograd/gradcheck.h"
#include <cmath>
#include <utility>
#include "autograd/graph.h"
#include "autograd/random.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// What f changes is put back, even if f throws: here the generator, which so is in the same
// state at every call.
Tensor call(const Function& f, const std::vector<Tensor>& inputs) {
  struct PutBack {
    Generator before = default_generator();
    ~PutBack() { default_generator() = before; }
  } put_back;
  return f(inputs);
}

// The inputs' gradients, which are taken away and put back, even if f throws.
class GradientsPutBack {
 public:
  explicit GradientsPutBack(const std::vector<Tensor>& inputs) : inputs_(inputs) {
    for (const Tensor& x : inputs) before_.push_back(std::exchange(x.node()->grad, {}));
  }
  ~GradientsPutBack() {  // from the last on: an input may be there twice
    for (size_t k = inputs_.size(); k-- > 0;) inputs_[k].node()->grad = before_[k];
  }

 private:
  const std::vector<Tensor>& inputs_;
  std::vector<Ref<Storage>> before_;
};

// dL/d(number i of x) from four values of L around it; the error falls with the fourth power of
// the step.
double difference(const Function& f, const std::vector<Tensor>& inputs, Tensor x, int64_t i,
                  const Tensor& c) {
  constexpr double STEP = 3e-4;
  struct PutBack {
    Scalar& number;
    Scalar before = number;
    ~PutBack() { number = before; }
  } put_back{x.mutable_data()[i]};
  auto L = [&](double move) {
    x.mutable_data()[i] = Scalar(put_back.before + move);
    Tensor result = call(f, inputs);
    HEED_CHECK(result.shape() == c.shape(), "[gradcheck] the function gives shape ",
               result.shape(), " after ", c.shape(), ": it must be the same at every call");
    std::vector<Scalar> y = result.to_vector();
    double sum = 0;
    for (size_t k = 0; k < y.size(); ++k) sum += double(c.data()[k]) * double(y[k]);
    return sum;
  };
  auto slope = [&](double step) {  // of the step as it was taken, after rounding
    double at = double(put_back.before), taken = (at + step) - (at - step);
    HEED_CHECK(taken > 0, "[gradcheck] a step of ", step, " is lost beside ", at,
               "\n  check at smaller numbers, and let the function scale them");
    return (L(step) - L(-step)) / taken;
  };
  return (4 * slope(STEP) - slope(2 * STEP)) / 3;
}

struct Mismatch {
  double error = 0, got = 0, expected = 0;
  size_t argument = 0;
  int64_t index = 0;
};

}  // namespace

double gradcheck(const std::string& name, const Function& f, const std::vector<Tensor>& inputs,
                 double tolerance) {
  HEED_CHECK(sizeof(Scalar) == 8, "[gradcheck] ", name,
             ": differences of floats are too coarse to "
             "judge a derivative\n  compile with -DHEED_DOUBLE (pkg-config heed-double)");
  HEED_CHECK(!inputs.empty(), "[gradcheck] ", name, ": no argument to check");
  int64_t numbers = 0;
  for (size_t k = 0; k < inputs.size(); ++k)
    HEED_CHECK(inputs[k].is_leaf() && inputs[k].requires_grad() && inputs[k].is_contiguous(),
          "[gradcheck] ", name, ": argument ", k, " must be a row-major leaf with",
          " requires_grad_(); make views inside the function");

  for (const Tensor& x : inputs) numbers += x.numel();
  const GradientsPutBack put_back(inputs);
  Tensor y = call(f, inputs), c = empty(y.shape());
  HEED_CHECK(numbers > 0 && y.numel() > 0, "[gradcheck] ", name, ": nothing to compare: the",
             " arguments have ", numbers, " numbers, the result ", y.numel());
  Generator(1).uniform(c.mutable_data(), c.numel(), 0.5, 1.5);
  for (int64_t i = 1; i < c.numel(); i += 2) c.mutable_data()[i] *= -1;
  y.backward(c);

  NoGrad guard;
  double largest = 1e-3;
  Mismatch worst;
  for (size_t k = 0; k < inputs.size(); ++k) {
    std::vector<Scalar> g(size_t(inputs[k].numel()), 0);
    if (Tensor grad = inputs[k].grad(); grad.defined()) g = grad.to_vector();
    for (int64_t i = 0; i < inputs[k].numel(); ++i) {
      double got = double(g[size_t(i)]), expected = difference(f, inputs, inputs[k], i, c);
      largest = std::max({largest, std::abs(got), std::abs(expected)});
      double error = std::abs(got - expected);
      if (error != error) error = INFINITY;  // a NaN is as wrong as can be, wherever it stands
      if (error > worst.error) worst = {error, got, expected, k, i};
    }
  }
  bool close = std::isfinite(worst.error) && worst.error <= tolerance * largest;
  HEED_CHECK(close, "[gradcheck] ", name, ": the gradient of argument ", worst.argument,
             ", shape ", inputs[worst.argument].shape(), ", at element ", worst.index, " is ",
             worst.got, ", but differences give ", worst.expected,
             "\n  relative to the largest gradient, ", largest, ", that is ",
             worst.error / largest, ", above ", tolerance);
  return worst.error / largest;
}

}  // namespace HEED_PRECISION
}  // namespace heed
