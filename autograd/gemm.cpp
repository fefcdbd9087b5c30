// How it works, from the inside out.
//
// A tile of C, a few rows of a few vectors, stays in registers while k runs: each step loads a
// piece of a row of B, broadcasts one number of A for each row, and does all their fused
// multiply-adds (tiles). A strip is a column of tiles, all of which read the same columns of B;
// a product is strips side by side. As long as the operands fit the caches that is all, straight
// on the operands; a tail in m or n is met by smaller and by overlapping tiles.
//
// Larger products are cut into blocks, KC deep and MC high, so that a strip of B stays in the
// first cache and a block of A in the second. And an operand that would lie badly there (rows
// that compete for the same few places, or columns where rows are needed) is packed: copied in
// the order in which it will be read. Names as in BLIS (Van Zee and van de Geijn, 2015).
//
// Nothing of this changes an element of C: it is one chain of fused multiply-adds over k.
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

constexpr int64_t S = sizeof(Scalar);

// A product that one thread computes. Strides in elements.
struct Product {
  int64_t m, n, k;
  const Scalar* a;
  int64_t ra, ca;
  const Scalar* b;
  int64_t rb, cb;
  Scalar* c;
  int64_t rc, cc;
};

// C^T = B^T A^T has the same chains.
Product turned(const Product& x) {
  return {x.n, x.m, x.k, x.b, x.cb, x.rb, x.a, x.ca, x.ra, x.c, x.cc, x.rc};
}

// ---- Tiles ----

// Accumulators must be many, to hide the latency of a fused multiply-add (4 cycles, two can
// start in each: 8 chains at least), and leave registers for a row of B and a number of A.
constexpr int ACCUMULATORS = simd::REGISTERS == 32 ? 24 : 12;
constexpr int max_rows(int vectors) { return std::min(12, ACCUMULATORS / vectors); }

// A column of tiles. Strides are in bytes here, so that a step is one addition. The last vector
// of a row may start early and overlap the one before: an element is the same chain in both.
struct Tiles {
  int64_t k;  // at least 1
  const char* a;
  int64_t ra, ca;
  const char* b;
  int64_t rb, last_b;
  const char* from;  // where the chains start: zeros, or what C holds
  int64_t rfrom, last_from;
  char* c;
  int64_t rc, last_c;
};

template <class V> ALWAYS_INLINE V read(const char* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

// `count` tiles of R rows of NV vectors, one below the other.
template <class V, int R, int NV> void tiles(const Tiles& t, int64_t count) {
  const auto at = [](int j, int64_t last) { return j == NV - 1 ? last : j * int64_t(sizeof(V)); };
  const char *a_tile = t.a, *from = t.from;
  char* c = t.c;
  for (; count > 0; --count) {
    V acc[R][NV];
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      __builtin_prefetch(c + (R + i) * t.rc, 1);  // where the next tile goes
#pragma GCC unroll 6
      for (int j = 0; j < NV; ++j) acc[i][j] = read<V>(from + i * t.rfrom + at(j, t.last_from));
    }
    const char *a = a_tile, *b = t.b;
    const int64_t ra = t.ra, ca = t.ca, rb = t.rb, last_b = t.last_b;
    int64_t k = t.k;
    do {
      // Whichever are fewer, a row of B or the numbers of A, stay in registers for the step.
      if constexpr (NV <= R) {
        V row[NV];
#pragma GCC unroll 6
        for (int j = 0; j < NV; ++j) simd::hold(row[j] = read<V>(b + at(j, last_b)));
#pragma GCC unroll 12
        for (int i = 0; i < R; ++i) {
          const V left = simd::all<V>(read<Scalar>(a + i * ra));
#pragma GCC unroll 6
          for (int j = 0; j < NV; ++j) acc[i][j] = simd::fma(left, row[j], acc[i][j]);
        }
      } else {
        V left[R];
#pragma GCC unroll 6
        for (int i = 0; i < R; ++i) left[i] = simd::all<V>(read<Scalar>(a + i * ra));
#pragma GCC unroll 6
        for (int j = 0; j < NV; ++j) {
          V right = read<V>(b + at(j, last_b));
          simd::hold(right);
#pragma GCC unroll 6
          for (int i = 0; i < R; ++i) acc[i][j] = simd::fma(left[i], right, acc[i][j]);
        }
      }
      a += ca;
      b += rb;
    } while (--k > 0);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 6
      for (int j = 0; j < NV; ++j)
        __builtin_memcpy(c + i * t.rc + at(j, t.last_c), &acc[i][j], sizeof(V));
    a_tile += R * ra;
    from += R * t.rfrom;
    c += R * t.rc;
  }
}

