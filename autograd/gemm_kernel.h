// The innermost part of the matrix multiplication: tiles of C in registers (gemm.cpp begins with
// the whole picture). Included by gemm.cpp only.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "autograd/scalar.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace kernel {

using simd::Vec;

constexpr int64_t S = sizeof(Scalar);

// Many accumulators are needed: each is a chain of fused multiply-adds, of which one waits 4
// cycles for the one before, and two can start in a cycle: at least 8 chains. And they must leave
// registers for a row of B and a number of A, or for a vector of B and a column of A.
constexpr int ACCUMULATORS = simd::REGISTERS == 32 ? 24 : 12;
// At most 16 rows: with 32 registers a product of 16 rows, one vector wide, is one tile.
constexpr int max_rows(int vectors) { return std::min(16, ACCUMULATORS / vectors); }

// Equal tiles: one below the other, or one of each product of a batch. Strides are in bytes here,
// so that a step is one addition. The last vector of a row may start early, `last` bytes from the
// row's beginning, and overlap the one before: an element is the same chain in both.
// (Members are set one by one: g++ would first clear them all, which takes AMD's CPUs longer than
// some steps.)
struct Tiles {
  const char *a, *b, *soon;  // `soon`: what each step asks memory for, see below
  char* c;
  int64_t k;  // at least 1
  int64_t ra, ca, rb, rc, rsoon, last;
  int64_t next_a, next_b = 0, next_c, next_soon = 0;  // from tile to tile
  bool onto;                                          // the chains go on from what C holds
};

// Where chains start that do not go on: a row of the widest tile, 6 vectors.
alignas(64) constexpr char ZEROS[6 * 64] = {};

// Each step asks memory for what is needed soon (prefetch; behind an end that is harmless). Of a
// B in place that is the row so many steps ahead: the CPU asks by itself for what lies side by
// side, but not for rows far apart. (With it m x n x k = 8 x 512 x 512 takes 9/10 of the time on
// Zen 3, 3/5 on Cascade Lake; 2 or 8 steps are 2 to 9 % slower.) Of a packed B it is a bit of the
// next strip's panel: all of that has come when this strip's tiles are done.
constexpr int64_t AHEAD = 4;

template <class V> ALWAYS_INLINE V read(const char* from) {
  return simd::load<V>(reinterpret_cast<const Scalar*>(from));
}

// `count` tiles of R rows of NV vectors. Moves a, soon and c of `given` to what follows them.
template <class V, int R, int NV> void tiles(Tiles& given, int64_t count) {
  const Tiles t = given;  // a store into C might change `given`, for all that compilers know
  constexpr int64_t BYTES = sizeof(V);
  const auto at = [&](int j) { return j == NV - 1 ? t.last : j * BYTES; };
  const int64_t rfrom = t.onto ? t.rc : 0;
  const char *a_tile = t.a, *b_tile = t.b, *soon_tile = t.soon;
  char* c_tile = t.c;
  for (; count > 0; --count) {
    V acc[R][NV];
    const char* from = t.onto ? c_tile : ZEROS;
    UNROLL for (int i = 0; i < R; ++i) {
      UNROLL for (int j = 0; j < NV; ++j) acc[i][j] = read<V>(from + at(j));
      from += rfrom;
      asm("" : "+r"(from));  // or compilers keep an offset for each row, in memory
    }
    // An address for each row would take more general registers than there are. So two halves of
    // the rows share their offsets, which a load adds by itself (a half's rows 6 and 7 take two).
    constexpr int HALF = (R + 1) / 2;
    const char *a = a_tile, *lower = a_tile + HALF * t.ra, *b = b_tile;
    int64_t rows[] = {0, t.ra, 2 * t.ra, 3 * t.ra, 4 * t.ra, 5 * t.ra};
    asm("" : "+r"(lower));  // hides what it is, or compilers keep R offsets from `a` after all
    const auto row_of_a = [&](int i) {
      const int row = i % HALF, first = row < 6 ? row : 3;
      return (i < HALF ? a : lower) + rows[first] + rows[row - first];
    };
    // Deep tiles are of large products, whose C may be far: asked for one tile ahead, or, where
    // it is written only, while this tile is made.
    const char* far = t.onto ? c_tile + t.next_c : c_tile;
    for (int i = 0; i < R && t.k >= 256; ++i, far += t.rc) __builtin_prefetch(far, 1);
    const char* soon = soon_tile;
    int64_t k = t.k;
    do {
      // In each step, or compilers add up the offsets of rows in place of keeping them.
      if constexpr (HALF > 3)
        asm("" : "+r"(lower), "+r"(rows[1]), "+r"(rows[2]), "+r"(rows[3]), "+r"(rows[4]),
            "+r"(rows[5]));
      // Whichever are fewer, a row of B or the numbers of A, stay in registers for the step.
      V left[R], row[NV];
      UNROLL for (int n = 0; n < R * NV; ++n) {
        const int i = NV <= R ? n / NV : n % R, j = NV <= R ? n % NV : n / R;
        if (i == 0) simd::hold(row[j] = read<V>(b + at(j)));
        if (j == 0) left[i] = simd::all<V>(read<Scalar>(row_of_a(i)));
        acc[i][j] = simd::fma(left[i], row[j], acc[i][j]);
      }
      a += t.ca;
      lower += t.ca;
      b += t.rb;
      UNROLL for (int j = 0; j < NV * BYTES; j += 64) __builtin_prefetch(soon + j);
      soon += t.rsoon;
    } while (--k != 0);
    char* c = c_tile;
    UNROLL for (int i = 0; i < R; ++i) {
      UNROLL for (int j = 0; j < NV; ++j) __builtin_memcpy(c + at(j), &acc[i][j], sizeof(V));
      if (t.k < 32) __builtin_prefetch(c + t.next_c, 1);  // a small k mostly waits for C
      c += t.rc;
      asm("" : "+r"(c));  // as `from`
    }
    a_tile += t.next_a;
    b_tile += t.next_b;
    soon_tile += t.next_soon;
    asm("" : "+r"(soon_tile));  // or g++ works out beforehand, by vectors, where all pointers end
    c_tile += t.next_c;
  }
  given.a = a_tile;
  given.soon = soon_tile;
  given.c = c_tile;
}

// The same, R known when it runs.
template <class V, int NV> void tiles_of(int64_t rows, Tiles& t, int64_t count) {
  static constexpr auto FOR_ROWS = []<int... R>(std::integer_sequence<int, R...>) {
    return std::array{tiles<V, R + 1, NV>...};
  }(std::make_integer_sequence<int, max_rows(NV)>());
  FOR_ROWS[size_t(rows - 1)](t, count);
}

}  // namespace kernel
}  // namespace HEED_PRECISION
}  // namespace heed
