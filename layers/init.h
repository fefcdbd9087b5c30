// How weights start: PyTorch's initialisers, drawn from the default generator in its order, so
// that manual_seed(0) gives the weights that torch.manual_seed(0) gives.
#pragma once
#include <cmath>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace init {

// How many inputs and outputs a weight connects: (out, in) or (out, in, height, width).
struct Fans {
  double in, out;
};
inline Fans fans(const Shape& shape) {
  HEED_CHECK(shape.rank() >= 2, "[init] fans of shape ", shape,
             ": a weight (out, in, ...) wanted");
  double field = 1;
  for (int d = 2; d < shape.rank(); ++d) field *= double(shape[d]);
  return {double(shape[1]) * field, double(shape[0]) * field};
}

// U(-bound, bound)
inline Tensor symmetric(const Shape& shape, double bound) {
  return uniform(shape, -bound, bound);
}

// The default of torch.nn.Linear and Conv2d: He et al. 2015 (equation 14) with slope sqrt(5),
// that is U(-b, b) with b = 1 / sqrt(in), in the order of operations that PyTorch uses.
inline Tensor default_weight(const Shape& shape) {
  double gain = std::sqrt(2 / (1 + std::sqrt(5.) * std::sqrt(5.)));
  return symmetric(shape, std::sqrt(3.) * (gain / std::sqrt(fans(shape).in)));
}
inline Tensor default_bias(int64_t size, double fan_in) {
  return symmetric({size}, 1 / std::sqrt(fan_in));
}

// He et al. 2015 for relu: U(-b, b), b = sqrt(3) sqrt(2) / sqrt(in)
inline Tensor kaiming_uniform(const Shape& shape) {
  return symmetric(shape, std::sqrt(3.) * (std::sqrt(2.) / std::sqrt(fans(shape).in)));
}
// Glorot and Bengio 2010, equation 16: U(-b, b), b = gain sqrt(6 / (in + out))
inline Tensor xavier_uniform(const Shape& shape, double gain = 1) {
  Fans f = fans(shape);
  return symmetric(shape, std::sqrt(3.) * (gain * std::sqrt(2 / (f.in + f.out))));
}
// N(0, s^2), s = gain sqrt(2 / (in + out))
inline Tensor xavier_normal(const Shape& shape, double gain = 1) {
  Fans f = fans(shape);
  return normal(shape, 0, gain * std::sqrt(2 / (f.in + f.out)));
}

}  // namespace init
}  // namespace HEED_PRECISION
}  // namespace heed
