// exp, log, tanh and sigmoid of a million floats, one thread: microseconds here, in the C
// library and in PyTorch (absent where python3 has none). Bar 14: exp and tanh at most 0.6 of
// PyTorch's.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "autograd/simd.h"

using namespace heed;

namespace {

constexpr int N = 1000000, ROUNDS = 41;

// f fills y, which counts as used, or the compiler would leave the work out.
template <class F> double microseconds(std::vector<float>& y, F f) {
  using namespace std::chrono;
  const auto start = steady_clock::now();
  f();
  asm volatile("" : : "r"(y.data()) : "memory");
  return duration<double, std::micro>(steady_clock::now() - start).count();
}

// Prints a line "name best median" for each function.
const char* TORCH = R"(
import sys, time
import torch
torch.set_num_threads(1)
n, rounds = map(int, sys.argv[1:])
x = torch.rand(n) * 20 - 10
y = torch.empty_like(x)
for f in (torch.exp, torch.tanh, torch.sigmoid, torch.log):
    if f is torch.log: x.abs_()
    t = []
    for _ in range(rounds):
        start = time.perf_counter()
        f(x, out=y)
        t.append((time.perf_counter() - start) * 1e6)
    t.sort()
    print(f.__name__, t[0], t[len(t) // 2])
)";

struct Times {
  std::string name;
  double best = 0, median = 0;
};

std::vector<Times> torch_times() {
  const std::string arguments = std::to_string(N) + " " + std::to_string(ROUNDS);
  const std::string command = std::string("python3 -c '") + TORCH + "' " + arguments;
  std::vector<Times> all;
  FILE* python = popen((command + " 2>/dev/null").c_str(), "r");
  char name[32];
  Times t;
  while (python && std::fscanf(python, "%31s %lf %lf", name, &t.best, &t.median) == 3) {
    t.name = name;
    all.push_back(t);
  }
  if (python) pclose(python);
  return all;
}

Times summary(std::string name, std::vector<double> t) {
  std::sort(t.begin(), t.end());
  return {name, t[0], t[t.size() / 2]};
}

template <class F, class G> void compare(const char* name, F f, G library,
                                         const std::vector<float>& x,
                                         const std::vector<Times>& torch) {
  std::vector<float> y(N);
  std::vector<double> mine, theirs;
  for (int round = 0; round < ROUNDS; ++round) {
    mine.push_back(microseconds(y, [&] { simd::map(y.data(), N, f, x.data()); }));
    if (round % 8 == 0)
      theirs.push_back(microseconds(y, [&] {
        for (int i = 0; i < N; ++i) y[i] = library(x[i]);
      }));
  }
  const Times m = summary(name, mine), t = summary(name, theirs);
  std::printf("%-8s%8.0f (%5.0f)%10.0f (%5.0f)", name, m.best, m.median, t.best, t.median);
  const auto peer = std::find_if(torch.begin(), torch.end(),
                                 [&](const Times& other) { return other.name == name; });
  if (peer == torch.end())
    std::printf("%17s\n", "absent");
  else
    std::printf("%10.0f (%5.0f)%16.2f\n", peer->best, peer->median, m.best / peer->best);
}

}  // namespace

int main() {
  std::vector<float> x(N);
  for (int i = 0; i < N; ++i) x[i] = float(int64_t(i) * 7919 % N) / N * 20 - 10;
  const std::vector<Times> torch = torch_times();
  std::printf(
      "compiler %s, vectors of %d bytes; a million floats, us, best (median)\n%-8s%16s%18s"
      "%18s%16s\n",
      __VERSION__, VECTOR_BYTES, "", "heed", "C library", "PyTorch", "heed/PyTorch");
  compare(
      "exp", [](auto v) { return simd::exp(v); }, expf, x, torch);
  compare(
      "tanh", [](auto v) { return simd::tanh(v); }, tanhf, x, torch);
  compare(
      "sigmoid", [](auto v) { return simd::sigmoid(v); },
      [](float v) { return 1 / (1 + expf(-v)); }, x, torch);
  for (float& v : x) v = std::fabs(v);
  compare(
      "log", [](auto v) { return simd::log(v); }, logf, x, torch);
}
