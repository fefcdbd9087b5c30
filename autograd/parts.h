// A tensor as a sequence of parts, wherever they lie in memory. For library sources.
#pragma once
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

// The rows (inner = 1) or matrices (inner = 2) of x's last dimensions, in row-major order of
// the others. The numbers of a row lie side by side; if they do not in x, they are copied.
class Parts {
 public:
  Parts(const Tensor& x, int inner) : x_(x.detach()), outer_(x.dim() - inner) {
    if (x_.strides().back() != 1 && x_.shape().back() != 1) x_ = x_.contiguous();
  }
  const Scalar* operator[](int64_t part) const {
    return x_.data() + offset_of(part, outer_, x_.shape(), x_.strides());
  }
  // `count` of them, from `first` on.
  void find(int64_t first, int64_t count, const Scalar** parts) const {
    const int64_t line = outer_ > 0 ? x_.shape()[outer_ - 1] : 1;
    for (int64_t i = 0; i < count; ++i)
      parts[i] = i == 0 || (first + i) % line == 0 ? (*this)[first + i]
                                                   : parts[i - 1] + x_.strides()[outer_ - 1];
  }
  int64_t step() const { return x_.strides()[x_.dim() - 2]; }  // from row to row of a matrix

 private:
  Tensor x_;
  int outer_;
};

}  // namespace HEED_PRECISION
}  // namespace heed
