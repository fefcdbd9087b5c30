// A convolution of size 1 x 1: one Linear over the channels, the same at every pixel.
#pragma once
#include "autograd/ops.h"
#include "layers/init.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

struct Conv1x1 : Module {
  Parameter weight;               // (out, in, 1, 1), as in torch.nn.Conv2d
  std::optional<Parameter> bias;  // (out)
  FIELDS(weight, bias)

  Conv1x1(int64_t in, int64_t out, bool with_bias = true)
      : weight(init::default_weight(checked(in, out))) {
    if (with_bias) bias.emplace(init::default_bias(out, double(in)));
  }

  // x: (B, in, H, W), any height and width -> (B, out, H, W)
  Tensor operator()(const Tensor& x) const {
    int64_t out = weight.shape()[0], in = weight.shape()[1];
    HEED_CHECK(x.dim() == 4 && x.shape()[1] == in, "[Conv1x1] x ", x.shape(), ": (B, ", in,
               ", H, W) wanted");
    int64_t B = x.shape()[0], H = x.shape()[2], W = x.shape()[3];
    Tensor y = matmul(weight.view({out, in}), x.reshape({B, in, H * W}));  // (B, out, N)
    if (bias) y = y + bias->unsqueeze(1);
    return y.view({B, out, H, W});
  }

 private:
  static Shape checked(int64_t in, int64_t out) {
    HEED_CHECK(in > 0 && out > 0, "[Conv1x1] from ", in, " to ", out,
               " channels: both must be positive");
    return {out, in, 1, 1};
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
