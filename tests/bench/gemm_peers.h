// The peers of bench_gemm: one product, called many times, by heed, by OpenBLAS, BLIS, oneDNN
// and Eigen, and by MKL through PyTorch. The libraries are opened at run time, since OpenBLAS
// and BLIS define the same names; PyTorch is a second process that waits for work.
#pragma once
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#if __has_include(<eigen3/Eigen/Core>)
// g++ 12 cries wolf over the compiler's own AVX-512 functions, wherever Eigen's are inlined.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <eigen3/Eigen/Core>
#define HAVE_EIGEN
#endif

#include "autograd/gemm.h"
#include "autograd/pool.h"

namespace heed {

struct Shape {
  int m, n, k;
  bool a_turned = false, b_turned = false;  // stored (k, m) and (n, k)
  int batch = 1;  // heed's in one call, the others' in a loop (MKL's on one set of operands)
  double operations() const { return 2. * m * n * k * batch; }
};

// At whole cache lines, as in tensors; of a batch, one product's behind the other's.
struct Operands {
  PoolVector<float> all_a, all_b, all_c;
  explicit Operands(const Shape& s)
      : all_a(size_t(s.batch) * s.m * s.k), all_b(size_t(s.batch) * s.k * s.n),
        all_c(size_t(s.batch) * s.m * s.n) {}
};

struct Peer {
  std::string name;
  std::function<double(const Shape&, Operands&, int calls)> seconds;  // for all the calls
};

inline double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// f(a, b, c) for every product of the batch, `calls` times.
template <class F> double timed(int calls, const Shape& s, Operands& o, F f) {
  const double start = now();
  for (int i = 0; i < calls; ++i)
    for (size_t p = 0; p < size_t(s.batch); ++p)
      f(&o.all_a[p * s.m * s.k], &o.all_b[p * s.k * s.n], &o.all_c[p * s.m * s.n]);
  return now() - start;
}

using Cblas = void (*)(int order, int ta, int tb, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c,
                       int ldc);
using Dnnl = int (*)(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha,
                     const float* a, int64_t lda, const float* b, int64_t ldb, float beta,
                     float* c, int64_t ldc);

inline void* open_first(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  return nullptr;
}

inline Peer heed_peer() {
  return {"heed", [](const Shape& s, Operands& o, int calls) {
            const int ra = s.a_turned ? 1 : s.k, ca = s.a_turned ? s.m : 1;
            const int rb = s.b_turned ? 1 : s.n, cb = s.b_turned ? s.k : 1;
            const GemmBatch batch{s.batch, s.m * s.k, s.k * s.n, s.m * s.n};
            Shape at_once = s;
            at_once.batch = 1;
            return timed(calls, at_once, o, [&](const float* a, const float* b, float* c) {
              gemm(s.m, s.n, s.k, a, ra, ca, b, rb, cb, c, s.n, false, batch);
            });
          }};
}

inline Peer cblas_peer(std::string name, void* library) {
  auto f = reinterpret_cast<Cblas>(library ? dlsym(library, "cblas_sgemm") : nullptr);
  if (!f) return {name, nullptr};
  return {name, [f](const Shape& s, Operands& o, int calls) {
            return timed(calls, s, o, [&](const float* a, const float* b, float* c) {
              f(101, s.a_turned ? 112 : 111, s.b_turned ? 112 : 111, s.m, s.n, s.k, 1.f,
                a, s.a_turned ? s.m : s.k, b, s.b_turned ? s.k : s.n, 0.f, c, s.n);
            });
          }};
}

inline Peer openblas_peer() {
  void* library = open_first({"libopenblas.so.0", "libopenblas.so"});
  if (library) {
    if (auto kernel =
            reinterpret_cast<const char* (*)()>(dlsym(library, "openblas_get_config")))
      std::printf("OpenBLAS: %s\n", kernel());
  }
  return cblas_peer("OpenBLAS", library);
}

inline Peer blis_peer() {
  void* library = open_first({"libblis.so.4", "libblis.so"});
  if (library)
    if (auto version =
            reinterpret_cast<const char* (*)()>(dlsym(library, "bli_info_get_version_str")))
      std::printf("BLIS: %s\n", version());
  return cblas_peer("BLIS", library);
}

inline Peer onednn_peer() {
  void* library = open_first({"libdnnl.so.2", "libdnnl.so.3", "libdnnl.so"});
  auto f = reinterpret_cast<Dnnl>(library ? dlsym(library, "dnnl_sgemm") : nullptr);
  if (!f) return {"oneDNN", nullptr};
  struct Version {
    int major, minor, patch;
  };
  if (auto version = reinterpret_cast<const Version* (*)()>(dlsym(library, "dnnl_version")))
    std::printf("oneDNN: %d.%d.%d\n", version()->major, version()->minor, version()->patch);
  return {"oneDNN", [f](const Shape& s, Operands& o, int calls) {
            return timed(calls, s, o, [&](const float* a, const float* b, float* c) {
              f(s.a_turned ? 'T' : 'N', s.b_turned ? 'T' : 'N', s.m, s.n, s.k, 1.f, a,
                s.a_turned ? s.m : s.k, b, s.b_turned ? s.k : s.n, 0.f, c, s.n);
            });
          }};
}

inline Peer eigen_peer() {
#ifdef HAVE_EIGEN
  std::printf("Eigen: %d.%d.%d\n", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
              EIGEN_MINOR_VERSION);
  return {"Eigen", [](const Shape& s, Operands& o, int calls) {
            using Rows = Eigen::Matrix<float, -1, -1, Eigen::RowMajor>;
            using Columns = Eigen::Matrix<float, -1, -1, Eigen::ColMajor>;
            return timed(calls, s, o, [&](const float* a, const float* b, float* c) {
              Eigen::Map<const Rows> A(a, s.m, s.k), B(b, s.k, s.n);
              Eigen::Map<const Columns> At(a, s.m, s.k), Bt(b, s.k, s.n);
              Eigen::Map<Rows> C(c, s.m, s.n);
              if (s.a_turned && s.b_turned)
                C.noalias() = At * Bt;
              else if (s.a_turned)
                C.noalias() = At * B;
              else if (s.b_turned)
                C.noalias() = A * Bt;
              else
                C.noalias() = A * B;
            });
          }};
#else
  return {"Eigen", nullptr};
#endif
}

// python3 with PyTorch: a line "m n k a_turned b_turned calls" in, a line with seconds out.
inline Peer torch_peer() {
  static const char* SCRIPT = R"(
import sys, time
import torch
torch.set_num_threads(1)
print(torch.__version__, torch.backends.mkl.is_available(), flush=True)
for line in sys.stdin:
    m, n, k, a_turned, b_turned, calls = map(int, line.split())
    a = torch.rand(k, m).t() if a_turned else torch.rand(m, k)
    b = torch.rand(n, k).t() if b_turned else torch.rand(k, n)
    c = torch.empty(m, n)
    torch.mm(a, b, out=c)
    start = time.perf_counter()
    for _ in range(calls): torch.mm(a, b, out=c)
    print(time.perf_counter() - start, flush=True)
)";
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
                         calls * s.batch);
            std::fflush(ask);
            double seconds = 1e9;
            return std::fscanf(answer, "%lf", &seconds) == 1 ? seconds : 1e9;
          }};
}

}  // namespace heed
