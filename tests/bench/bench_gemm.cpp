// Matrix multiplication against OpenBLAS, BLIS, oneDNN, Eigen and MKL (through PyTorch), one
// thread each, and against the machine's peak: bars 1 to 5 of the project.
//
//   bench_gemm [squares|lessons|large|transposed|batch|threads ...]     all when none is named
//
// The libraries are opened at run time, since OpenBLAS and BLIS define the same names; PyTorch
// is a second process that waits for work. What is not there is reported as absent. A shape is
// measured in rounds in which everybody has a turn; a figure is the best or the median round.
#include <dlfcn.h>
#include <unistd.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#if __has_include(<eigen3/Eigen/Core>)
#include <eigen3/Eigen/Core>
#define HAVE_EIGEN
#endif

#include "autograd/gemm.h"
#include "autograd/parallel.h"
#include "autograd/simd.h"

#if defined(__x86_64__)
#define REGISTER "x"
#else
#define REGISTER "w"
#endif

using namespace heed;

namespace {

struct Shape {
  int m, n, k;
  bool a_turned = false, b_turned = false;  // stored (k, m) and (n, k)
  double operations() const { return 2. * m * n * k; }
};

struct Operands {
  std::vector<float> a, b, c;
};

struct Peer {
  std::string name;
  std::function<double(const Shape&, Operands&, int calls)> seconds;  // for all the calls
};

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

template <class F> double timed(int calls, F f) {
  const double start = now();
  for (int i = 0; i < calls; ++i) f();
  return now() - start;
}

// ---- The peers ----

using Cblas = void (*)(int order, int ta, int tb, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c,
                       int ldc);
using Dnnl = int (*)(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha,
                     const float* a, int64_t lda, const float* b, int64_t ldb, float beta,
                     float* c, int64_t ldc);

void* open_first(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  return nullptr;
}

Peer heed_peer() {
  return {"heed", [](const Shape& s, Operands& o, int calls) {
            const int ra = s.a_turned ? 1 : s.k, ca = s.a_turned ? s.m : 1;
            const int rb = s.b_turned ? 1 : s.n, cb = s.b_turned ? s.k : 1;
            return timed(calls, [&] {
              gemm(s.m, s.n, s.k, o.a.data(), ra, ca, o.b.data(), rb, cb, o.c.data(), s.n);
            });
          }};
}

Peer cblas_peer(std::string name, void* library) {
  auto f = reinterpret_cast<Cblas>(library ? dlsym(library, "cblas_sgemm") : nullptr);
  if (!f) return {name, nullptr};
  return {name, [f](const Shape& s, Operands& o, int calls) {
            return timed(calls, [&] {
              f(101, s.a_turned ? 112 : 111, s.b_turned ? 112 : 111, s.m, s.n, s.k, 1.f,
                o.a.data(), s.a_turned ? s.m : s.k, o.b.data(), s.b_turned ? s.k : s.n, 0.f,
                o.c.data(), s.n);
            });
          }};
}

Peer openblas_peer() {
  void* library = open_first({"libopenblas.so.0", "libopenblas.so"});
  if (library) {
    if (auto kernel =
            reinterpret_cast<const char* (*)()>(dlsym(library, "openblas_get_config")))
      std::printf("OpenBLAS: %s\n", kernel());
  }
  return cblas_peer("OpenBLAS", library);
}

Peer blis_peer() {
  void* library = open_first({"libblis.so.4", "libblis.so"});
  if (library)
    if (auto version =
            reinterpret_cast<const char* (*)()>(dlsym(library, "bli_info_get_version_str")))
      std::printf("BLIS: %s\n", version());
  return cblas_peer("BLIS", library);
}

Peer onednn_peer() {
  void* library = open_first({"libdnnl.so.2", "libdnnl.so.3", "libdnnl.so"});
  auto f = reinterpret_cast<Dnnl>(library ? dlsym(library, "dnnl_sgemm") : nullptr);
  if (!f) return {"oneDNN", nullptr};
  struct Version {
    int major, minor, patch;
  };
  if (auto version = reinterpret_cast<const Version* (*)()>(dlsym(library, "dnnl_version")))
    std::printf("oneDNN: %d.%d.%d\n", version()->major, version()->minor, version()->patch);
  return {"oneDNN", [f](const Shape& s, Operands& o, int calls) {
            return timed(calls, [&] {
              f(s.a_turned ? 'T' : 'N', s.b_turned ? 'T' : 'N', s.m, s.n, s.k, 1.f, o.a.data(),
                s.a_turned ? s.m : s.k, o.b.data(), s.b_turned ? s.k : s.n, 0.f, o.c.data(),
                s.n);
            });
          }};
}

Peer eigen_peer() {
#ifdef HAVE_EIGEN
  std::printf("Eigen: %d.%d.%d\n", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
              EIGEN_MINOR_VERSION);
  return {"Eigen", [](const Shape& s, Operands& o, int calls) {
            using Rows = Eigen::Matrix<float, -1, -1, Eigen::RowMajor>;
            using Columns = Eigen::Matrix<float, -1, -1, Eigen::ColMajor>;
            Eigen::Map<Rows> a(o.a.data(), s.m, s.k), b(o.b.data(), s.k, s.n),
                c(o.c.data(), s.m, s.n);
            Eigen::Map<Columns> at(o.a.data(), s.m, s.k), bt(o.b.data(), s.k, s.n);
            return timed(calls, [&] {
              if (s.a_turned && s.b_turned)
                c.noalias() = at * bt;
              else if (s.a_turned)
                c.noalias() = at * b;
              else if (s.b_turned)
                c.noalias() = a * bt;
              else
                c.noalias() = a * b;
            });
          }};
#else
  return {"Eigen", nullptr};
#endif
}

// python3 with PyTorch: a line "m n k a_turned b_turned calls" in, a line with seconds out.
Peer torch_peer() {
  static const char* SCRIPT =
      "import sys, time\n"
      "import torch\n"
      "torch.set_num_threads(1)\n"
      "print(torch.__version__, torch.backends.mkl.is_available(), flush=True)\n"
      "for line in sys.stdin:\n"
      "    m, n, k, ta, tb, calls = map(int, line.split())\n"
      "    a = torch.rand(k, m).t() if ta else torch.rand(m, k)\n"
      "    b = torch.rand(n, k).t() if tb else torch.rand(k, n)\n"
      "    c = torch.empty(m, n)\n"
      "    torch.mm(a, b, out=c)\n"
      "    start = time.perf_counter()\n"
      "    for _ in range(calls): torch.mm(a, b, out=c)\n"
      "    print(time.perf_counter() - start, flush=True)\n";
  int to[2], from[2];
  if (pipe(to) || pipe(from)) return {"MKL", nullptr};
  if (fork() == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    for (int fd : {to[0], to[1], from[0], from[1]}) close(fd);
    if (!std::freopen("/dev/null", "w", stderr)) _exit(1);
    execlp("python3", "python3", "-c", SCRIPT, nullptr);
    _exit(1);
  }
  close(to[0]);
  close(from[1]);
  FILE *ask = fdopen(to[1], "w"), *answer = fdopen(from[0], "r");
  char version[64], mkl[16];
  if (std::fscanf(answer, "%63s %15s", version, mkl) != 2 || std::string(mkl) != "True")
    return {"MKL", nullptr};
  std::printf("MKL: through PyTorch %s\n", version);
  return {"MKL", [ask, answer](const Shape& s, Operands&, int calls) {
            std::fprintf(ask, "%d %d %d %d %d %d\n", s.m, s.n, s.k, s.a_turned, s.b_turned,
                         calls);
            std::fflush(ask);
            double seconds = 1e9;
            return std::fscanf(answer, "%lf", &seconds) == 1 ? seconds : 1e9;
          }};
}

// ---- Measuring ----

struct Figures {
  double best, median;  // seconds a call
};

std::vector<Figures> measure(const std::vector<Peer>& peers, const Shape& s, int rounds) {
  Operands o{std::vector<float>(size_t(s.m) * s.k), std::vector<float>(size_t(s.k) * s.n),
             std::vector<float>(size_t(s.m) * s.n)};
  for (size_t i = 0; i < o.a.size(); ++i) o.a[i] = float(i * 7919 % 1000) / 1000 - 0.5f;
  for (size_t i = 0; i < o.b.size(); ++i) o.b[i] = float(i * 104729 % 1000) / 1000 - 0.5f;
  const int calls = std::max(1, int(2e-3 * 6e10 / s.operations()));
  std::vector<std::vector<double>> times(peers.size());
  for (int r = 0; r <= rounds; ++r)
    for (size_t p = 0; p < peers.size(); ++p) {
      if (!peers[p].seconds) continue;
      const double seconds = peers[p].seconds(s, o, calls) / calls;
      if (r > 0) times[p].push_back(seconds);  // round 0 warms up
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
  for (int round = 0; round < 30; ++round) {
    V acc[CHAINS] = {}, x = simd::all<V>(0.999f), y = simd::all<V>(0.001f);
    for (V& v : acc) asm volatile("" : "+" REGISTER(v));  // or equal chains become one
    const double start = now();
    for (int i = 0; i < STEPS; ++i)
#pragma GCC unroll 12
      for (int c = 0; c < CHAINS; ++c) acc[c] = simd::fma(acc[c], x, y);
    best = std::min(best, now() - start);
    for (V& v : acc) asm volatile("" : : REGISTER(v));
  }
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
  // The peers read these when they are opened: one thread, and the kernel that fits the CPU.
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"})
    setenv(name, "1", 1);
  unsetenv("OPENBLAS_CORETYPE");
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
            15);
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
            15);
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
               9);
  if (wanted("batch"))
    compare("Small products in a loop", peers, {{16, 16, 16}, {8, 8, 8}}, 15);
  if (wanted("large"))
    compare("Large", peers, {{1024, 1024, 1024}, {2048, 2048, 2048}, {4096, 4096, 4096}}, 3);
  if (wanted("threads")) {
    std::printf("\nThreads, heed alone, GFLOP/s\n");
    for (int size : {512, 1024}) {
      double one = 0;
      for (int threads : {1, 2}) {
        set_num_threads(threads);
        const Shape s{size, size, size};
        const double speed = s.operations() / measure({heed_peer()}, s, 9)[0].best * 1e-9;
        if (threads == 1) one = speed;
        std::printf("%d^3, %d threads: %.1f, %.2f x one\n", size, threads, speed, speed / one);
      }
    }
  }
}
