// How time and memory grow with size: a table of doublings for each piece of work, and the
// exponent e of cost = c size^e, fitted by least squares to all that is printed. Theory says
// what it should be. One thread. Where time is measured the sizes stay within one level of the
// memory hierarchy: plain attention's few arrays of T x T numbers, and what GRU holds (33 kB a
// step), in a second cache of 2 MiB.
// Where memory is measured they are so large that what does not grow, or grows less, is small,
// and plain attention's arrays larger than what the pool keeps (64 MiB).
#include <heed.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <malloc.h>
#include <new>
#include <thread>

#include "lessons/06_transformer/tasks.h"

using namespace heed;

// ---- What the program holds of the system's memory, in bytes

static int64_t held = 0, most_held = 0;

static void* take(size_t bytes, size_t boundary) {
  void* block = std::aligned_alloc(boundary, (bytes + boundary) / boundary * boundary);
  if (!block) throw std::bad_alloc();
  held += int64_t(malloc_usable_size(block));
  most_held = std::max(most_held, held);
  return block;
}
static void give(void* block) {
  if (block) held -= int64_t(malloc_usable_size(block));
  std::free(block);
}
void* operator new(size_t n) { return take(n, 16); }
void* operator new(size_t n, std::align_val_t to) { return take(n, size_t(to)); }
void operator delete(void* block) noexcept { give(block); }
void operator delete(void* block, size_t) noexcept { give(block); }
void operator delete(void* block, std::align_val_t) noexcept { give(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { give(block); }

// ---- Measuring

using Work = std::function<void()>;

static double now() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// The best of some calls of each, in microseconds. They have their turns in ten rounds, since a
// CPU's clock comes and goes.
static std::vector<double> microseconds(const std::vector<Work>& works) {
  std::vector<double> best(works.size(), 1e30);
  for (int round = 0; round < 10; ++round)
    for (size_t i = 0; i < works.size(); ++i)
      for (const double until = now() + 3e4;;) {
        const double start = now();
        works[i]();
        const double end = now();
        best[i] = std::min(best[i], end - start);
        if (end > until) break;
      }
  return best;
}

// The most that one call holds beyond what was there. In a thread of its own, since a thread's
// pool keeps what it once took.
static double bytes(const std::function<Work()>& prepare) {
  double most = 0;
  std::thread([&] {
    const Work work = prepare();
    const int64_t before = most_held = held;
    work();
    most = double(most_held - before);
  }).join();
  return most;
}

// Slope of log cost over log size.
static double exponent(const std::vector<int>& sizes, const std::vector<double>& costs) {
  double n = double(sizes.size()), x = 0, y = 0, xx = 0, xy = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double u = std::log(sizes[i]), v = std::log(costs[i]);
    x += u, y += v, xx += u * u, xy += u * v;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

static void row(const char* name, const char* unit, double theory, const std::vector<int>& sizes,
                const std::vector<double>& costs) {
  std::printf("%-34s %-14s", name, unit);
  for (size_t i = 0; i < sizes.size(); ++i) std::printf(" %d: %.4g", sizes[i], costs[i]);
  const double e = exponent(sizes, costs);
  std::printf("\n%-34s exponent %.3f, theory %g: %s\n", "", e, theory,
              std::abs(e - theory) <= 0.1 ? "yes" : e < theory ? "below" : "ABOVE");
  std::fflush(stdout);
}

static void time_row(const char* name, double theory, const std::vector<int>& sizes,
                     const std::function<Work(int)>& prepare) {
  std::vector<Work> works;
  for (int size : sizes) works.push_back(prepare(size));
  row(name, "microseconds", theory, sizes, microseconds(works));
}
static void memory_row(const char* name, double theory, const std::vector<int>& sizes,
                       const std::function<Work(int)>& prepare) {
  std::vector<double> costs;
  for (int size : sizes) costs.push_back(bytes([&] { return prepare(size); }));
  row(name, "bytes", theory, sizes, costs);
}

// ---- The pieces of work

static Work product(int n) {
  return [a = randn({n, n}), b = randn({n, n})] {
    NoGrad guard;
    matmul(a, b);
  };
}

// One head of 64, causal, forward and backward.
static Work attention(int T, bool fused) {
  Tensor q = randn({1, T, 64}).requires_grad_(), k = randn({1, T, 64}).requires_grad_(),
         v = randn({1, T, 64}).requires_grad_(), g = randn({1, T, 64});
  return [=] {
    Mask mask = causal_mask(T);
    for (const Tensor& x : {q, k, v}) x.zero_grad();
    Tensor y = fused ? attention_output(q, k, v, mask)
                     : scaled_dot_product_attention(q, k, v, mask).output;
    y.backward(g);
  };
}
static Work fused(int T) { return attention(T, true); }
static Work plain(int T) { return attention(T, false); }

static Work recurrence(int T) {
  GRU gru(64, 64);
  Tensor x = randn({8, T, 64}), g = randn({8, T, 64});
  return [=] {
    for (const Tensor& p : gru.parameters()) p.zero_grad();
    gru(x).output.backward(g);
  };
}

static Work rows_of_softmax(int rows) {
  Tensor x = randn({rows, 256}).requires_grad_(), g = randn({rows, 256});
  return [=] {
    x.zero_grad();
    softmax(x, 1).backward(g);
  };
}

static Work chain(int length) {
  Tensor x = ones({4}).requires_grad_(), factor = full({4}, 1.0001), g = ones({4});
  return [=] {
    x.zero_grad();
    Tensor y = x;
    for (int i = 0; i < length; ++i) y = y * factor;
    y.backward(g);
  };
}

// Multiply-adds of the token at a position, those before it being in the cache.
static double token(int position) {
  using namespace lesson_06;
  Sizes sizes = sizes_for_dates();
  return double(writing(sizes, 1, 1, 1, position) - writing(sizes, 1, 1, 1, 0));
}

int main() {
  set_num_threads(1);
  manual_seed(0);
  time_row("matmul, n x n x n", 3, {64, 128, 256, 512}, product);
  time_row("attention, plain, T x T", 2, {128, 192, 256, 384}, plain);
  time_row("attention, fused, T x T", 2, {512, 1024, 2048, 4096}, fused);
  memory_row("attention, plain", 2, {5120, 7168, 10240}, plain);
  memory_row("attention, fused", 1, {4096, 8192, 16384, 32768}, fused);
  time_row("GRU, T steps", 1, {8, 16, 32, 64}, recurrence);
  time_row("softmax, n rows of 256", 1, {64, 128, 256, 512}, rows_of_softmax);
  time_row("tape, n operations", 1, {200, 400, 800, 1600}, chain);
  row("cached token at position n", "multiply-adds", 1, {16, 32, 64, 128},
      {token(16), token(32), token(64), token(128)});
}
