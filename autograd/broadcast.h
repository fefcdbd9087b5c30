// Broadcasting as in NumPy, for library sources: shapes are aligned at their last dimension,
// and a size of 1 repeats. (The way back, summing a gradient over what was repeated, is
// sum_to().)
#pragma once
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

// The shape that both repeat to.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);
// Strides with which a tensor of `shape` and `strides` reads as one of shape `to`: a dimension
// that repeats has stride 0.
Strides broadcast_strides(const char* op, const Shape& shape, const Strides& strides,
                          const Shape& to);

template <class... T> void check_defined(const char* op, const T&... x) {
  HEED_CHECK((x.defined() && ...), "[", op,
             "] an operand is undefined (a default-made Tensor)");
}

}  // namespace HEED_PRECISION
}  // namespace heed
