// y = x W^T + b: every output is a weighted sum of all inputs.
#pragma once
#include "autograd/ops.h"
#include "layers/init.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

struct Linear : Module {
  Parameter weight;               // (out, in)
  std::optional<Parameter> bias;  // (out)
  FIELDS(weight, bias)

  // Weights start as in torch.nn.Linear: first weight, then bias, U(-1/sqrt(in), 1/sqrt(in)).
  Linear(int64_t in, int64_t out, bool with_bias = true)
      : weight(init::default_weight(checked(in, out))) {
    if (with_bias) bias.emplace(init::default_bias(out, double(in)));
  }

  // x: (..., in) -> (..., out)
  Tensor operator()(const Tensor& x) const {
    return bias ? linear(x, weight, *bias) : linear(x, weight);
  }

 private:
  static Shape checked(int64_t in, int64_t out) {
    HEED_CHECK(in > 0 && out > 0, "[Linear] from ", in, " to ", out,
               " numbers: both must be positive");
    return {out, in};
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
