#include "autograd/pool.h"
#include <bit>
#include <new>
#include <utility>

namespace heed {
namespace {

constexpr size_t BOUNDARY = 64;             // bytes: a cache line, and the widest vector
constexpr size_t LARGEST = size_t(64) << 20;  // bytes: larger blocks go back to the system

// A block that waits holds the pointer to the next one of its class.
struct FreeBlock {
  FreeBlock* next;
};

// The blocks of one class. A thread keeps as many as it took itself: what others took, it may
// not need, so that is passed on to the system and does not pile up.
struct FreeList {
  FreeBlock* first;
  int64_t taken;  // and not given back yet
};

struct Pool {
  FreeList lists[4 * 64];
  int64_t misses;
  bool closed;  // the thread is about to end: keep nothing any more
};
// Trivially destructible, so that tensors with static lifetime may die after it.
constinit thread_local Pool pool{};

void* system_take(size_t bytes) { return ::operator new(bytes, std::align_val_t(BOUNDARY)); }
void system_give(void* block) noexcept { ::operator delete(block, std::align_val_t(BOUNDARY)); }

#ifndef HEED_NO_POOL
// Gives everything back when a thread ends.
struct Closer {
  bool armed = false;
  ~Closer() {
    pool.closed = true;
    for (FreeList& list : pool.lists)
      while (list.first) system_give(std::exchange(list.first, list.first->next));
  }
};
thread_local Closer closer;

// Rounds `bytes` up to the size of its class and returns the class: multiples of 64 up to 1024,
// then four sizes a doubling. A block of no bytes has room for a FreeBlock all the same.
int size_class(size_t& bytes) {
  if (bytes <= 1024) {
    size_t lines = (bytes + !bytes + BOUNDARY - 1) / BOUNDARY;
    bytes = lines * BOUNDARY;
    return int(lines);
  }
  size_t step = std::bit_floor(bytes - 1) / 4;
  bytes = (bytes + step - 1) / step * step;
  return std::bit_width(step) * 4 + int(bytes / step) - 4;
}
#endif

}  // namespace

int64_t pool_misses() { return pool.misses; }

#ifdef HEED_NO_POOL
void* pool_take(size_t bytes) { return ++pool.misses, system_take(bytes); }
void pool_give(void* block, size_t) noexcept { system_give(block); }
#else
void* pool_take(size_t bytes) {
  if (bytes > LARGEST) return ++pool.misses, system_take(bytes);
  FreeList& list = pool.lists[size_class(bytes)];
  ++list.taken;
  if (list.first) return std::exchange(list.first, list.first->next);
  closer.armed = true;  // the first use in a thread arranges for its end
  ++pool.misses;
  return system_take(bytes);
}

void pool_give(void* block, size_t bytes) noexcept {
  if (bytes > LARGEST || pool.closed) return system_give(block);
  FreeList& list = pool.lists[size_class(bytes)];
  if (list.taken == 0) return system_give(block);
  --list.taken;
  list.first = new (block) FreeBlock{list.first};
}
#endif

}  // namespace heed
