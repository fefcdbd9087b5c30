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

// One product in several forms, by several peers: figures of each form, of each peer. Large
// products have fewer rounds, at least 4.
using Table = std::vector<std::vector<Figures>>;
Table measure(const std::vector<Peer>& peers, const std::vector<Shape>& forms, int most_rounds) {
  const Shape& size = forms[0];
  Operands o(size);
  for (size_t i = 0; i < o.all_a.size(); ++i) o.all_a[i] = float(i * 7919 % 1000) / 1000 - 0.5f;
  for (size_t i = 0; i < o.all_b.size(); ++i)
    o.all_b[i] = float(i * 104729 % 1000) / 1000 - 0.5f;
  const int calls = std::max(1, int(2e-3 * 6e10 / size.operations()));
  const int rounds = std::clamp(int(1.5e11 / size.operations()), 4, most_rounds);
  Table table(forms.size(), std::vector<Figures>(peers.size(), {INFINITY, INFINITY}));
  std::vector<std::vector<double>> times(forms.size() * peers.size());
  for (int r = 0; r < rounds; ++r)
    for (size_t t = 0; t < times.size(); ++t) {
      const auto& seconds = peers[t % peers.size()].seconds;
      const Shape& s = forms[t / peers.size()];
      if (!seconds) continue;
      seconds(s, o, 1 + calls / 8);  // not counted: others have used the caches
      times[t].push_back(seconds(s, o, calls) / calls);
    }
  for (size_t t = 0; t < times.size(); ++t) {
    if (times[t].empty()) continue;
    std::sort(times[t].begin(), times[t].end());
    table[t / peers.size()][t % peers.size()] = {times[t][0], times[t][times[t].size() / 2]};
  }
  return table;
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

// The peak takes its turn among the others, since a CPU's clock comes and goes.
Peer peak_peer() {
  return {"peak", [](const Shape& s, Operands&, int calls) {
            return calls * s.operations() / peak() * 1e-9;
          }};
}

// heed on so many threads.
Peer heed_on(int threads) {
  return {"heed", [threads, one = heed_peer()](const Shape& s, Operands& o, int calls) {
            set_num_threads(threads);
            const double seconds = one.seconds(s, o, calls);
            set_num_threads(1);
            return seconds;
          }};
}

// A table of GFLOP/s; the last columns compare heed with the best peer and with the peak.
void compare(const char* title, const std::vector<Peer>& peers,
             const std::vector<Shape>& shapes) {
  std::printf("\n%s, GFLOP/s, best round (median)\n%-18s", title, "m x n x k");
  for (auto& p : peers) std::printf("%16s", p.name.c_str());
  std::printf("%12s%10s\n", "heed/best", "of peak");
  std::vector<Peer> and_peak = peers;
  and_peak.push_back(peak_peer());
  double log_sum = 0, lowest = INFINITY;
  for (const Shape& s : shapes) {
    const std::vector<Figures> figures = measure(and_peak, {s}, 50)[0];
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
    std::printf("%12.2f%9.1f%%\n", ratio, 100 * figures.back().best / figures[0].best);
    std::fflush(stdout);
  }
  std::printf("geometric mean of heed/best %.3f, lowest %.3f\n",
              std::exp(log_sum / double(shapes.size())), lowest);
}

// The plain product, A transposed, B transposed, both: heed's GFLOP/s / the best peer's.
void transposed(const std::vector<Peer>& peers, const std::vector<Shape>& shapes) {
  std::printf("\nTransposed operands: GFLOP/s, x plain, x best peer\n");
  for (const Shape& s : shapes) {
    std::printf("%4d x %4d x %4d", s.m, s.n, s.k);
    const Shape a_turned{s.m, s.n, s.k, true, false}, b_turned{s.m, s.n, s.k, false, true},
        both{s.m, s.n, s.k, true, true};
    const Table table = measure(peers, {s, a_turned, b_turned, both}, 25);
    for (int form = 0; form < 4; ++form) {
      const double mine = table[form][0].best;
      double rival = INFINITY;
      for (size_t p = 1; p < peers.size(); ++p) rival = std::min(rival, table[form][p].best);
      std::printf("   %s%6.1f %4.2f %4.2f", (const char*[]){"AB", "A'B", "AB'", "A'B'"}[form],
                  s.operations() / mine * 1e-9, table[0][0].best / mine, rival / mine);
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
    compare("Squares", peers, {{64, 64, 64}, {128, 128, 128}, {256, 256, 256}, {512, 512, 512}});
  if (wanted("lessons"))
    compare("The lessons' shapes", peers,
            {{10, 100, 10},
             {10, 26, 100},
             {100, 26, 10},
             {8, 512, 512},
             {64, 192, 96},
             {704, 64, 64},
             {4096, 64, 512},
             {512, 512, 64}});
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
                {512, 512, 512}});
  if (wanted("batch"))
    compare("512 small products, the peers' in a loop", peers,
            {{16, 16, 16, false, false, 512}, {8, 8, 8, false, false, 512}});
  if (wanted("large"))
    compare("Large", peers, {{1024, 1024, 1024}, {2048, 2048, 2048}, {4096, 4096, 4096}});
  if (wanted("threads")) {
    std::printf("\nThreads, heed alone, GFLOP/s\n");
    for (int size : {512, 1024}) {
      const Shape s{size, size, size};
      const std::vector<Figures> figures = measure({heed_on(1), heed_on(2)}, {s}, 50)[0];
      for (size_t i = 0; i < 2; ++i)
        std::printf("%d^3, %zu threads: %.1f, %.2f x one\n", size, i + 1,
                    s.operations() / figures[i].best * 1e-9, figures[0].best / figures[i].best);
    }
  }
}
