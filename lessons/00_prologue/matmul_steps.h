// Matrix multiplication, faster step by step. C = A B for square matrices of n x n floats that
// lie row by row: element (i, j) is [i * n + j]. n is a multiple of 96, so that tiles of any
// CPU fit without a rest. What becomes of rests, and of matrices too large for the caches, is
// in autograd/gemm.cpp.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace heed {
namespace steps {

using Matmul = void (*)(int n, const float* a, const float* b, float* c);

// ---- Step 1: the definition, a product and then a sum, each rounded.
// [snippet: definition]
inline void definition(int n, const float* a, const float* b, float* c) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int p = 0; p < n; ++p) sum += a[i * n + p] * b[p * n + j];
      c[i * n + j] = sum;
    }
}
// [end]

// ---- Step 2: the same with a fused multiply-add, rounded once. From here on no bit changes.
inline void fused(int n, const float* a, const float* b, float* c) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int p = 0; p < n; ++p) sum = std::fma(a[i * n + p], b[p * n + j], sum);
      c[i * n + j] = sum;
    }
}

// ---- Step 3: the two inner loops change places. Each element still adds p = 0, 1, 2, ... in
// order, but the innermost loop now runs along rows, over neighbours in memory.
// [snippet: reordered]
inline void reordered(int n, const float* a, const float* b, float* __restrict c) {
  for (int i = 0; i < n * n; ++i) c[i] = 0;
  for (int i = 0; i < n; ++i)
    for (int p = 0; p < n; ++p)
      for (int j = 0; j < n; ++j)
        c[i * n + j] = std::fma(a[i * n + p], b[p * n + j], c[i * n + j]);
}
// [end]

#define UNROLL _Pragma("GCC unroll 32")  // a loop of fixed length becomes straight code

#define ONE_BY_ONE _Pragma("GCC unroll 1")  // unrolled, clang 14 runs out of registers

// ---- Steps 4 and 5: vectors, and sums that stay in registers.

// How many floats a vector register of this CPU holds, and how many such registers there are.
#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

// GCC's and Clang's vector type: + - * / work on all lanes at once. Only the fused multiply-add
// has another name on each kind of CPU.
typedef float Vec __attribute__((vector_size(LANES * sizeof(float))));

inline Vec load(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }
inline Vec fma(Vec a, Vec b, Vec c) {  // a b + c in every lane, rounded once
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  for (int lane = 0; lane < LANES; ++lane) c[lane] = std::fma(a[lane], b[lane], c[lane]);
  return c;
#endif
}

// [snippet: tile]
// A tile of C, ROWS rows of VECTORS vectors, is summed up in registers over the whole of p. A
// vector of B, once loaded, serves all ROWS rows. Inlined, g++ 12 would run out of registers.
template <int ROWS, int VECTORS>
[[gnu::noinline]] void tile(int n, const float* a, const float* b, float* c) {
  const int64_t stride = n;
  Vec sum[ROWS][VECTORS] = {};
  ONE_BY_ONE for (int p = 0; p < n; ++p, a += 1, b += stride) {
    Vec row[VECTORS];
    UNROLL for (int j = 0; j < VECTORS; ++j) row[j] = load(b + j * LANES);
    UNROLL for (int i = 0; i < ROWS; ++i) {
      Vec left = a[i * stride] - Vec{};  // one number of A in every lane
      UNROLL for (int j = 0; j < VECTORS; ++j) sum[i][j] = fma(left, row[j], sum[i][j]);
    }
  }
  UNROLL for (int i = 0; i < ROWS; ++i)
    UNROLL for (int j = 0; j < VECTORS; ++j) store(c + i * n + j * LANES, sum[i][j]);
}
// [end]

template <int ROWS, int VECTORS>
inline void tiled(int n, const float* a, const float* b, float* c) {
  for (int i = 0; i < n; i += ROWS)
    for (int j = 0; j < n; j += VECTORS * LANES)
      tile<ROWS, VECTORS>(n, a + i * n, b + j, c + i * n + j);
}

// One row of 32 numbers; and a tile whose sums fill nearly all registers.
constexpr Matmul one_row = tiled<1, 32 / LANES>;
constexpr Matmul tiles = tiled<(REGISTERS == 32 ? 12 : 6), 2>;

// ---- The limit: nothing but fused multiply-adds, in as many independent chains as there are
// registers for. Each takes some cycles, and several run at once. Counted in floating point
// operations: one multiplication and one addition a lane.
constexpr int CHAINS = REGISTERS - 4;
inline double peak_work(int rounds) { return 2.0 * CHAINS * LANES * rounds; }
inline float peak(int rounds, float factor, float addend) {
  Vec sum[CHAINS], x = factor - Vec{}, y = addend - Vec{};
  UNROLL for (int i = 0; i < CHAINS; ++i) sum[i] = float(i) - Vec{};
  for (int round = 0; round < rounds; ++round)
    UNROLL for (int i = 0; i < CHAINS; ++i) sum[i] = fma(sum[i], x, y);
  Vec total = {};
  UNROLL for (int i = 0; i < CHAINS; ++i) total += sum[i];
  return total[0];
}

}  // namespace steps
}  // namespace heed