using RunTiles = void (*)(const Tiles&, int64_t count);
template <class V, int NV, int... R>
RunTiles tiles_of(int64_t rows, std::integer_sequence<int, R...>) {
  static constexpr RunTiles FOR_ROWS[] = {tiles<V, R + 1, NV>...};
  return FOR_ROWS[rows - 1];
}

// C whose rows are not contiguous: a tile is made in a buffer and spread from there.
template <class V, int NV>
[[gnu::noinline]] void spread_tile(RunTiles run, int64_t rows, const Tiles& t, int64_t cc) {
  Scalar buffer[max_rows(NV) * NV * simd::LANES<V>];
  constexpr int64_t ROW = NV * sizeof(V), LAST = ROW - sizeof(V);
  const auto copy = [&](bool back) {
    for (int64_t j = 0; j < ROW; j += S) {
      char* c = t.c + (j < LAST ? j : t.last_c + j - LAST) * cc;
      char* held = reinterpret_cast<char*>(buffer) + j;
      for (int64_t i = 0; i < rows; ++i, c += t.rc, held += ROW)
        back ? __builtin_memcpy(c, held, S) : __builtin_memcpy(held, c, S);
    }
  };
  Tiles inner = t;
  inner.c = reinterpret_cast<char*>(buffer);
  inner.rc = ROW;
  inner.last_c = LAST;
  if (t.from == t.c) {
    copy(false);
    inner.from = inner.c;
    inner.rfrom = ROW;
    inner.last_from = LAST;
  }
  run(inner, 1);
  copy(true);
}

// ---- Packing ----

using Quad = Vec<Scalar, 16>;
constexpr int Q = simd::LANES<Quad>;

