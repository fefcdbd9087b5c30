// The pool of memory blocks, and what it is for: a training step in steady state takes nothing
// from the system. This file replaces the global operator new of the whole test program, to
// count.
#include "autograd/pool.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "layers/activation.h"
#include "layers/attention.h"
#include "layers/batch_norm.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "optim/adam.h"
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

using namespace heed;

namespace {

std::atomic<int64_t> allocations{0};  // calls of operator new so far, in all threads
std::atomic<int64_t> living{0};       // blocks that were not deleted yet
std::atomic<size_t> last_size{0};     // bytes of the latest block
std::atomic<int64_t> large{0};        // blocks that the pool does not keep, so far

void* take(size_t bytes, size_t boundary) noexcept {
  ++allocations;
  ++living;
  last_size = bytes;
  large += bytes > size_t(64) << 20;
  if (boundary <= alignof(std::max_align_t)) return std::malloc(bytes ? bytes : 1);
  return std::aligned_alloc(boundary, (bytes + boundary - 1) / boundary * boundary);
}
void* take_or_throw(size_t bytes, size_t boundary) {
  if (void* block = take(bytes, boundary)) return block;
  throw std::bad_alloc();
}
void give(void* block) noexcept {
  if (block) --living;
  std::free(block);
}

}  // namespace

using std::align_val_t, std::nothrow_t;
void* operator new(size_t n) { return take_or_throw(n, 1); }
void* operator new[](size_t n) { return take_or_throw(n, 1); }
void* operator new(size_t n, align_val_t to) { return take_or_throw(n, size_t(to)); }
void* operator new[](size_t n, align_val_t to) { return take_or_throw(n, size_t(to)); }
void* operator new(size_t n, const nothrow_t&) noexcept { return take(n, 1); }
void* operator new[](size_t n, const nothrow_t&) noexcept { return take(n, 1); }
void* operator new(size_t n, align_val_t to, const nothrow_t&) noexcept {
  return take(n, size_t(to));
}
void* operator new[](size_t n, align_val_t to, const nothrow_t&) noexcept {
  return take(n, size_t(to));
}
void operator delete(void* p) noexcept { give(p); }
void operator delete[](void* p) noexcept { give(p); }
void operator delete(void* p, size_t) noexcept { give(p); }
void operator delete[](void* p, size_t) noexcept { give(p); }
void operator delete(void* p, align_val_t) noexcept { give(p); }
void operator delete[](void* p, align_val_t) noexcept { give(p); }
void operator delete(void* p, size_t, align_val_t) noexcept { give(p); }
void operator delete[](void* p, size_t, align_val_t) noexcept { give(p); }
void operator delete(void* p, const nothrow_t&) noexcept { give(p); }
void operator delete[](void* p, const nothrow_t&) noexcept { give(p); }
void operator delete(void* p, align_val_t, const nothrow_t&) noexcept { give(p); }
void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept { give(p); }

TEST_CASE("pool: blocks of any size, on a boundary of 64, that do not overlap") {
  std::vector<std::pair<unsigned char*, size_t>> blocks;
  for (size_t bytes : {0, 1, 63, 64, 65, 80, 100, 127, 128, 129, 1000, 4096, 70000, 1 << 20}) {
    auto* block = static_cast<unsigned char*>(pool_take(bytes));
    CHECK(reinterpret_cast<uintptr_t>(block) % 64 == 0);
    std::fill_n(block, bytes, static_cast<unsigned char>(blocks.size()));
    blocks.emplace_back(block, bytes);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    auto [block, bytes] = blocks[i];
    bool intact = true;
    for (size_t j = 0; j < bytes; ++j) intact &= block[j] == i;
    CHECK(intact);
    pool_give(block, bytes);
  }
}

TEST_CASE("pool: a large block goes back to the system") {
  constexpr size_t LARGE = size_t(100) << 20;
  int64_t before = living;
  for (int i = 0; i < 3; ++i) pool_give(pool_take(LARGE), LARGE);
  CHECK(living == before);
}

// Were every slice to make a gradient of the whole, T slices would cost T times its size.
TEST_CASE("pool: sixteen slices of one tensor cost one gradient of its size") {
  constexpr int64_t T = 16, WIDTH = ((int64_t(65) << 20) / T) / int64_t(sizeof(Scalar));
  for (bool inner : {false, true}) {
    Tensor x = zeros({T, WIDTH}).requires_grad_(), sliced = inner ? x.view({T, WIDTH}) : x;
    Tensor total = sliced.select(0, 0);
    for (int64_t t = 1; t < T; ++t) total = total + sliced.select(0, t);
    int64_t before = large;
    total.backward(ones({WIDTH}));
    CHECK(large - before == (inner ? 2 : 1));  // the leaf does not share the view's
    CHECK(sum(x.grad() == 1).item() == Scalar(T * WIDTH));
  }
}

