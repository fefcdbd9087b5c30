// Layer normalisation: every row of C numbers gets mean 0 and variance 1, and is then scaled
// and shifted by two numbers a column that are learned. Ba, Kiros and Hinton 2016.
//
// Unlike batch normalisation it looks at one position at a time: no batch, no running
// statistics, the same in training and in use.
#pragma once
#include "autograd/ops.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

struct LayerNorm : Module {
  Parameter weight, bias;  // (C): scale 1 and shift 0 at the start
  FIELDS(weight, bias)
  double eps;

  explicit LayerNorm(int64_t size, double eps = 1e-5)
      : weight(ones({size})), bias(zeros({size})), eps(eps) {}

  // x, y: (..., C)
  Tensor operator()(const Tensor& x) const { return layer_norm(x, weight, bias, eps); }
};

}  // namespace HEED_PRECISION
}  // namespace heed
