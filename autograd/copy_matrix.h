// Copies a matrix, however it lies in memory, into rows. For library sources: gemm's panels, the
// keys that attention reads as columns, clone().
#pragma once
#include <algorithm>
#include <cstdint>
#include "autograd/scalar.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {

// m rows of n numbers, `row` apart. Here and below, what is left over at an end is met by a whole
// vector that starts early and overlaps the one before.
template <class V>
void copy_rows(int64_t m, int64_t n, const Scalar* from, int64_t row, Scalar* to,
               int64_t to_row) {
  constexpr int64_t W = simd::LANES<V>;
  for (; m > 0; --m, from += row, to += to_row) {
    __builtin_prefetch(from + n);  // the columns beside these are often copied next
    __builtin_prefetch(from + 2 * n - 1);
    for (int64_t j = 0; j + W < n; j += W) simd::store(to + j, simd::load<V>(from + j));
    simd::store(to + n - W, simd::load<V>(from + n - W));
  }
}

// W columns, each of m numbers side by side, `column` apart, written row by row: squares of W x W
// are turned in registers.
template <class V>
void turn_columns(int64_t m, const Scalar* from, int64_t column, Scalar* to, int64_t to_row) {
  constexpr int W = simd::LANES<V>;
  for (int64_t at = 0; at < m; at += W) {
    const int64_t i = std::min(at, m - W);
    V square[W];
    UNROLL for (int j = 0; j < W; ++j) {
      square[j] = simd::load<V>(from + j * column + i);
      __builtin_prefetch(from + j * column + i + 128 / sizeof(Scalar));
    }
    simd::transpose(square);
    UNROLL for (int j = 0; j < W; ++j) simd::store(to + (i + j) * to_row, square[j]);
  }
}

// to[i * to_row + j] = from[i * row + j * column] for i < m, j < n. (Calls itself with
// narrower vectors for the columns from j on; at 16 bytes the last vector overlaps the one
// before.)
template <int Bytes = VECTOR_BYTES>
void copy_matrix(int64_t m, int64_t n, const Scalar* from, int64_t row, int64_t column, Scalar* to,
                 int64_t to_row, int64_t j = 0) {
  if constexpr (Bytes < 16) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t at = j; at < n; ++at) to[i * to_row + at] = from[i * row + at * column];
  } else {
    using V = simd::Vec<Scalar, Bytes>;
    constexpr int64_t W = simd::LANES<V>;
    if (column == 1 && n >= W) return copy_rows<V>(m, n, from, row, to, to_row);
    if (row == 1 && n >= W && m >= W) {
      for (; j + W <= n; j += W)
        turn_columns<V>(m, from + j * column, column, to + j, to_row);
      if (Bytes == 16 && j < n) {
        turn_columns<V>(m, from + (n - W) * column, column, to + n - W, to_row);
        j = n;
      }
    }
    if (j < n) copy_matrix<Bytes / 2>(m, n, from, row, column, to, to_row, j);
  }
}

}  // namespace HEED_PRECISION
}  // namespace heed