#ifndef HEED_NO_POOL  // with it, every block comes from the system: for the sanitizers

TEST_CASE("pool: a block that was given back is taken again") {
  for (size_t bytes : {1, 64, 300, 5000, 1 << 20}) {
    void* block = pool_take(bytes);
    pool_give(block, bytes);
    int64_t misses = pool_misses(), calls = allocations;
    CHECK(pool_take(bytes) == block);
    CHECK(pool_misses() == misses);
    CHECK(allocations == calls);
    pool_give(block, bytes);
  }
}

TEST_CASE("pool: a block is larger than asked for by 64 bytes or a quarter at most") {
  for (size_t bytes = 0; bytes < 10 << 20; bytes += 1 + bytes / 9) {
    CAPTURE(bytes);
    std::vector<void*> blocks;
    size_t size = 0;
    for (int64_t misses = pool_misses();
         pool_misses() == misses;) {  // until the system is asked
      void* block = pool_take(bytes);
      size = last_size;
      blocks.push_back(block);
    }
    CHECK(size >= std::max<size_t>(bytes, 1));
    CHECK(size <= bytes + std::max<size_t>(bytes / 4, 64));
    for (void* block : blocks) pool_give(block, bytes);
  }
}

TEST_CASE("pool: a thread gives everything back when it ends") {
  std::thread([] {}).join();  // the first thread sets up what the system keeps
  int64_t before = living;
  std::thread([] {
    Tensor x = ones({100}).requires_grad_();
    for (int i = 0; i < 10; ++i) sum(x * x + 1).backward();
  }).join();
  CHECK(living == before);
}

TEST_CASE("pool: blocks that wander between threads do not pile up") {
  int64_t before = living;
  for (int i = 0; i < 100; ++i) {  // made there, freed here
    Tensor made;
    std::thread([&] { made = ones({300}); }).join();
  }
  CHECK(living <= before + 2);
  before = living;
  for (int i = 0; i < 100; ++i) {  // made here, freed there
    Tensor made = ones({500});
    std::thread([last = std::move(made)]() mutable { last = Tensor(); }).join();
  }
  CHECK(living <= before + 2);
  before = living;
  std::vector<Tensor> many;
  std::thread([&] {
    for (int i = 0; i < 100; ++i) many.push_back(ones({700}));
  }).join();
  many.clear();
  many.shrink_to_fit();
  CHECK(living <= before + 2);
}

// Lesson 01's network and step.
TEST_CASE("pool: a training step in steady state takes nothing from the system") {
  manual_seed(0);
  Sequential net(Linear(10, 100), ReLU(), BatchNorm(100), Linear(100, 26));
  Adam optimizer(net.named_parameters(), {.lr = 0.001, .weight_decay = 1e-5});
  Tensor x = rand({10, 10});
  std::vector<int> labels = {0, 3, 25, 7, 7, 1, 12, 19, 4, 8};
  double loss = 0;
  auto step = [&] {
    Tensor l = cross_entropy(net(x), labels);
    optimizer.zero_grad();
    l.backward();
    optimizer.step();
    loss = double(l.item());
  };
  step();
  double first = loss;
  for (int i = 0; i < 5; ++i) step();
  int64_t calls = allocations, misses = pool_misses(), blocks = living;
  for (int i = 0; i < 50; ++i) step();
  CHECK(allocations == calls);
  CHECK(pool_misses() == misses);
  CHECK(living == blocks);
  CHECK(loss < first);
}

#endif

TEST_CASE("pool: fused attention takes no block that could hold all weights") {
  const int64_t T = 4200;  // T T numbers are more than the 64 MB of a large block
  manual_seed(0);
  Tensor q = randn({T, 2}).requires_grad_(), k = randn({T, 2}).requires_grad_(),
         v = randn({T, 2}).requires_grad_(), g = randn({T, 2});
  int64_t before = large;
  attention_output(q, k, v, causal_mask(T)).backward(g);
  CHECK(large == before);
  { Tensor weights = matmul(q.detach(), k.detach().transpose(0, 1)); }
  CHECK(large == before + 1);
}
