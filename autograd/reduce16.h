// Reductions in the one order of this library: element i goes to partial result i mod 16, and
// the sixteen are halved by p[i] + p[i + 8], p[i] + p[i + 4], ... down to one. The order
// depends on the index along the summed axis only, so it is the same for every vector width,
// batch and thread count, and zeros appended to a row do not change the bits of its sum.
//
// A sum of more than PIECE numbers is that of two parts, and each of these likewise, so that
// rounding errors do not grow with the count (pairwise summation; Higham 1993, section 3).
//
// Like simd.h, for library sources only. `f` below takes vectors: [](auto v) { return v * v; }.
#pragma once
#include <bit>
#include "autograd/simd.h"

namespace heed::simd {

// Sixteen partial results, in as few vectors as hold them. They start at `start`, which leaves
// every number as it is under the operation.
template <class T> struct Sixteen {
  using V = Vec<T, (16 * sizeof(T) < VECTOR_BYTES ? 16 * sizeof(T) : VECTOR_BYTES)>;
  static constexpr int COUNT = 16 / LANES<V>;
  V part[COUNT];

  explicit Sixteen(T start) {
    for (V& p : part) p = all<V>(start);
  }
};

// Halves a vector until one number is left: v[i] with v[i + half].
template <class V, int... I>
ALWAYS_INLINE auto halves(V v, std::integer_sequence<int, I...>) {
  struct Two { Vec<Element<V>, sizeof(V) / 2> low, high; };
  return Two{__builtin_shufflevector(v, v, I...),
             __builtin_shufflevector(v, v, (I + LANES<V> / 2)...)};
}
template <class V, class Op> ALWAYS_INLINE Element<V> fold_lanes(V v, Op op) {
  using T = Element<V>;
  if constexpr (sizeof(V) > 16) {
    auto h = halves(v, std::make_integer_sequence<int, LANES<V> / 2>());
    return fold_lanes(op(h.low, h.high), op);
  } else {
    T p[LANES<V>];
    store(p, v);
    for (int half = LANES<V> / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) p[i] = op(p[i], p[i + half]);
    return p[0];
  }
}

// fold_lanes of as many vectors as one has lanes, each result in a lane: that of one waits for
// none of another.
template <class V, size_t W, class Op> ALWAYS_INLINE V fold_rows(V (&rows)[W], Op op) {
  transpose(rows);
  for (size_t half = W / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) rows[i] = op(rows[i], rows[i + half]);
  return rows[0];
}

// v with its lanes from `count` on replaced by `start`.
template <class V> ALWAYS_INLINE V keep_first(V v, int64_t count, Element<V> start) {
  static constexpr Element<V> NUMBERS[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                             8, 9, 10, 11, 12, 13, 14, 15};
  return load<V>(NUMBERS) < Element<V>(count) ? v : all<V>(start);
}

// op over f(x[i]...) for i < n, but for the last step, fold_lanes. The last elements are padded
// with zeros for f, and what f makes of the padding is replaced by `start`.
template <class T, class Op, class F, class... X>
ALWAYS_INLINE Vec<T> partial16(T start, int64_t n, Op op, F f, const X*... x) {
  using V = typename Sixteen<T>::V;
  constexpr int W = LANES<V>;
  Sixteen<T> sums(start);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < sums.COUNT; ++j)
      sums.part[j] = op(sums.part[j], f(load<V>(x + i + j * W)...));
  int j = 0;
  for (; i + W <= n; i += W, ++j) sums.part[j] = op(sums.part[j], f(load<V>(x + i)...));
  if (i < n) {
    const int64_t left = n - i;
    sums.part[j] = op(sums.part[j], keep_first(f(load_first<V>(x + i, left)...), left, start));
  }
  for (int half = sums.COUNT / 2; half > 0; half /= 2)
    for (int p = 0; p < half; ++p) sums.part[p] = op(sums.part[p], sums.part[p + half]);
  return sums.part[0];
}
template <class T, class Op, class F, class... X>
ALWAYS_INLINE T reduce16(T start, int64_t n, Op op, F f, const X*... x) {
  return fold_lanes(partial16(start, n, op, f, x...), op);
}

