// Batch and layer normalisation, each as one operation: as a chain of smaller ones it would be
// the slowest part of a small network.
#include <cmath>
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// Calls f(V(), j) for every vector V of columns j, j + 1, ... of C. The last one starts early
// and overlaps the one before it, so f must bear to be called twice for a column.
template <class F> void for_columns(int64_t C, F f) {
  using V = simd::Vec<Scalar>;
  constexpr int W = simd::LANES<V>;
  if (C < W) {
    for (int64_t j = 0; j < C; ++j) f(Scalar(), j);
  } else {
    for (int64_t j = 0; j + W < C; j += W) f(V(), j);
    f(V(), C - W);
  }
}

// In the functions for batch norm sums go down the rows: add(sum, i) for each row i < N, up to
// 256 one after the other; more of them in parts (reduce16.h).
template <class Sum, class F> ALWAYS_INLINE Sum sum_rows(int64_t N, F add) {
  return simd::in_parts(0, N, 256, [=](int64_t begin, int64_t end) {
    Sum sum = {};
    for (int64_t i = begin; i < end; ++i) add(sum, i);
    return sum;
  });
}

// x: (N, C), the others (C).
void batch_statistics(const Scalar* x, int64_t N, int64_t C, Scalar* mean, Scalar* var) {
  for_columns(C, [=, n = Scalar(N)]<class V>(V, int64_t j) {
    const V centre =
        sum_rows<V>(N, [=](V& sum, int64_t i) { sum += simd::load<V>(x + i * C + j); }) / n;
    const V squares = sum_rows<V>(N, [=](V& sum, int64_t i) {
      V d = simd::load<V>(x + i * C + j) - centre;
      sum += d * d;
    });
    simd::store(mean + j, centre);
    simd::store(var + j, V(squares / n));
  });
}

// running += momentum (batch - running); the stored variance is the unbiased one
void update_running(Scalar* __restrict running_mean, Scalar* __restrict running_var,
                    const Scalar* __restrict mean, const Scalar* __restrict var, int64_t N,
                    int64_t C, double momentum) {
  Scalar step = Scalar(momentum), unbiased = Scalar(double(N) / double(N - 1));
  for (int64_t j = 0; j < C; ++j) {
    running_mean[j] += step * (mean[j] - running_mean[j]);
    running_var[j] += step * (var[j] * unbiased - running_var[j]);
  }
}

// xhat = (x - mean) r, y = xhat w + b
void scale_and_shift(const Scalar* x, int64_t N, int64_t C, const Scalar* mean, const Scalar* r,
                     const Scalar* w, const Scalar* b, Scalar* xhat, Scalar* y) {
  for_columns(C, [=]<class V>(V, int64_t j) {
    const V centre = simd::load<V>(mean + j), inverse = simd::load<V>(r + j);
    const V scale = simd::load<V>(w + j), shift = simd::load<V>(b + j);
    for (int64_t at = j; at < N * C; at += C) {
      V normal = (simd::load<V>(x + at) - centre) * inverse;
      simd::store(xhat + at, normal);
      simd::store(y + at, V(normal * scale + shift));
    }
  });
}

// db = sum g, dw = sum g xhat, dx = w r (g - share db - xhat share dw); or dx = w r g where
// share is 0: an infinite sum, or xhat, must not reach other samples
void batch_gradient(const Scalar* g, const Scalar* xhat, int64_t N, int64_t C, const Scalar* w,
                    const Scalar* r, Scalar share, Scalar* db, Scalar* dw, Scalar* dx) {
  for_columns(C, [=]<class V>(V, int64_t j) {
    struct Sums {
      V g = {}, gh = {};
      void operator+=(const Sums& more) { g += more.g, gh += more.gh; }
    };
    const Sums sums = sum_rows<Sums>(N, [=](Sums& sums, int64_t i) {
      V u = simd::load<V>(g + i * C + j);
      sums.g += u;
      sums.gh += u * simd::load<V>(xhat + i * C + j);
    });
    V sum = sums.g, sum_h = sums.gh;
    simd::store(db + j, sum);
    simd::store(dw + j, sum_h);
    if (!dx) return;
    const V scale = simd::load<V>(w + j) * simd::load<V>(r + j);
    sum *= share;
    sum_h *= share;
    for (int64_t at = j; at < N * C; at += C) {
      V d = simd::load<V>(g + at);
      if (share != 0) d = d - sum - simd::load<V>(xhat + at) * sum_h;
      simd::store(dx + at, V(scale * d));
    }
  });
}

