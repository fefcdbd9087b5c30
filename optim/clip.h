// Gradient clipping: large gradients are cut down before a step.
#pragma once
#include <vector>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

// Scales all gradients by one factor, so that their common length, sqrt(sum of squares), is at
// most max_norm. Returns the length before. Parameters without a gradient are passed over. One
// NaN makes all of them NaN, and one infinity makes all others 0, as in PyTorch.
double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm);

// Moves every gradient into -limit ... limit, number by number.
void clip_grad_value_(const std::vector<Tensor>& parameters, double limit);

}  // namespace HEED_PRECISION
}  // namespace heed
