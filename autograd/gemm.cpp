// How it works, from the inside out.
//
// A tile of C, a few rows of a few vectors, stays in registers (its accumulators) while p runs
// from 0 to k: each step loads a piece of a row of B, broadcasts one number of A for each row,
// and does all their fused multiply-adds (gemm_kernel.h). A strip is a column of tiles, which all
// read the same columns of B; a product is strips side by side. As long as the operands fit the
// caches that is all, straight on the operands; what is left over in m or n is covered by smaller
// and by overlapping tiles. A batch whose products are one strip wide goes through together, its
// tiles chosen once.
//
// Larger products are cut into blocks, KC deep and at most MC rows of A high. And an operand that
// would lie badly in the caches (on too many pages, in rows that compete for the same few places,
// or in columns where rows are needed: transposed, or "turned") is packed: copied, in the order
// in which it will be read, into panels, PANEL rows of A or the columns of one strip of B, just
// before its first use. A slab is as many rows of A as have panels at a time; a B that is packed
// is also cut, into NC columns. (The letters are those of BLIS: Van Zee and van de Geijn, 2015.
// Which cache holds what is said below.) The loops, from the outside: threads, pieces of a C that
// is turned, products of a batch, slabs, depth (KC), columns (NC), rows (MC), strips, panels of
// A, tiles, p. (Products that go through together: inside the strips.)
#include "autograd/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include "autograd/copy_matrix.h"
#include "autograd/gemm_kernel.h"
#include "autograd/parallel.h"
#include "autograd/pool.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

using namespace kernel;

// A product, or a batch of them. Strides in elements. Passed by reference and completed by
// multiply(): a copy costs a small product as much as some rows of a tile.
struct Product {
  int64_t m, n, k;
  const Scalar* a;
  int64_t ra, ca;
  const Scalar* b;
  int64_t rb, cb;
  Scalar* c;
  int64_t rc;
  bool onto;  // chains go on from C
  GemmBatch batch;
  // Decided in multiply():
  int64_t vectors = 0;         // in a strip, but for the last ones
  Scalar* a_panels = nullptr;  // packed A: panels of PANEL rows, or null
  Scalar* b_panels = nullptr;  // packed B, or the memory for it, or null
  bool fill_b = false;         // each strip packs its part, anew for each product
};

// ---- Strips ----

// Rows in a panel of A: as many as a tile of two vectors has. Wider tiles split it.
constexpr int64_t PANEL = max_rows(2);

// n things in as few groups of at most `most` as can be, as equal as can be: the first `larger`
// groups have one more. 10 rows in tiles of 6: 5 + 5, not 6 + 4 (whose second tile has fewer
// chains).
struct Groups {
  int64_t count = 1, size, larger = 0;
  Groups(int64_t n, int64_t most) : size(n) {
    if (n <= most) return;  // spares small products the divisions
    count = (n + most - 1) / most;
    size = n / count;
    larger = n % count;
  }
  int64_t largest() const { return size + (larger > 0); }
};

