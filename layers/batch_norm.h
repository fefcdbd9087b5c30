// Batch normalisation: every channel gets mean 0 and variance 1 over the batch, and is then
// scaled and shifted by two numbers that are learned. Ioffe and Szegedy 2015.
//
// Two variances: a batch is normalised with the biased one (divided by N), while the unbiased
// one (divided by N - 1) goes into the running variance that eval() uses, as in PyTorch.
#pragma once
#include "autograd/ops.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

struct BatchNorm : Module {
  Parameter weight, bias;            // (C): scale 1 and shift 0 at the start
  Buffer running_mean, running_var;  // (C)
  Counter num_batches_tracked;
  FIELDS(weight, bias, running_mean, running_var, num_batches_tracked)
  double momentum, eps;

  explicit BatchNorm(int64_t channels, double eps = 1e-5, double momentum = 0.1)
      : weight(ones({channels})),
        bias(zeros({channels})),
        running_mean(zeros({channels})),
        running_var(ones({channels})),
        momentum(momentum),
        eps(eps) {}

  // x, y: (N, C) or (N, C, ...). Error in training if a channel has one value only.
  Tensor operator()(const Tensor& x) {
    Tensor y = batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps);
    if (training) ++num_batches_tracked.value;
    return y;
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