inline constexpr auto PLUS = [](auto a, auto b) { return a + b; };
inline constexpr auto LARGER = [](auto a, auto b) { return max(a, b); };
inline constexpr auto ITSELF = [](auto v) { return v; };

// Sum of f(x[i]...), of x[i]; 0 if n is 0.
template <class T, class F, class... X>
ALWAYS_INLINE T sum16_of(int64_t n, F f, const T* x, const X*... more) {
  return reduce16(T(0), n, PLUS, f, x, more...);
}
template <class T> ALWAYS_INLINE T sum16(const T* x, int64_t n) {
  return sum16_of(n, ITSELF, x);
}

// Where n > piece numbers are cut in two: at the largest piece 2^k below n. So a cut stays where
// it is when zeros are appended.
constexpr int64_t cut(int64_t n, int64_t piece) {
  return piece * int64_t(std::bit_floor(uint64_t((n - 1) / piece)));
}

// The sum of begin ... end - 1 by f(begin, end), which sums at most `piece` of them.
template <class Sum, class F>
[[gnu::noinline]] void two_parts(Sum& sum, int64_t begin, int64_t end, int64_t piece, F f);
template <class F>
ALWAYS_INLINE auto in_parts(int64_t begin, int64_t end, int64_t piece, F f) {
  if (end - begin <= piece) [[likely]] return f(begin, end);
  decltype(f(begin, end)) sum;
  two_parts(sum, begin, end, piece, f);
  return sum;
}
template <class Sum, class F>
void two_parts(Sum& sum, int64_t begin, int64_t end, int64_t piece, F f) {
  const int64_t middle = begin + cut(end - begin, piece);
  sum = in_parts(begin, middle, piece, f);
  sum += in_parts(middle, end, piece, f);
}

// sum16_of, of any count: for what is longer than a row.
constexpr int64_t PIECE = 1 << 16;
template <class F, class T> T pairwise16_of(int64_t n, F f, const T* x) {
  const auto part = [=](int64_t i, int64_t end) { return sum16_of(end - i, f, x + i); };
  return in_parts(0, n, PIECE, part);
}
template <class T> T pairwise16(const T* x, int64_t n) { return pairwise16_of(n, ITSELF, x); }

// Sum of x[i] * y[i], product and sum rounded each.
template <class T> ALWAYS_INLINE T dot16(const T* x, const T* y, int64_t n) {
  return sum16_of(n, [](auto a, auto b) { return a * b; }, x, y);
}

// The largest x[i]; NaN if one is NaN, as in PyTorch; -infinity if n is 0.
template <class T> ALWAYS_INLINE T max16(const T* x, int64_t n) {
  return reduce16(-std::numeric_limits<T>::infinity(), n, LARGER, ITSELF, x);
}

// Some numbers that lie side by side, summed each for itself.
template <class T, int COUNT> struct Row {
  alignas(64) T at[COUNT] = {};
  void operator+=(const Row& x) { map(at, COUNT, PLUS, at, x.at); }
};

// The same sums down the columns: y[j] = sum over i < n of x[i * stride + j], j < width. The
// partial sums are rows of a few vectors, kept in L1 while the rows of x stream by.
template <class T> void sum16_rows(const T* x, int64_t n, int64_t stride, T* y, int64_t width) {
  constexpr int COLUMNS = 512 / sizeof(T);
  for (int64_t at = 0; at < width; at += COLUMNS) {
    const int64_t columns = width - at < COLUMNS ? width - at : COLUMNS;
    const auto part = [=](int64_t begin, int64_t end) {
      Row<T, COLUMNS> sums[16];
      for (int64_t i = begin; i < end; ++i) {
        T* sum = sums[(i - begin) % 16].at;
        map(sum, columns, PLUS, sum, x + i * stride + at);
      }
      for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i)
          map(sums[i].at, columns, PLUS, sums[i].at, sums[i + half].at);
      return sums[0];
    };
    __builtin_memcpy(y + at, in_parts(0, n, PIECE, part).at, columns * sizeof(T));
  }
}

}  // namespace heed::simd