// The columns from j on, `width` of them, in tiles NV vectors wide; of all products of a batch.
template <class V, int NV> void strip(const Product& x, int64_t j, int64_t width) {
  const auto bytes = [](const Scalar* p) { return reinterpret_cast<const char*>(p); };
  Scalar* const panel = x.b_panels ? x.b_panels + j * x.k : nullptr;
  Tiles t;
  t.k = x.k;
  t.ra = (x.a_panels ? 1 : x.ra) * S;
  t.ca = x.ca * S;
  t.rb = (panel ? width : x.rb) * S;
  t.rc = x.rc * S;
  // (With fewer rows this strip is done before the next one's panel has come.)
  const bool next_panel = panel && x.m > 2 * PANEL;
  t.rsoon = next_panel ? width * S / Groups(x.m, max_rows(NV)).count : t.rb;
  t.last = (width - simd::LANES<V>) * S;
  t.onto = x.onto;
  const int64_t rows_together = x.a_panels ? PANEL : x.m;
  for (int64_t at = 0; at < x.batch.count; ++at) {
    const Scalar* b = x.b + at * x.batch.b + j * x.cb;
    if (x.fill_b) copy_matrix(x.k, width, b, x.rb, x.cb, panel, width);
    t.a = bytes(x.a + at * x.batch.a);
    t.b = bytes(panel ? panel : b);
    t.soon = next_panel ? bytes(panel + width * x.k) : t.b + AHEAD * t.rb;
    t.c = reinterpret_cast<char*>(x.c + at * x.batch.c + j);
    if (x.m <= max_rows(NV) && !panel && !x.a_panels) {  // a tile each: they go through at once
      t.next_a = x.batch.a * S;
      t.next_b = t.next_soon = x.batch.b * S;
      t.next_c = x.batch.c * S;
      return tiles_of<V, NV>(x.m, t, x.batch.count);
    }
    const auto run = [&](int64_t rows, int64_t count) {  // tiles one below the other
      t.next_a = rows * t.ra;
      t.next_c = rows * t.rc;
      if (next_panel) t.next_soon = x.k * t.rsoon;
      tiles_of<V, NV>(rows, t, count);
    };
    for (int64_t i = 0; i < x.m; i += rows_together) {
      const int64_t rows = std::min(rows_together, x.m - i);
      if (x.a_panels) {
        t.a = bytes(x.a_panels + i * x.k);
        t.ca = rows * S;
      }
      const Groups g(rows, max_rows(NV));
      if (g.larger > 0) run(g.size + 1, g.larger);
      run(g.size, g.count - g.larger);
    }
  }
}

// How wide the tiles of a product with m rows are, in vectors: wider when they have few rows,
// so that the accumulators stay in use. (By m alone: a packed A is cut into panels first.)
int64_t vectors_for(int64_t m) {
  const int64_t rows = Groups(m, max_rows(2)).size;
  for (int vectors : {6, 4, 3})
    if (rows * vectors <= ACCUMULATORS) return vectors;
  return 2;
}

// How many of the vectors that are left the next strip takes: as many as wanted, with two
// exceptions. There is no tile of 5: 5 are 2 + 3. And one is never left alone (it would overlap
// the strip before it, and add twice where chains go on from C): 7 are 4 + 3, and 3 or 4 go at
// once where one less was wanted.
int64_t next_strip(int64_t left, int64_t wanted) {
  const int64_t now = std::min(left, wanted);
  if (now != 5 && left - now != 1) return now;
  return now < 4 ? now + 1 : left - 3;
}

// Vectors in a row of n numbers, of the widest kind that is not wider than the row.
template <int Bytes = VECTOR_BYTES> int64_t vectors_in(int64_t n) {
  if constexpr (Bytes < 16) return n;
  else return n * S >= Bytes ? (n * S + Bytes - 1) / Bytes : vectors_in<Bytes / 2>(n);
}

// All strips, of vectors of that kind.
template <int Bytes = VECTOR_BYTES> void multiply_block(const Product& x) {
  if constexpr (Bytes >= 16)
    if (x.n * S < Bytes) return multiply_block<Bytes / 2>(x);
  using V = std::conditional_t<(Bytes < 16), Scalar, Vec<Scalar, Bytes>>;
  constexpr int W = simd::LANES<V>;
  for (int64_t j = 0; j < x.n;) {
    const int64_t left = x.n - j, now = next_strip((left + W - 1) / W, x.vectors);
    const int64_t width = std::min(left, now * W);
    if (now == 1) strip<V, 1>(x, j, width);
    else if (now == 2) strip<V, 2>(x, j, width);
    else if (now == 3) strip<V, 3>(x, j, width);
    else if (now == 4) strip<V, 4>(x, j, width);
    else strip<V, 6>(x, j, width);
    j += width;
  }
}

// ---- One thread ----

