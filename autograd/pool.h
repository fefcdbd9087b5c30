// A recycler of memory blocks: a training step in steady state asks the system for nothing.
// Blocks wait in free lists by size class. Each thread has lists of its
// own; a block may be given back by another thread than took it.
//
// Off (every block comes from the system) when the library is built with -DHEED_NO_POOL, as it
// is under the sanitizers, which could not see the misuse of a recycled block.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace heed {

// At least `bytes` bytes, on a boundary of 64, with arbitrary contents.
void* pool_take(size_t bytes);
// `bytes` is the number that was asked for.
void pool_give(void* block, size_t bytes) noexcept;
// How often this thread's pool had to ask the system for a block.
int64_t pool_misses();

// A class that derives from this lives in the pool.
struct Pooled {
  static void* operator new(size_t bytes) { return pool_take(bytes); }
  static void operator delete(void* block, size_t bytes) noexcept { pool_give(block, bytes); }
};

// A std::vector whose memory comes from the pool.
template <class T> struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U> PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(pool_take(n * sizeof(T))); }
  void deallocate(T* block, size_t n) noexcept { pool_give(block, n * sizeof(T)); }
  bool operator==(const PoolAllocator&) const = default;
};
template <class T> using PoolVector = std::vector<T, PoolAllocator<T>>;

}  // namespace heed
