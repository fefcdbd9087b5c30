// Activations as layers without parameters, for Sequential. Elsewhere call the function itself.
#pragma once
#include "autograd/ops.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

struct ReLU : Module {
  FIELDS()
  Tensor operator()(const Tensor& x) const { return relu(x); }
};
struct Tanh : Module {
  FIELDS()
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};
struct Sigmoid : Module {
  FIELDS()
  Tensor operator()(const Tensor& x) const { return sigmoid(x); }
};

}  // namespace HEED_PRECISION
}  // namespace heed