// KC is deep, so that C comes from memory and goes back there seldom. A block of A has at most MC
// rows and BLOCK_A numbers, but a panel at least. With 64-byte vectors B's block, 768 KiB, stays
// in a second cache of 1 MiB, and its strips pass by a block of A of 24 KiB (a panel at full
// depth: 36). (Measured on Cascade Lake.) With narrower ones A's block, 144 KiB, stays in a
// second cache of 512 KiB, and B's, 3 MiB, comes from the third, a strip ahead of its use.
// (Measured on Zen 3.) The panels of SLAB rows of A are kept at once.
constexpr bool WIDE = VECTOR_BYTES == 64;
constexpr int64_t KC = 3072 / S, NC = WIDE ? 256 : 1024, MC = 48,
                  BLOCK_A = WIDE ? 24576 / S : MC * KC, SLAB = 192 * PANEL;

// A product whose A and C are not larger goes through uncut (measured).
constexpr int64_t SMALL = (192 << 10) / S;

// What makes packing worth while (measured): so many columns of C, which all read an A that lies
// badly, or any A; so many rows, which all read a B that lies on many pages, or that does not
// stay in the first cache.
constexpr int64_t COLUMNS_FOR_BAD_A = 160, COLUMNS_FOR_A = WIDE ? INT64_MAX : 1536,
                  ROWS_FOR_PAGES = WIDE ? 48 : 2 * PANEL, ROWS_FOR_CACHE = WIDE ? 128 : 64;

// Do `count` lines of memory, `stride` elements apart, lie on few pages? A CPU keeps the
// addresses of 64 pages of 4 KiB, or more, at hand (its TLB); half are left to the others.
bool on_few_pages(int64_t count, int64_t stride) {
  return count * std::min<int64_t>(std::abs(stride) * S, 4096) <= 32 * 4096;
}

// Do they stay in the first cache while others pass? It has 64 sets of 8 lines of 64 bytes, or
// more, and the address says which set a line goes to: lines a multiple of `step` bytes apart
// share 4096 / step sets. Of 8 lines 2 are left to the others. (Below 64 bytes they share lines.)
bool fit_first_cache(int64_t count, int64_t stride) {
  const int64_t bytes = std::abs(stride) * S;
  const int64_t step = std::clamp<int64_t>(bytes & -bytes, 64, 4096);
  return count * std::min(bytes, step) <= 6 * 4096;
}

// Memory for the panels of A and of B, and for a C that is turned; grown as needed.
thread_local PoolVector<Scalar> scratch_a, scratch_b, scratch_c;
Scalar* at_least(PoolVector<Scalar>& scratch, int64_t count) {
  if (size_t(count) > scratch.size()) scratch = PoolVector<Scalar>(size_t(count));
  return scratch.data();
}

// m rows from row i on, n columns from j on, k deep from p on, where p > 0 adds to what C
// holds. Without panels.
Product part_of(const Product& x, int64_t i, int64_t m, int64_t j, int64_t n, int64_t p,
                int64_t k) {
  return {m, n, k, x.a + i * x.ra + p * x.ca, x.ra, x.ca, x.b + p * x.rb + j * x.cb, x.rb, x.cb,
          x.c + i * x.rc + j, x.rc, x.onto || p > 0, x.batch, x.vectors};
}

// Of at most SLAB rows, and not deeper than KC.
void multiply_slab(const Product& x, bool pack_a, bool pack_b) {
  Scalar* a_panels = pack_a ? at_least(scratch_a, x.k * x.m) : nullptr;
  const int64_t nc = pack_b ? NC : x.n, mc = std::clamp(BLOCK_A / x.k, PANEL, MC) / PANEL * PANEL;
  for (int64_t j = 0; j < x.n; j += nc) {
    const int64_t n = std::min(nc, x.n - j);
    Scalar* b_panels = pack_b ? at_least(scratch_b, x.k * n) : nullptr;
    for (int64_t i = 0; i < x.m; i += mc) {
      Product block = part_of(x, i, std::min(mc, x.m - i), j, n, 0, x.k);
      block.a_panels = pack_a ? a_panels + i * x.k : nullptr;
      for (int64_t r = 0; pack_a && j == 0 && r < block.m; r += PANEL) {
        const int64_t rows = std::min(PANEL, block.m - r);
        copy_matrix(x.k, rows, block.a + r * x.ra, x.ca, x.ra, block.a_panels + r * x.k, rows);
      }
      block.b_panels = b_panels;
      block.fill_b = pack_b && i == 0;
      multiply_block(block);
    }
  }
}

