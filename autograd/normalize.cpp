// Batch normalisation, as one operation: as a chain of smaller ones it would be the slowest part
// of a small network.
#include <cmath>
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// The loops below run along a row of C channels; sums go down the rows, one after the other.
// x: (N, C), the others (C).
void batch_statistics(const Scalar* x, int64_t N, int64_t C, Scalar* __restrict mean,
                      Scalar* __restrict var) {
  std::fill_n(mean, C, Scalar(0));
  std::fill_n(var, C, Scalar(0));
  Scalar n = Scalar(N);
  for (int64_t i = 0; i < N; ++i)
    for (int64_t j = 0; j < C; ++j) mean[j] += x[i * C + j];
  for (int64_t j = 0; j < C; ++j) mean[j] /= n;
  for (int64_t i = 0; i < N; ++i)
    for (int64_t j = 0; j < C; ++j) {
      Scalar d = x[i * C + j] - mean[j];
      var[j] += d * d;
    }
  for (int64_t j = 0; j < C; ++j) var[j] /= n;
}

// running += momentum (batch - running); the stored variance is the unbiased one
void update_running(Tensor& running_mean, Tensor& running_var, const Scalar* mean,
                    const Scalar* var, int64_t N, double momentum) {
  Scalar *__restrict m = running_mean.mutable_data(), *__restrict v = running_var.mutable_data();
  Scalar step = Scalar(momentum), unbiased = Scalar(double(N) / double(N - 1));
  for (int64_t j = 0; j < running_mean.numel(); ++j) {
    m[j] += step * (mean[j] - m[j]);
    v[j] += step * (var[j] * unbiased - v[j]);
  }
}

// x: (N, C)
// y = xhat w + b, xhat = (x - mean) r, r = 1 / sqrt(var + eps)
// db = sum g, dw = sum g xhat
// dx = w r (g - mean(g) - xhat mean(g xhat)), or w r g where mean and var do not depend on x
Tensor normalize_rows(const Tensor& x, Tensor& running_mean, Tensor& running_var,
                      const Tensor& weight, const Tensor& bias, bool training, double momentum,
                      double eps) {
  int64_t N = x.shape()[0], C = x.shape()[1];
  Tensor dense = x.detach().contiguous(), y = empty(x.shape()), xhat = empty(x.shape());
  Tensor mean = running_mean, var = running_var, r = empty({C});
  if (training) {
    mean = empty({C}), var = empty({C});
    batch_statistics(dense.data(), N, C, mean.mutable_data(), var.mutable_data());
    update_running(running_mean, running_var, mean.data(), var.data(), N, momentum);
  }
  const Scalar *in = dense.data(), *m = mean.data(), *v = var.data();
  const Scalar *w = weight.data(), *b = bias.data();
  Scalar *__restrict h = xhat.mutable_data(), *__restrict out = y.mutable_data();
  Scalar *__restrict inverse = r.mutable_data();
  for (int64_t j = 0; j < C; ++j) inverse[j] = 1 / std::sqrt(v[j] + Scalar(eps));
  for (int64_t i = 0; i < N; ++i)
    for (int64_t j = 0; j < C; ++j) {
      Scalar normal = (in[i * C + j] - m[j]) * inverse[j];
      h[i * C + j] = normal;
      out[i * C + j] = normal * w[j] + b[j];
    }
  return record(
      "batch_norm", std::move(y), inputs(x, weight, bias), saved(xhat, r, weight),
      [N, C, training](const Tensor& g, GradOf dx, GradOf dw, GradOf db, const Tensor& xhat,
                       const Tensor& r, const Tensor& weight) {
        Tensor sum_g = zeros({C}), sum_gh = zeros({C});
        const Scalar *up = g.data(), *h = xhat.data(), *w = weight.data(), *inverse = r.data();
        Scalar *__restrict sg = sum_g.mutable_data(), *__restrict sh = sum_gh.mutable_data();
        for (int64_t i = 0; i < N; ++i)
          for (int64_t j = 0; j < C; ++j) {
            sg[j] += up[i * C + j];
            sh[j] += up[i * C + j] * h[i * C + j];
          }
        if (dx) {
          Tensor d = empty(g.shape());
          Scalar* __restrict out = d.mutable_data();
          Scalar share = training ? 1 / Scalar(N) : Scalar(0);
          for (int64_t i = 0; i < N; ++i)
            for (int64_t j = 0; j < C; ++j)
              out[i * C + j] = w[j] * inverse[j] *
                               (up[i * C + j] - sg[j] * share - h[i * C + j] * (sh[j] * share));
          dx += std::move(d);
        }
        dw += std::move(sum_gh);
        db += std::move(sum_g);
      });
}

}  // namespace

Tensor batch_norm(const Tensor& x, Tensor& running_mean, Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, bool training, double momentum,
                  double eps) {
  check_defined("batch_norm", x, running_mean, running_var, weight, bias);
  CHECK(x.dim() >= 2, "[batch_norm] x ", x.shape(), ": (N, C) or (N, C, ...) wanted");
  int64_t C = x.shape()[1], N = C ? x.numel() / C : 0;
  for (const Tensor* t : inputs(running_mean, running_var, weight, bias))
    CHECK(t->shape() == Shape{C}, "[batch_norm] x ", x.shape(), " has ", C,
          " channels, but a weight, bias or statistic has shape ", t->shape());
  CHECK(!training || N > 1, "[batch_norm] x ", x.shape(), ": one value for each channel, which is",
        " its own mean, so that every output would be 0\n",
        "  leave out a last batch of one (drop_last), or call eval() to use running statistics");
  if (x.dim() == 2)
    return normalize_rows(x, running_mean, running_var, weight, bias, training, momentum, eps);
  Tensor rows = x.reshape({x.shape()[0], C, -1}).transpose(1, 2).reshape({N, C});  // channels last
  Tensor y = normalize_rows(rows, running_mean, running_var, weight, bias, training, momentum, eps);
  return y.view({x.shape()[0], -1, C}).transpose(1, 2).reshape(x.shape());
}

}  // namespace HEED_PRECISION
}  // namespace heed
