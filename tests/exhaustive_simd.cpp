// exp, log, tanh and sigmoid for every one of the 2^32 floats, against double: the largest
// error of each in units of the last place, and where; and in the widest vectors against one by
// one. Exits with 1 if an error is above 2, or if a bit differs. Minutes.
#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

#include "autograd/parallel.h"
#include "autograd/simd.h"
#include "autograd/simd_math.h"
#include "tests/ulp.h"

using namespace heed;

namespace {

constexpr int64_t PIECE = 1 << 12, PIECES = (int64_t(1) << 32) / PIECE;

template <class F> bool check(const char* name, F f, double (*reference)(double)) {
  const auto start = std::chrono::steady_clock::now();
  std::mutex mutex;
  double worst = 0;
  float where = 0;
  std::atomic<int64_t> above_one{0}, different{0};
  parallel_for(PIECES, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      float x[PIECE], y[PIECE];
      for (int64_t i = 0; i < PIECE; ++i)
        x[i] = std::bit_cast<float>(uint32_t(piece * PIECE + i));
      simd::map(y, PIECE, f, x);
      double most = 0;
      int64_t at = 0, above = 0, others = 0;
      for (int64_t i = 0; i < PIECE; ++i) {
        const float alone = f(x[i]);
        others += alone == alone ? std::memcmp(&alone, &y[i], sizeof alone) != 0 : y[i] == y[i];
        const double error = ulps(y[i], reference(double(x[i])));
        above += error > 1;
        if (error > most) {
          most = error;
          at = i;
        }
      }
      above_one += above;
      different += others;
      std::lock_guard lock(mutex);
      if (most > worst) {
        worst = most;
        where = x[at];
      }
    }
  });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%-8s worst %.4f ulp at %a, %lld floats above 1 ulp, %lld unlike alone; %.0f s\n",
              name, worst, double(where), static_cast<long long>(above_one.load()),
              static_cast<long long>(different.load()), seconds);
  std::fflush(stdout);
  return worst <= 2 && different == 0;
}

double sigmoid_of(double x) {
  const double e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

}  // namespace

// All four, or those that are named.
int main(int argc, char** argv) {
  const auto wanted = [&](const char* name) {
    return argc == 1 || std::find(argv + 1, argv + argc, std::string(name)) != argv + argc;
  };
  bool good = true;
  if (wanted("exp")) good &= check("exp", [](auto v) { return simd::exp(v); }, std::exp);
  if (wanted("log")) good &= check("log", [](auto v) { return simd::log(v); }, std::log);
  if (wanted("tanh")) good &= check("tanh", [](auto v) { return simd::tanh(v); }, std::tanh);
  if (wanted("sigmoid"))
    good &= check("sigmoid", [](auto v) { return simd::sigmoid(v); }, sigmoid_of);
  return good ? 0 : 1;
}