void multiply(Product& x) {
  // A turned B that few rows read is packed KC / 6 rows at a time: they are read soon (measured).
  const int64_t kc = Groups(x.k, x.cb != 1 && x.m < PANEL ? KC / 6 : KC).largest();
  const bool pack_b = x.cb != 1 || (x.m >= ROWS_FOR_PAGES && !on_few_pages(kc, x.rb)) ||
                      (x.m >= ROWS_FOR_CACHE && !fit_first_cache(kc, x.rb));
  // What a tile reads of A: its rows, `ra` apart; or kc columns, `ca` apart.
  const int64_t lines = x.ca == 1 ? PANEL : kc, apart = x.ca == 1 ? x.ra : x.ca;
  const bool bad_a = !(on_few_pages(lines, apart) && fit_first_cache(lines, apart));
  const bool pack_a = x.n >= (bad_a ? COLUMNS_FOR_BAD_A : COLUMNS_FOR_A);
  x.vectors = vectors_for(x.m);
  const bool one_block =
      x.m * std::max(x.n, x.k) <= SMALL && kc == x.k && !pack_a && (!pack_b || x.n <= NC);
  // A batch goes through together if it is one strip, which reads each number once.
  const int64_t across = vectors_in(x.n);
  if (x.batch.count > 1 && !(one_block && next_strip(across, x.vectors) == across)) {
    const GemmBatch batch = std::exchange(x.batch, {});
    for (int64_t at = 0; at < batch.count; ++at, x.a += batch.a, x.b += batch.b, x.c += batch.c)
      multiply(x);
    return;
  }
  if (one_block) {
    x.fill_b = pack_b;
    if (pack_b) x.b_panels = at_least(scratch_b, x.k * x.n);
    return multiply_block(x);
  }
  for (int64_t i = 0; i < x.m; i += SLAB)
    for (int64_t p = 0; p < x.k; p += kc)
      multiply_slab(part_of(x, i, std::min(SLAB, x.m - i), 0, x.n, p, std::min(kc, x.k - p)),
                    pack_a, pack_b);
}

// ---- Which way round, and how many threads ----

// What a product takes, roughly, in tenths of a cycle: multiply-adds, two vectors a cycle (few
// rows have too few chains for that), and turning B into panels.
int64_t cost(int64_t m, int64_t n, int64_t k, bool b_turned) {
  return k * (5 * std::max<int64_t>(m, 2) * vectors_in(n) + (b_turned ? 3 * n : 0));
}

// C^T = B^T A^T has the same chains. It is made beside C and turned into its place.
void multiply_beside(const Product& x) {
  const int64_t size = x.m * x.n, count = x.batch.count;
  Scalar* held = at_least(scratch_c, count * size);
  Product t{x.n, x.m, x.k, x.b, x.cb, x.rb, x.a, x.ca, x.ra, held, x.m, x.onto,
            {count, x.batch.b, x.batch.a, size}};
  for (int64_t at = 0; x.onto && at < count; ++at)
    copy_matrix(x.n, x.m, x.c + at * x.batch.c, 1, x.rc, held + at * size, x.m);
  multiply(t);
  for (int64_t at = 0; at < count; ++at)
    copy_matrix(x.m, x.n, held + at * size, 1, x.m, x.c + at * x.batch.c, x.rc);
}

