// Shape: up to six sizes, held inline (a std::vector would cost an allocation a tensor).
// Strides, the distance in numbers between neighbours along each dimension, are held the same
// way.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include "autograd/check.h"

namespace heed {

class Shape {
 public:
  static constexpr int MAX_RANK = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes)
      : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes) {
    HEED_CHECK(sizes.size() <= MAX_RANK, "[shape] ", sizes.size(), " dimensions, but at most ",
          MAX_RANK, " are possible");
    rank_ = int(sizes.size());
    std::copy(sizes.begin(), sizes.end(), sizes_);
  }

  int rank() const { return rank_; }
  void set_rank(int rank) { rank_ = rank; }
  int64_t& operator[](int i) { return sizes_[i]; }
  int64_t operator[](int i) const { return sizes_[i]; }
  const int64_t* begin() const { return sizes_; }
  const int64_t* end() const { return sizes_ + rank_; }
  int64_t back() const { return sizes_[rank_ - 1]; }
  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if (sizes_[i] != other.sizes_[i]) return false;
    return true;
  }

  // The same sizes with one more at `dim`, or with the one at `dim` taken out.
  Shape with(int dim, int64_t size) const {
    HEED_CHECK(rank_ < MAX_RANK, "[shape] ", rank_ + 1, " dimensions, but at most ", MAX_RANK,
          " are possible");
    Shape result = *this;
    std::copy_backward(sizes_ + dim, sizes_ + rank_, result.sizes_ + rank_ + 1);
    result.sizes_[dim] = size;
    ++result.rank_;
    return result;
  }
  Shape without(int dim) const {
    Shape result = *this;
    std::copy(sizes_ + dim + 1, sizes_ + rank_, result.sizes_ + dim);
    --result.rank_;
    return result;
  }

 private:
  int rank_ = 0;
  int64_t sizes_[MAX_RANK] = {};
};
using Strides = Shape;

// (4, 3); a scalar's shape is ().
inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ')';
}

// Strides of an empty tensor multiply its other sizes. Error: a product of more than 2^58.
[[gnu::noinline]] inline void check_empty(const Shape& shape) {
  int64_t n = 1;
  for (int64_t size : shape)
    HEED_CHECK(size == 0 || (!__builtin_mul_overflow(n, size, &n) && n <= int64_t(1) << 58),
               "[shape] ", shape, " is too large");
}

// How many numbers a tensor of this shape has. Error: a negative size, or more than 2^58.
inline int64_t numel(const Shape& shape) {
  int64_t n = 1;
  for (int64_t size : shape) {
    HEED_CHECK(size >= 0, "[shape] ", shape, " has a negative size");
    HEED_CHECK(!__builtin_mul_overflow(n, size, &n) && n <= int64_t(1) << 58, "[shape] ", shape,
          " is too large");
  }
  if (n == 0) [[unlikely]]
    check_empty(shape);
  return n;
}

// Row-major strides: the last dimension's neighbours lie side by side. Written in place, since
// strides that are made and then copied cost a small tensor some nanoseconds.
inline void set_contiguous(Strides& strides, const Shape& shape) {
  strides.set_rank(shape.rank());
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
}
inline Strides contiguous_strides(const Shape& shape) {
  Strides strides;
  set_contiguous(strides, shape);
  return strides;
}

// Where entry `index` of the first `dims` dimensions begins, counted in row-major order.
inline int64_t offset_of(int64_t index, int dims, const Shape& shape, const Strides& strides) {
  int64_t offset = 0;
  for (int d = dims - 1; d >= 0; index /= shape[d], --d) offset += index % shape[d] * strides[d];
  return offset;
}

// A dimension counted from the front, 0 … rank-1; -1 is the last one, as in PyTorch.
inline int wrap_dim(const char* op, int dim, int rank) {
  HEED_CHECK(dim >= -rank && dim < rank, "[", op, "] dimension ", dim, " of a tensor with ",
             rank, rank == 1 ? " dimension" : " dimensions");
  return dim < 0 ? dim + rank : dim;
}

}  // namespace heed