// x: (N, C)
// y = xhat w + b, xhat = (x - mean) r, r = 1 / sqrt(var + eps)
// dx = w r (g - mean(g) - xhat mean(g xhat)), or w r g where mean and var do not depend on x
Tensor normalize_rows(const Tensor& x, Tensor& running_mean, Tensor& running_var,
                      const Tensor& weight, const Tensor& bias, bool training, double momentum,
                      double eps) {
  int64_t N = x.shape()[0], C = x.shape()[1];
  Tensor dense = x.detach().contiguous(), y = empty(x.shape()), xhat = empty(x.shape());
  Tensor w = weight.detach().contiguous(), b = bias.detach().contiguous();
  Tensor mean = running_mean, var = running_var, r = empty({C});
  if (training) {
    mean = empty({C}), var = empty({C});
    batch_statistics(dense.data(), N, C, mean.mutable_data(), var.mutable_data());
    update_running(running_mean.mutable_data(), running_var.mutable_data(), mean.data(),
                   var.data(), N, C, momentum);
  }
  Scalar* inverse = r.mutable_data();
  for (int64_t j = 0; j < C; ++j) inverse[j] = 1 / std::sqrt(var.data()[j] + Scalar(eps));
  scale_and_shift(dense.data(), N, C, mean.data(), inverse, w.data(), b.data(),
                  xhat.mutable_data(), y.mutable_data());
  return record(
      "batch_norm", std::move(y), inputs(x, weight, bias), saved(xhat, r, w),
      [N, C, training](const Tensor& g, GradOf dx, GradOf dw, GradOf db, const Tensor& xhat,
                       const Tensor& r, const Tensor& w) {
        // The statistics depend on x in training only.
        const Scalar share = training ? 1 / Scalar(N) : Scalar(0);
        Tensor sum_g = empty({C}), sum_gh = empty({C}), d = dx ? empty(g.shape()) : Tensor();
        batch_gradient(g.data(), xhat.data(), N, C, w.data(), r.data(), share,
                       sum_g.mutable_data(), sum_gh.mutable_data(),
                       dx ? d.mutable_data() : nullptr);
        if (dx) dx += std::move(d);
        dw += std::move(sum_gh);
        db += std::move(sum_g);
      });
}

}  // namespace

Tensor batch_norm(const Tensor& x, Tensor& running_mean, Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, bool training, double momentum,
                  double eps) {
  check_defined("batch_norm", x, running_mean, running_var, weight, bias);
  HEED_CHECK(x.dim() >= 2, "[batch_norm] x ", x.shape(), ": (N, C) or (N, C, ...) wanted");
  int64_t C = x.shape()[1], N = C ? x.numel() / C : 0;
  for (const Tensor* t : inputs(running_mean, running_var, weight, bias))
    HEED_CHECK(t->shape() == Shape{C}, "[batch_norm] x ", x.shape(), " has ", C,
          " channels, but a weight, bias or statistic has shape ", t->shape());
  HEED_CHECK(running_mean.is_contiguous() && running_var.is_contiguous(),
             "[batch_norm] the running", " statistics, ", running_mean.shape(),
             ", are views with gaps; they must be dense");
  HEED_CHECK(!training || N > 0, "[batch_norm] x ", x.shape(),
             ": no values, whose mean could be taken\n",
             "  leave out an empty batch, or call eval() to use running statistics");
  HEED_CHECK(
      !training || N > 1, "[batch_norm] x ", x.shape(),
      ": one value for each channel, which is",
      " its own mean, so that every output would be 0\n",
      "  leave out a last batch of one (drop_last), or call eval() to use running statistics");
  if (x.dim() == 2)
    return normalize_rows(x, running_mean, running_var, weight, bias, training, momentum, eps);
  int64_t places = 1;
  for (int d = 2; d < x.dim(); ++d) places *= x.shape()[d];
  Tensor rows =
      x.reshape({x.shape()[0], C, places}).transpose(1, 2).reshape({N, C});  // channels last
  Tensor y =
      normalize_rows(rows, running_mean, running_var, weight, bias, training, momentum, eps);
  return y.view({x.shape()[0], places, C}).transpose(1, 2).reshape(x.shape());
}

