#include "autograd/gemm.h"

#include <algorithm>
#include <new>
#include <utility>

#include "autograd/parallel.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

using simd::Vec;

// ---- The tile: R rows of NV vectors of C, kept in registers for the whole sum over k ----

// Accumulators must be many, to hide the latency of fused multiply-add (4 cycles, 2 at a time:
// 8 chains at least), and leave room for a row of B and a number of A.
constexpr int ACCUMULATORS = simd::REGISTERS - 4;
constexpr int max_rows(int vectors) { return std::min(14, ACCUMULATORS / vectors); }

// Where a tile's operands are. The last vector of a row may start early and overlap the one
// before it (an element is one and the same chain in either), so columns need no padding.
struct TileArgs {
  int64_t k;
  const Scalar* a;
  int64_t ra, ca;
  const Scalar* b;
  int64_t rb, last_b;
  Scalar* c;
  int64_t rc, last_c;
  bool add;  // continue the chains that C holds
};

template <class V, int R, int NV> void tile(const TileArgs& t) {
  constexpr int W = simd::LANES<V>;
  const Scalar *a = t.a, *b = t.b;
  const int64_t ra = t.ra, ca = t.ca, rb = t.rb, rc = t.rc;
  auto column = [](int j, int64_t last) { return j == NV - 1 ? last : j * W; };
  V acc[R][NV];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j)
      acc[i][j] = t.add ? simd::load<V>(t.c + i * rc + column(j, t.last_c)) : V{};
  const int64_t last_b = t.last_b;
  for (int64_t p = t.k; p > 0; --p, a += ca, b += rb) {
    V row[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) row[j] = simd::load<V>(b + column(j, last_b));
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const V left = simd::all<V>(a[i * ra]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) acc[i][j] = simd::fma(left, row[j], acc[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) simd::store(t.c + i * rc + column(j, t.last_c), acc[i][j]);
}

using Tile = void (*)(const TileArgs&);
template <class V, int NV, int... R> Tile tile_of(int rows, std::integer_sequence<int, R...>) {
  static constexpr Tile TILES[] = {tile<V, R + 1, NV>...};
  return TILES[rows - 1];
}

// A product of which the operands are in place.
struct Product {
  int64_t m, n, k;
  const Scalar* a;
  int64_t ra, ca;
  const Scalar* b;
  int64_t rb, cb;
  Scalar* c;
  int64_t rc, cc;
};

template <class V, int NV> void run_tile(int rows, TileArgs& t, int64_t cc) {
  constexpr int W = simd::LANES<V>;
  const Tile tile = tile_of<V, NV>(rows, std::make_integer_sequence<int, max_rows(NV)>{});
  if (cc == 1) return tile(t);
  Scalar buffer[max_rows(NV) * NV * W];
  TileArgs inner = t;
  inner.c = buffer;
  inner.rc = NV * W;
  inner.last_c = (NV - 1) * W;
  for (int i = 0; t.add && i < rows; ++i)
    for (int j = 0; j < NV; ++j)
      for (int l = 0; l < W; ++l)
        buffer[(i * NV + j) * W + l] = t.c[i * t.rc + ((j == NV - 1 ? t.last_c : j * W) + l) * cc];
  tile(inner);
  for (int j = 0; j < NV; ++j)
    for (int l = 0; l < W; ++l)
      for (int i = 0; i < rows; ++i)
        t.c[i * t.rc + ((j == NV - 1 ? t.last_c : j * W) + l) * cc] = buffer[(i * NV + j) * W + l];
}

// ---- Packing: out[p * width + w] = from[p * sp + w * sw] ----

void pack(int64_t k, int64_t width, const Scalar* from, int64_t sp, int64_t sw, Scalar* out,
          int64_t out_stride) {
  using Q = Vec<Scalar, 16>;
  constexpr int L = simd::LANES<Q>;
  if (sw == 1) {
    if (width >= L) {
      for (int64_t p = 0; p < k; ++p) {
        int64_t w = 0;
        for (; w + L <= width; w += L) simd::store(out + p * out_stride + w, simd::load<Q>(from + p * sp + w));
        if (w < width) simd::store(out + p * out_stride + width - L, simd::load<Q>(from + p * sp + width - L));
      }
      return;
    }
  }
  for (int64_t p = 0; p < k; ++p)
    for (int64_t w = 0; w < width; ++w) out[p * out_stride + w] = from[p * sp + w * sw];
}

// ---- Memory for packed operands: one per thread, grown as needed ----

struct Scratch {
  Scalar* data = nullptr;
  int64_t size = 0;
  static constexpr std::align_val_t ALIGN{64};

  Scalar* at_least(int64_t count) {
    if (count > size) {
      ::operator delete(data, ALIGN);
      data = nullptr;
      size = 0;
      data = static_cast<Scalar*>(::operator new(count * sizeof(Scalar), ALIGN));
      size = count;
    }
    return data;
  }
  ~Scratch() { ::operator delete(data, ALIGN); }
};
thread_local Scratch scratch_a, scratch_b;

constexpr int64_t KC = 256, MC = 96, NC = 1024;

// Strips of NV vectors, ...
template <class V, int NV>
void strip(const Product& x, int64_t width, Scalar* panel, bool packed, bool pack_now, bool add) {
  constexpr int W = simd::LANES<V>;
  const int64_t last = width - W;
  TileArgs t{x.k, x.a, x.ra, x.ca, x.b, x.rb, last, x.c, x.rc, last, add};
  if (packed) {
    if (pack_now) {
      for (int j = 0; j < NV; ++j)
        pack(x.k, W, x.b + (j == NV - 1 ? last : j * W) * x.cb, x.rb, x.cb, panel + j * W, NV * W);
    }
    t.b = panel;
    t.rb = NV * W;
    t.last_b = (NV - 1) * W;
  }
  const int64_t tiles = (x.m + max_rows(NV) - 1) / max_rows(NV), small = x.m / tiles, larger = x.m % tiles;
  for (int64_t i = 0, at = 0; i < tiles; ++i) {
    const int rows = int(small + (i < larger));
    t.a = x.a + at * x.ra;
    t.c = x.c + at * x.rc;
    run_tile<V, NV>(rows, t, x.cc);
    at += rows;
  }
}

template <class V> void columns(const Product& x, Scalar* panel, bool packed, bool pack_now, bool add) {
  constexpr int W = simd::LANES<V>;
  Product s = x;
  for (int64_t j = 0; j < x.n;) {
    const int64_t left = x.n - j, vectors = (left + W - 1) / W;
    s.b = x.b + j * x.cb;
    s.c = x.c + j * x.cc;
    if (vectors == 1) {
      strip<V, 1>(s, left, panel, packed, pack_now, add);
      return;
    } else if (vectors == 3) {
      strip<V, 3>(s, left, panel, packed, pack_now, add);
      return;
    }
    const int64_t width = std::min<int64_t>(left, 2 * W);
    strip<V, 2>(s, width, panel, packed, pack_now, add);
    panel += x.k * 2 * W;
    j += width;
  }
}

template <int Bytes> void by_width(const Product& x, Scalar* panel, bool packed, bool pack_now, bool add) {
  if constexpr (Bytes < 16) columns<Scalar>(x, panel, packed, pack_now, add);
  else if (x.n >= Bytes / int(sizeof(Scalar))) columns<Vec<Scalar, Bytes>>(x, panel, packed, pack_now, add);
  else by_width<Bytes / 2>(x, panel, packed, pack_now, add);
}

void multiply(const Product& x) {
  const bool packed = x.cb != 1 || (x.m >= 32 && x.k * x.rb > 4096);
  for (int64_t j = 0; j < x.n; j += NC) {
    const int64_t n = std::min(NC, x.n - j);
    for (int64_t p = 0; p < x.k || p == 0; p += KC) {
      const int64_t k = std::min(KC, x.k - p);
      Scalar* panel = packed ? scratch_b.at_least(k * (n + 3 * VECTOR_BYTES)) : nullptr;
      for (int64_t i = 0; i < x.m; i += MC) {
        const int64_t m = std::min(MC, x.m - i);
        by_width<VECTOR_BYTES>({m, n, k, x.a + i * x.ra + p * x.ca, x.ra, x.ca, x.b + p * x.rb + j * x.cb, x.rb, x.cb, x.c + i * x.rc + j * x.cc, x.rc, x.cc}, panel, packed, i == 0, p > 0);
      }
    }
  }
}

}  // namespace

void gemm(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
          const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc, int64_t cc) {
  if (m <= 0 || n <= 0) return;
  multiply({m, n, k, a, ra, ca, b, rb, cb, c, rc, cc});
}

void gemm_naive(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
                const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc, int64_t cc) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      Scalar sum = 0;
      for (int64_t p = 0; p < k; ++p)
        sum = simd::fma(a[i * ra + p * ca], b[p * rb + j * cb], sum);
      c[i * rc + j * cc] = sum;
    }
}

}  // namespace HEED_PRECISION
}  // namespace heed
