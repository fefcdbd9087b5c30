// C = A B for plain arrays: the hand-written matrix multiplication under matmul() and linear().
#pragma once
#include <atomic>
#include <cstdint>

#include "autograd/scalar.h"

namespace heed {
inline namespace HEED_PRECISION {

// Products of the same sizes, whose A, B and C lie so many elements apart.
struct GemmBatch {
  int64_t count = 1, a = 0, b = 0, c = 0;
};

// C (m, n) = A (m, k) B (k, n). Strides in elements, any signs and sizes:
// A[i * ra + p * ca], B[p * rb + j * cb], C[i * rc + j]. C overlaps neither A nor B, its rows do
// not overlap each other, nor do the C of a batch; A and B may repeat (strides of 0).
// Every element of C is one chain of fused multiply-adds over p = 0, 1, 2, ... that starts with
// the value 0, so it has the same bits whatever the blocking, the vector width and the number of
// threads.
// onto: C += A B, the chains going on from what C holds.
void gemm(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
          const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc,
          bool onto = false, GemmBatch batch = {});

#ifdef HEED_TEST  // m n k, over all products; a test compares it with the predicted cost
inline std::atomic<int64_t> multiply_adds = 0;
#endif

// The same by the plain triple loop: what the tests compare with, bit for bit.
void gemm_naive(int64_t m, int64_t n, int64_t k, const Scalar* a, int64_t ra, int64_t ca,
                const Scalar* b, int64_t rb, int64_t cb, Scalar* c, int64_t rc,
                bool onto = false, GemmBatch batch = {});

}  // namespace HEED_PRECISION
}  // namespace heed