ALWAYS_INLINE void transpose(Vec<float, 16> (&r)[4]) {
  const auto s = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
  const auto t = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const auto u = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const auto v = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(s, t, 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(s, t, 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(u, v, 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(u, v, 2, 3, 6, 7);
}
[[maybe_unused]] ALWAYS_INLINE void transpose(Vec<double, 16> (&r)[2]) {
  const auto s = __builtin_shufflevector(r[0], r[1], 0, 2);
  r[1] = __builtin_shufflevector(r[0], r[1], 1, 3);
  r[0] = s;
}

// to[p * row + w] = from[p * sp + w * sw] for p < k, w < width: a panel, which is read from
// start to end as p runs. Tails start early and overlap, like those of tiles.
void pack(int64_t k, int64_t width, const Scalar* from, int64_t sp, int64_t sw, Scalar* to,
          int64_t row) {
  if (sw == 1 && width >= Q) {
    for (int64_t p = 0; p < k; ++p, from += sp, to += row) {
      for (int64_t w = 0; w + Q < width; w += Q) simd::store(to + w, simd::load<Quad>(from + w));
      simd::store(to + width - Q, simd::load<Quad>(from + width - Q));
    }
  } else if (sp == 1 && width >= Q && k >= Q) {
    for (int64_t at = 0; at < width; at += Q) {
      const int64_t w = std::min(at, width - Q);
      for (int64_t next = 0; next < k; next += Q) {
        const int64_t p = std::min(next, k - Q);
        Quad square[Q];
        for (int i = 0; i < Q; ++i) square[i] = simd::load<Quad>(from + (w + i) * sw + p);
        transpose(square);
        for (int i = 0; i < Q; ++i) simd::store(to + (p + i) * row + w, square[i]);
      }
    }
  } else {
    for (int64_t p = 0; p < k; ++p)
      for (int64_t w = 0; w < width; ++w) to[p * row + w] = from[p * sp + w * sw];
  }
}

// A strip of B, NV vectors wide, of which the last starts at column `last`.
template <class V, int NV>
void pack_strip(int64_t k, const Scalar* b, int64_t rb, int64_t cb, int64_t last, Scalar* to) {
  constexpr int W = simd::LANES<V>, ROW = NV * W;
  if (cb == 1) {
    for (int64_t p = 0; p < k; ++p, b += rb, to += ROW) {
      for (int v = 0; v < NV - 1; ++v) simd::store(to + v * W, simd::load<V>(b + v * W));
      simd::store(to + ROW - W, simd::load<V>(b + last));
    }
  } else {
    for (int v = 0; v < NV; ++v)
      pack(k, W, b + (v == NV - 1 ? last : v * W) * cb, rb, cb, to + v * W, ROW);
  }
}

// Memory for panels: one of each a thread, grown as needed.
struct Scratch {
  static constexpr std::align_val_t ALIGN{64};
  Scalar* data = nullptr;
  int64_t size = 0;

  ~Scratch() { ::operator delete(data, ALIGN); }
  Scalar* at_least(int64_t count) {
    if (count > size) {
      ::operator delete(std::exchange(data, nullptr), ALIGN);
      size = 0;
      data = static_cast<Scalar*>(::operator new(count * S, ALIGN));
      size = count;
    }
    return data;
  }
};
thread_local Scratch scratch_a, scratch_b;

// ---- Blocks ----

// Rows in a panel of A: a whole number of tiles, however many vectors wide those are.
constexpr int64_t PANEL = ACCUMULATORS;

struct Block {
  Product x;
  bool first;        // chains start here, and do not go on from C
  Scalar* a_panels;  // packed A: panels of PANEL rows, or null
  Scalar* b_panels;  // packed B, or the memory for it, or null
  bool pack_b;       // into b_panels, before use
  int64_t vectors;   // the width of a strip, tails apart
};

// n things in as few groups of at most `most` as can be, as equal as can be: the first `larger`
// groups have one more. 10 rows in tiles of 6: 5 + 5, not 6 + 4 (too few chains).
struct Groups {
  int64_t count, size, larger;
  Groups(int64_t n, int64_t most)
      : count((n + most - 1) / most), size(n / count), larger(n % count) {}
};

alignas(64) constexpr Scalar ZEROS[6 * 64 / S] = {};

// The columns from j on, `width` of them, in tiles NV vectors wide.
template <class V, int NV> void strip(const Block& block, int64_t j, int64_t width) {
  constexpr int W = simd::LANES<V>;
  const Product& x = block.x;
  const int64_t last = width - W;
  const auto bytes = [](const Scalar* p) { return reinterpret_cast<const char*>(p); };
  Tiles t{x.k, bytes(x.a), x.ra * S, x.ca * S, bytes(x.b + j), x.rb * S, last * S,
          bytes(ZEROS), 0, 0, reinterpret_cast<char*>(x.c + j * x.cc), x.rc * S, last * S};
  if (block.b_panels) {
    Scalar* panel = block.b_panels + j * x.k;
    if (block.pack_b) pack_strip<V, NV>(x.k, x.b + j * x.cb, x.rb, x.cb, last, panel);
    t.b = bytes(panel);
    t.rb = NV * sizeof(V);
    t.last_b = (NV - 1) * sizeof(V);
  }
  if (!block.first) {
    t.from = t.c;
    t.rfrom = t.rc;
    t.last_from = t.last_c;
  }
  const auto run = [&](int64_t rows, int64_t count) {
    const RunTiles f = tiles_of<V, NV>(rows, std::make_integer_sequence<int, max_rows(NV)>{});
    for (int64_t at_once = x.cc == 1 ? count : 1; count > 0; count -= at_once) {
      if (x.cc == 1) f(t, count);
      else spread_tile<V, NV>(f, rows, t, x.cc);
      t.a += at_once * rows * t.ra;
      t.from += at_once * rows * t.rfrom;
      t.c += at_once * rows * t.rc;
    }
  };
  const int64_t rows_together = block.a_panels ? PANEL : x.m;
  for (int64_t i = 0; i < x.m; i += rows_together) {
    const int64_t rows = std::min(rows_together, x.m - i);
    if (block.a_panels) {
      t.a = bytes(block.a_panels + i * x.k);
      t.ra = S;
      t.ca = rows * S;
    }
    const Groups g(rows, max_rows(NV));
    if (g.larger > 0) run(g.size + 1, g.larger);
    run(g.size, g.count - g.larger);
  }
}

// How wide the tiles of a product with m rows are, in vectors: as many as leave the accumulators
// in use when a tile has few rows.
int64_t vectors_for(int64_t m) {
  const int64_t rows = Groups(m, max_rows(2)).size;
  return rows * 6 <= ACCUMULATORS ? 6 : rows * 4 <= ACCUMULATORS ? 4 : rows * 3 <= ACCUMULATORS ? 3 : 2;
}

// All strips, V being the widest vector that is not wider than a row of C. A strip is never one
// vector wide if it can overlap the one before it: that would add the same product twice where
// chains go on from C. So there may be a strip of 3 or 4 vectors at the end.
template <class V> void strips(const Block& block) {
  constexpr int W = simd::LANES<V>;
  for (int64_t j = 0; j < block.x.n;) {
    const int64_t left = block.x.n - j, vectors = (left + W - 1) / W;
    int64_t now = std::min(vectors, block.vectors);
    if (now == 5) now = 3;
    if (vectors == now + 1) now = now < 4 ? vectors : now - 1;
    const int64_t width = std::min(left, now * W);
    if (now == 1) strip<V, 1>(block, j, width);
    else if (now == 2) strip<V, 2>(block, j, width);
    else if (now == 3) strip<V, 3>(block, j, width);
    else if (now == 4) strip<V, 4>(block, j, width);
    else strip<V, 6>(block, j, width);
    j += width;
  }
}

template <int Bytes = VECTOR_BYTES> void multiply_block(const Block& block) {
  if constexpr (Bytes < 16) strips<Scalar>(block);
  else if (block.x.n * S >= Bytes) strips<Vec<Scalar, Bytes>>(block);
  else multiply_block<Bytes / 2>(block);
}

// ---- One thread ----

// Measured on Zen 3 and sized for it: a strip of B, KC deep, is as large as the first cache (32
// KiB), a block of A is a good third of the second, and all strips of B fit the third.
constexpr int64_t KC = 512 * 4 / S, MC = 96, NC = 1024;

// Do `count` lines of memory, `stride` elements apart, stay in the first cache while others pass?
// It has 64 sets of 8 lines of 64 bytes, and strides that are multiples of a large power of two
// reach few of them. A quarter is left to the others.
bool fit_first_cache(int64_t count, int64_t stride) {
  const int64_t bytes = stride * S, step = std::clamp<int64_t>(bytes & -bytes, 64, 4096);
  return count <= 6 * (4096 / step);
}

void pack_block_of_a(const Product& x, Scalar* to) {
  for (int64_t i = 0; i < x.m; i += PANEL) {
    const int64_t rows = std::min(PANEL, x.m - i);
    pack(x.k, rows, x.a + i * x.ra, x.ca, x.ra, to + i * x.k, rows);
  }
}

void multiply(const Product& x) {
  const int64_t kc = Groups(x.k, KC).size + 1;
  const bool pack_b = x.cb != 1 || (x.m >= 48 && !fit_first_cache(std::min(kc, x.k), x.rb));
  const bool pack_a = x.n >= 32 && (x.ca == 1 ? x.m > PANEL && !fit_first_cache(PANEL, x.ra)
                                              : !fit_first_cache(std::min(kc, x.k), x.ca));
  const int64_t vectors = vectors_for(std::min(x.m, MC));
  for (int64_t j = 0; j < x.n; j += NC) {
    const int64_t n = std::min(NC, x.n - j);
    for (int64_t p = 0; p < x.k; p += kc) {
      const int64_t k = std::min(kc, x.k - p);
      Scalar* b_panels = pack_b ? scratch_b.at_least(k * (n + 6 * VECTOR_BYTES)) : nullptr;
      for (int64_t i = 0; i < x.m; i += MC) {
        const int64_t m = std::min(MC, x.m - i);
        const Product part{m,
                           n,
                           k,
                           x.a + i * x.ra + p * x.ca,
                           x.ra,
                           x.ca,
                           x.b + p * x.rb + j * x.cb,
                           x.rb,
                           x.cb,
                           x.c + i * x.rc + j * x.cc,
                           x.rc,
                           x.cc};
        Scalar* a_panels = pack_a ? scratch_a.at_least(k * m) : nullptr;
        if (pack_a) pack_block_of_a(part, a_panels);
        multiply_block({part, p == 0, a_panels, b_panels, i == 0, vectors});
      }
    }
  }
}

// ---- Which way round, and how many threads ----

template <int Bytes = VECTOR_BYTES> int64_t vectors_in(int64_t n) {
  if constexpr (Bytes < 16) return n;
  else return n * S >= Bytes ? (n * S + Bytes - 1) / Bytes : vectors_in<Bytes / 2>(n);
}

// About ten times the cycles that a product takes: multiply-adds, two vectors a cycle (few rows
// have too few chains for that); turning B into panels; spreading C.
int64_t cost(const Product& x) {
  return x.k * (5 * std::max<int64_t>(x.m, 2) * vectors_in(x.n) + (x.cb != 1 ? 3 * x.n : 0)) +
         (x.cc != 1 ? 10 * x.m * x.n : 0);
}

void share(const Product& x) {
  // Multiply-adds that are worth a thread: some 20 microseconds.
  constexpr int64_t WORTH = 1 << 20;
  const int64_t work = x.m * x.n * x.k;
  if (work < 2 * WORTH) return multiply(x);
  const bool by_rows = x.m >= x.n;
  const int64_t unit = by_rows ? PANEL : 2 * VECTOR_BYTES / S, size = by_rows ? x.m : x.n;
  const int64_t units = (size + unit - 1) / unit;
  parallel_for(units, std::max<int64_t>(1, units * WORTH / work), [&](int64_t begin, int64_t end) {
    Product part = x;
    begin *= unit;
    end = std::min(end * unit, size);
    if (by_rows) {
      part.m = end - begin;
      part.a += begin * x.ra;
      part.c += begin * x.rc;
    } else {
      part.n = end - begin;
      part.b += begin * x.cb;
      part.c += begin * x.cc;
    }
    multiply(part);
  });
}

}  // namespace

void gemm(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
          const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc, int64_t cc) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * rc + j * cc] = 0;
    return;
  }
  // A stride along a size of 1 is never used: call it contiguous.
  if (m == 1) ra = rc = 1;
  if (n == 1) cb = cc = 1;
  if (k == 1) ca = rb = 1;
  const Product x{m, n, k, a, ra, ca, b, rb, cb, c, rc, cc};
  const bool plain = cb == 1 && cc == 1 && n * S >= VECTOR_BYTES;
  if (plain || cost(x) <= cost(turned(x))) share(x);
  else share(turned(x));
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