namespace {

constexpr int64_t NORM_GRAIN = 1 << 13;  // numbers worth a second thread

// One row: y = xhat w + b, xhat = (x - mean) r, r = 1 / sqrt(var + eps). Once all of it has been
// read, the next row is sent for.
void normalize_row(const Scalar* x, const Scalar* w, const Scalar* b, Scalar eps, int64_t C,
                   Scalar& mean, Scalar& r, Scalar* y) {
  Scalar n = Scalar(C), m = mean = simd::sum16(x, C) / n;
  for (int64_t j = 0; j < C; j += 64 / int64_t(sizeof(Scalar))) __builtin_prefetch(x + C + j);
  Scalar var = simd::sum16_of(C, [m](auto v) { return (v - m) * (v - m); }, x) / n;
  Scalar s = r = 1 / std::sqrt(var + eps);
  simd::map(y, C, [m, s](auto x, auto w, auto b) { return (x - m) * s * w + b; }, x, w, b);
}

// One row: dx = r (u - mean(u) - xhat mean(u xhat)), u = g w
void row_gradient(const Scalar* g, const Scalar* x, const Scalar* w, Scalar mean, Scalar r,
                  int64_t C, Scalar* dx) {
  auto u_xhat = [=](auto g, auto x, auto w) { return g * w * ((x - mean) * r); };
  Scalar n = Scalar(C), mean_u = simd::dot16(g, w, C) / n;
  Scalar mean_uh = simd::sum16_of(C, u_xhat, g, x, w) / n;
  auto gradient = [=](auto g, auto x, auto w) {
    return r * (g * w - mean_u - (x - mean) * r * mean_uh);
  };
  simd::map(dx, C, gradient, g, x, w);
}

// One row's share of db = sum g, dw = sum g xhat
void add_row_gradients(const Scalar* __restrict g, const Scalar* __restrict x, Scalar mean,
                       Scalar r, int64_t C, Scalar* __restrict db, Scalar* __restrict dw) {
  for (int64_t j = 0; j < C; ++j) {
    db[j] += g[j];
    dw[j] += g[j] * ((x[j] - mean) * r);
  }
}

}  // namespace

// y = xhat w + b, xhat = (x - mean) r, r = 1 / sqrt(var + eps)
// dx = r (u - mean(u) - xhat mean(u xhat)), u = g w; db = sum g, dw = sum g xhat
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check_defined("layer_norm", x, weight, bias);
  HEED_CHECK(x.dim() >= 1, "[layer_norm] a scalar has no row");
  int64_t C = x.shape().back(), N = C ? x.numel() / C : 0;
  for (const Tensor* t : inputs(weight, bias))
    HEED_CHECK(t->shape() == Shape{C}, "[layer_norm] x ", x.shape(), " has rows of ", C,
               " numbers, but a weight or bias has shape ", t->shape());
  Tensor dense = x.detach().contiguous(), w = weight.detach().contiguous();
  Tensor b = bias.detach().contiguous(), y = empty(x.shape());
  Tensor mean = empty({N}), r = empty({N});
  Scalar *to = y.mutable_data(), *means = mean.mutable_data(), *inverse = r.mutable_data();
  parallel_for(N, NORM_GRAIN / (C + 1) + 1, [&](int64_t begin, int64_t end) {
    const Scalar* from = dense.data();
    for (int64_t i = begin; i < end; ++i)
      normalize_row(from + i * C, w.data(), b.data(), Scalar(eps), C, means[i], inverse[i],
                    to + i * C);
  });
  return record(
      "layer_norm", std::move(y), inputs(x, weight, bias), saved(dense, mean, r, w),
      [N, C](const Tensor& g, GradOf dx, GradOf dw, GradOf db, const Tensor& x,
             const Tensor& mean, const Tensor& r, const Tensor& w) {
        const Scalar *up = g.data(), *from = x.data(), *means = mean.data(),
                     *inverse = r.data();
        if (dw || db) {
          Tensor sum_g = zeros({C}), sum_gh = zeros({C});
          Scalar *to_b = sum_g.mutable_data(), *to_w = sum_gh.mutable_data();
          for (int64_t i = 0; i < N; ++i)
            add_row_gradients(up + i * C, from + i * C, means[i], inverse[i], C, to_b, to_w);
          dw += std::move(sum_gh);
          db += std::move(sum_g);
        }
        if (!dx) return;
        Tensor d = empty(g.shape());
        Scalar* out = d.mutable_data();
        parallel_for(N, NORM_GRAIN / (C + 1) + 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            row_gradient(up + i * C, from + i * C, w.data(), means[i], inverse[i], C,
                         out + i * C);
        });
        dx += std::move(d);
      });
}

}  // namespace HEED_PRECISION
}  // namespace heed