// Some HELD numbers of C at a time, which are still near when they are turned: several products
// of a batch, or equal pieces of one (of a tall C, at most 256 columns wide).
void multiply_turned(Product& x) {
  constexpr int64_t HELD = 1 << 18;
  if (x.batch.count * x.m * x.n <= HELD) return multiply_beside(x);  // without divisions
  const int64_t columns = Groups(x.n, std::max<int64_t>(HELD / x.m, 256)).largest();
  const int64_t rows = Groups(x.m, HELD / columns).largest();
  const int64_t together = std::clamp<int64_t>(HELD / (x.m * x.n), 1, x.batch.count);
  for (int64_t at = 0; at < x.batch.count; at += together)
    for (int64_t i = 0; i < x.m; i += rows)
      for (int64_t j = 0; j < x.n; j += columns) {
        Product part =
            part_of(x, i, std::min(rows, x.m - i), j, std::min(columns, x.n - j), 0, x.k);
        part.batch.count = std::min(together, x.batch.count - at);
        part.a += at * x.batch.a;
        part.b += at * x.batch.b;
        part.c += at * x.batch.c;
        multiply_beside(part);
      }
}

}  // namespace

void gemm(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
          const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc, bool onto,
          GemmBatch batch) {
  if (m <= 0 || n <= 0 || batch.count <= 0) return;
#ifdef HEED_TEST
  multiply_adds += batch.count * m * n * std::max<int64_t>(k, 0);
#endif
  if (k <= 0)  // C becomes 0, or stays
    return gemm_naive(m, n, k, a, ra, ca, b, rb, cb, c, rc, onto, batch);
  // A stride along a size of 1 is never used: call it contiguous.
  if (m == 1) ra = rc = 1;
  if (n == 1) cb = 1;
  if (k == 1) ca = rb = 1;
  Product x{m, n, k, a, ra, ca, b, rb, cb, c, rc, onto, batch};
  // The usual case, a B with rows of a vector or more, is not turned, and spared the estimate.
  const bool plain = cb == 1 && n * S >= VECTOR_BYTES;
  const int64_t turning = 5 * m * n + 500;  // C, in cost()'s tenths of a cycle (measured)
  const bool turned = !plain && cost(m, n, k, cb != 1) > cost(n, m, k, ra != 1) + turning;
  const auto run = turned ? multiply_turned : multiply;
  // Multiply-adds that are worth a thread: some 20 microseconds. (To turn a number of C takes as
  // long as 8.) Batches come split: matmul.cpp.
  constexpr int64_t WORTH = 1 << 20;
  const int64_t work = m * n * (k + (turned ? 8 : 0));
  if (work < 2 * WORTH) return run(x);
  // Threads get whole panels of rows, or else pairs of vectors (turned, rows are columns of C).
  const bool by_rows = m >= n;
  const int64_t unit = by_rows != turned ? PANEL : 2 * VECTOR_BYTES / S;
  const int64_t size = by_rows ? m : n, units = (size + unit - 1) / unit;
  const int64_t grain = std::max<int64_t>(1, units * WORTH / work);
  parallel_for(units, grain, [=, &x](int64_t first, int64_t last) {
    const int64_t begin = first * unit, end = std::min(last * unit, size);
    Product part = by_rows ? part_of(x, begin, end - begin, 0, n, 0, k)
                           : part_of(x, 0, m, begin, end - begin, 0, k);
    run(part);
  });
}

void gemm_naive(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
                const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc,
                bool onto, GemmBatch batch) {
  for (; batch.count > 0; --batch.count, a += batch.a, b += batch.b, c += batch.c)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        Scalar sum = onto ? c[i * rc + j] : 0;
        for (int64_t p = 0; p < k; ++p)
          sum = simd::fma(a[i * ra + p * ca], b[p * rb + j * cb], sum);
        c[i * rc + j] = sum;
      }
}

}  // namespace HEED_PRECISION
}  // namespace heed
