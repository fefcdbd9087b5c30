// The race between the steps of matmul_steps.h: speed beside the measured peak, and the bits.
#pragma once
#include <algorithm>
#include <chrono>
#include <string>
#include "autograd/gemm.h"
#include "layers/heed.h"
#include "lessons/00_prologue/matmul_steps.h"
#include "lessons/support/checks.h"
#include "lessons/support/hash.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {

// Of the numbers in row-major order, whatever the strides.
inline uint64_t hash_of(const Tensor& x, uint64_t so_far = fnv1a("", 0)) {
  std::vector<Scalar> numbers = x.to_vector();
  return fnv1a(numbers.data(), numbers.size() * sizeof(Scalar), so_far);
}

inline std::string digits(uint64_t hash) {
  return formatted("%016llx", static_cast<unsigned long long>(hash));
}

namespace steps {

// The library's kernel takes strides, so that nobody has to copy a transpose first.
inline void library(int n, const float* a, const float* b, float* c) {
  gemm(n, n, n, a, n, 1, b, n, 1, c, n);
}
inline const struct Step {
  const char* name;
  Matmul multiply;
} all_steps[] = {{"1 definition: product, then sum", definition},
                 {"2 fused multiply-add", fused},
                 {"3 loops in another order", reordered},
                 {"4 one row, in vectors", one_row},
                 {"5 tiles, in registers", tiles},
                 {"6 the library's gemm", library}};

// The shortest time that f takes, tried for 30 ms and at least `tries` times: other programs
// can only make it longer.
template <class F> double seconds(int tries, F f) {
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = 1e9;
  for (auto start = Clock::now(); tries > 0 || since(start) < 0.03; --tries) {
    auto one = Clock::now();
    f();
    best = std::min(best, since(one));
  }
  return best;
}

// Billions of floating point operations a second; a multiply-add counts as two.
inline double gflops(int n, Matmul multiply, const Tensor& a, const Tensor& b, Tensor& c,
                     int tries) {
  double s = seconds(tries, [&] { multiply(n, a.data(), b.data(), c.mutable_data()); });
  return 2e-9 * n * n * n / s;
}

inline double measured_peak() {
  volatile float factor = 0.999f, sink;  // volatile: the compiler may not work ahead
  double s = seconds(10, [&] { sink = peak(20000, factor, factor); });
  (void)sink;
  return 1e-9 * peak_work(20000) / s;
}

// One matrix size: a line a step. Returns the hash of the product.
inline uint64_t print_steps(int n, double peak, Checks& checks) {
  say("C = A B, matrices of %d x %d, one core: %.1f million multiply-adds\n", n, n,
      1e-6 * n * n * n);
  Tensor a = rand({n, n}) - 0.5, b = rand({n, n}) - 0.5, c = empty({n, n}), first;
  say("%-32s %8s %8s   %s", "", "GFLOP/s", "of peak", "hash of C");
  uint64_t expected = hash_of(matmul(a, b));
  int same = 0;
  for (const Step& step : all_steps) {
    double speed = gflops(n, step.multiply, a, b, c, 3);
    uint64_t hash = hash_of(c);
    same += hash == expected;
    say("%-32s %8.1f %6.1f %%   %s", step.name, speed, 100 * speed / peak,
        digits(hash).c_str());
    if (!first.defined()) first = c.clone();
  }
  say("%-32s %8.1f", "peak of this core, measured", peak);
  Tensor difference = c - first;
  double differ = n * n - sum(difference == 0).item();
  double most = std::max(max(difference).item(), max(-difference).item());
  say("\n1 and 2 differ in %g of %d numbers, by %.1e at most\n", differ, n * n, most);
  checks.check(same == 5, "steps 2 to 6 and matmul() give the same bits");
  checks.check(differ > 0 && most < 1e-4,
               "rounding twice changes bits, and hardly the numbers");
  return expected;
}

// The steps over a range of sizes. A step that has become slow is not tried on larger matrices.
inline void draw_steps(const std::string& path, double peak) {
  LineChart chart{
      "Matrix multiplication on one core", "rows and columns", "GFLOP/s", {}, 0, {}};
  for (const Step& step : all_steps) {
    Series series{step.name, {}};
    for (int n : {96, 192, 288, 384, 480}) {
      Tensor a = rand({n, n}), b = rand({n, n}), c = empty({n, n});
      series.x.push_back(n);
      series.y.push_back(gflops(n, step.multiply, a, b, c, 1));
      if (2e-9 * n * n * n / series.y.back() > 0.3) break;
    }
    chart.series.push_back(series);
  }
  chart.series.push_back({"measured peak", {peak, peak}, {96, 480}});
  write_svg(chart, path);
}

}  // namespace steps
}  // namespace heed
