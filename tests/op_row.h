// A row of the table of operations (op_table.h): how an operation is called by its tests.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>
#include "autograd/ops.h"

namespace heed_tests {
using namespace heed;

// What a call is made on: in0, in1, ... and the other arrays of a golden case.
struct Args {
  std::vector<Tensor> in;
  std::vector<int> ids;  // indexes or labels
  Tensor running_mean, running_var;
  const Tensor& operator[](size_t i) const { return in[i]; }
};
using Call = std::function<Tensor(Args&)>;
#define CALL(...) [](Args& a) -> Tensor { return __VA_ARGS__; }

// One call on the arrays of several golden cases: result and gradients are compared with
// PyTorch's and, if smooth, gradients with differences.
struct GoldenCall {
  std::vector<std::string> cases;
  Call call;
  bool smooth;
};
// A form that no golden case has: only gradients, and only against differences.
struct FormCall {
  std::vector<Shape> inputs;
  Call call;
};

struct OpRow {
  std::string declaration;  // its types alone: "softmax(Tensor, int)"
  std::vector<GoldenCall> goldens;
  std::vector<FormCall> forms;
  bool differentiable = true;

  explicit OpRow(std::string declaration) : declaration(std::move(declaration)) {}
  OpRow& golden(std::vector<std::string> cases, Call call) {
    return goldens.push_back({std::move(cases), std::move(call), true}), *this;
  }
  // Kinks, ties and infinities: differences are no gradient there.
  OpRow& kink(std::vector<std::string> cases, Call call) {
    return goldens.push_back({std::move(cases), std::move(call), false}), *this;
  }
  OpRow& form(std::vector<Shape> inputs, Call call) {
    return forms.push_back({std::move(inputs), std::move(call)}), *this;
  }
  // The result never requires a gradient.
  OpRow& constant() { return differentiable = false, *this; }
};
using OpRows = std::vector<OpRow>;

// "op.a", "op.b", ... for the forms "a", "b", ...
inline std::vector<std::string> cases(const std::string& op, std::vector<std::string> forms) {
  for (std::string& form : forms) form = op + "." + form;
  return forms;
}

// argmax's indexes as numbers, so that they fit in the table.
inline Tensor as_tensor(const std::vector<int>& indexes) {
  std::vector<Scalar> numbers(indexes.begin(), indexes.end());
  return tensor(numbers, {int64_t(numbers.size())});
}

}  // namespace heed_tests
