// Matrix multiplication against OpenBLAS, BLIS, oneDNN, Eigen and MKL (through PyTorch), one
// thread each, and against the machine's peak: bars 1 to 5 of the project.
//
//   bench_gemm [squares|lessons|large|transposed|batch|threads ...]     all when none is named
//
// A peer that is not installed is reported as absent (gemm_peers.h). A shape is measured in
// rounds in which everybody has a turn; a figure is the best round, or the median.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "autograd/gemm.h"
#include "autograd/parallel.h"
#include "autograd/simd.h"
#include "tests/bench/gemm_peers.h"

using namespace heed;

namespace {

// ---- Measuring ----

struct Figures {
  double best, median;  // seconds a call
};

std::vector<Figures> measure(const std::vector<Peer>& peers, const Shape& s, int rounds) {
  Operands o(s);
  for (size_t i = 0; i < o.all_a.size(); ++i) o.all_a[i] = float(i * 7919 % 1000) / 1000 - 0.5f;
  for (size_t i = 0; i < o.all_b.size(); ++i)
    o.all_b[i] = float(i * 104729 % 1000) / 1000 - 0.5f;
  const int calls = std::max(1, int(2e-3 * 6e10 / s.operations()));
  std::vector<std::vector<double>> times(peers.size());
  for (int r = 0; r < rounds; ++r)
    for (size_t p = 0; p < peers.size(); ++p) {
      if (!peers[p].seconds) continue;
      peers[p].seconds(s, o, 1 + calls / 8);  // not counted: others have used the caches
      const double seconds = peers[p].seconds(s, o, calls) / calls;
      times[p].push_back(seconds);
    }
  std::vector<Figures> result;
  for (auto& t : times) {
    std::sort(t.begin(), t.end());
    result.push_back(t.empty() ? Figures{INFINITY, INFINITY} : Figures{t[0], t[t.size() / 2]});
  }
  return result;
}

// GFLOP/s of fused multiply-adds on numbers that stay in registers.
double peak() {
  using V = simd::Vec<float>;
  constexpr int CHAINS = 12, STEPS = 20000;
  double best = 1e9;
  volatile float used;
  for (int round = 0; round < 30; ++round) {
    V acc[CHAINS], x = simd::all<V>(0.999f), y = simd::all<V>(0.001f);
    for (int c = 0; c < CHAINS; ++c) acc[c] = simd::all<V>(float(c));
    simd::hold(x);
    simd::hold(y);
    const double start = now();
    for (int i = 0; i < STEPS; ++i)
#pragma GCC unroll 12
      for (int c = 0; c < CHAINS; ++c) acc[c] = simd::fma(acc[c], x, y);
    for (int c = 1; c < CHAINS; ++c) acc[0] += acc[c];
    used = acc[0][0];
    best = std::min(best, now() - start);
  }
  (void)used;
  return 2. * CHAINS * STEPS * simd::LANES<V> / best * 1e-9;
}

// A table of GFLOP/s; the last columns compare heed with the best peer and with the peak.
void compare(const char* title, const std::vector<Peer>& peers,
             const std::vector<Shape>& shapes, int rounds) {
  std::printf("\n%s, GFLOP/s, best round (median)\n%-18s", title, "m x n x k");
  for (auto& p : peers) std::printf("%16s", p.name.c_str());
  std::printf("%12s%10s\n", "heed/best", "of peak");
  double log_sum = 0, lowest = INFINITY;
  for (const Shape& s : shapes) {
    const auto figures = measure(peers, s, rounds);
    char name[64];
    std::snprintf(name, sizeof name, "%d%s x %d%s x %d", s.m, s.a_turned ? "'" : "", s.n,
                  s.b_turned ? "'" : "", s.k);
    std::printf("%-18s", name);
    double rival = INFINITY;
    for (size_t p = 0; p < peers.size(); ++p) {
      if (p > 0) rival = std::min(rival, figures[p].best);
      if (std::isinf(figures[p].best))
        std::printf("%16s", "absent");
      else
        std::printf("%8.1f (%5.1f)", s.operations() / figures[p].best * 1e-9,
                    s.operations() / figures[p].median * 1e-9);
    }
    const double ratio = rival / figures[0].best;
    log_sum += std::log(ratio);
    lowest = std::min(lowest, ratio);
    std::printf("%12.2f%9.1f%%\n", ratio,
                100 * s.operations() / figures[0].best * 1e-9 / peak());
    std::fflush(stdout);
  }
  std::printf("geometric mean of heed/best %.3f, lowest %.3f\n",
              std::exp(log_sum / double(shapes.size())), lowest);
}

// The plain product, A transposed, B transposed, both: heed's GFLOP/s / the best peer's.
void transposed(const std::vector<Peer>& peers, const std::vector<Shape>& shapes, int rounds) {
  std::printf("\nTransposed operands: GFLOP/s, x plain, x best peer\n");
  for (const Shape& s : shapes) {
    std::printf("%4d x %4d x %4d", s.m, s.n, s.k);
    double plain = 0;
    for (int turned = 0; turned < 4; ++turned) {
      const Shape t{s.m, s.n, s.k, turned % 2 == 1, turned / 2 == 1};
      const auto figures = measure(peers, t, rounds);
      const double mine = figures[0].best;
      double rival = INFINITY;
      for (size_t p = 1; p < peers.size(); ++p) rival = std::min(rival, figures[p].best);
      if (turned == 0) plain = mine;
      std::printf("   %s%6.1f %4.2f %4.2f", (const char*[]){"AB", "A'B", "AB'", "A'B'"}[turned],
                  s.operations() / mine * 1e-9, plain / mine, rival / mine);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

std::string cpu() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

int main(int argc, char** argv) {
  // The peers read these when they are opened. Which kernels they may take: tests/bench/run.
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"})
    setenv(name, "1", 1);
  auto wanted = [&](const char* what) {
    return argc == 1 || std::find(argv + 1, argv + argc, std::string(what)) != argv + argc;
  };
  std::printf("CPU: %s\ncompiler: %s\nvectors: %d bytes\n", cpu().c_str(), __VERSION__,
              VECTOR_BYTES);
  set_num_threads(1);
  const std::vector<Peer> peers = {heed_peer(),   openblas_peer(), blis_peer(),
                                   onednn_peer(), eigen_peer(),    torch_peer()};
  std::printf("peak: %.1f GFLOP/s\n", peak());

  if (wanted("squares"))
    compare("Squares", peers, {{64, 64, 64}, {128, 128, 128}, {256, 256, 256}, {512, 512, 512}},
            50);
  if (wanted("lessons"))
    compare("The lessons' shapes", peers,
            {{10, 100, 10},
             {10, 26, 100},
             {100, 26, 10},
             {8, 512, 512},
             {64, 192, 96},
             {704, 64, 64},
             {4096, 64, 512},
             {512, 512, 64}},
            50);
  if (wanted("transposed"))
    transposed(peers,
               {{10, 100, 10},
                {10, 26, 100},
                {100, 10, 10},
                {26, 100, 10},
                {8, 512, 512},
                {64, 64, 64},
                {64, 192, 96},
                {704, 64, 64},
                {256, 256, 256},
                {512, 512, 64},
                {512, 512, 512}},
               15);
  if (wanted("batch"))
    compare("512 small products, the peers' in a loop", peers,
            {{16, 16, 16, false, false, 512}, {8, 8, 8, false, false, 512}}, 50);
  if (wanted("large"))
    compare("Large", peers, {{1024, 1024, 1024}, {2048, 2048, 2048}, {4096, 4096, 4096}}, 3);
  if (wanted("threads")) {
    std::printf("\nThreads, heed alone, GFLOP/s\n");
    for (int size : {512, 1024}) {
      double one = 0;
      for (int threads : {1, 2}) {
        set_num_threads(threads);
        const Shape s{size, size, size};
        const double speed = s.operations() / measure({heed_peer()}, s, 30)[0].best * 1e-9;
        if (threads == 1) one = speed;
        std::printf("%d^3, %d threads: %.1f, %.2f x one\n", size, threads, speed, speed / one);
      }
    }
  }
}
