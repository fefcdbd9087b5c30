// parallel_for: one loop over a small pool of threads.
//
//   parallel_for(rows, 16, [&](int64_t begin, int64_t end) { ... rows begin to end - 1 ... });
//
// The body sees raw pointers and whole elements of the result: threads split rows or columns,
// never a sum, so that results have the same bits at any number of threads.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace heed {

// The number of threads that a loop may use, the caller's included. At first it is the number
// of processors.
void set_num_threads(int count);
int get_num_threads();

namespace detail {
using RangeBody = void (*)(void* body, int64_t begin, int64_t end);
void run_parallel(int64_t n, int64_t grain, RangeBody call, void* body);
}  // namespace detail

// Calls body(begin, end) on contiguous ranges that cover [0, n) once, each of `grain` elements
// at least (unless n itself is smaller). A loop of one range runs in the caller, as do loops
// inside a body, and loops of a second user thread while the pool is taken. Returns when all
// ranges are done; if bodies threw, the exception of the lowest range is thrown on.
template <class F> void parallel_for(int64_t n, int64_t grain, F&& body) {
  if (n <= 0) return;
  if (n / 2 < grain) {
    body(int64_t(0), n);
    return;
  }
  using Body = std::remove_reference_t<F>;
  detail::run_parallel(
      n, grain,
      [](void* b, int64_t begin, int64_t end) { (*static_cast<Body*>(b))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace heed
