// softmax and its logarithm, along the last dimension (others are turned there and back).
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t ROWS_GRAIN = 1 << 13;  // numbers worth a second thread

// Calls row(first number of x's row, of y's row) for every row of n numbers.
template <class Row> void for_rows(const Tensor& x, Tensor& y, Row row) {
  int64_t n = x.shape().back(), rows = n ? x.numel() / n : 0;
  const Scalar* in = x.data();
  Scalar* out = y.mutable_data();
  parallel_for(rows, ROWS_GRAIN / (n + 1) + 1, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(in + i * n, out + i * n);
  });
}

// Does `dim` need a turn to the back?
bool is_last(const char* op, const Tensor& x, int dim) {
  check_defined(op, x);
  return wrap_dim(op, dim, x.dim()) == x.dim() - 1;
}

}  // namespace

// y_i = e^(x_i - max) / sum_j e^(x_j - max)         subtracting the largest avoids overflow
// dx = y (g - sum_j y_j g_j)                        needs only y
Tensor softmax(const Tensor& x, int dim) {
  if (!is_last("softmax", x, dim))
    return softmax(x.transpose(dim, -1), -1).transpose(dim, -1).contiguous();
  Tensor dense = x.detach().contiguous(), y = empty(x.shape());
  int64_t n = x.shape().back();
  for_rows(dense, y, [n](const Scalar* in, Scalar* out) {
    Scalar most = simd::max16(in, n);
    simd::map(out, n, [most](auto v) { return simd::exp(v - most); }, in);
    Scalar inverse = 1 / simd::sum16(out, n);
    for (int64_t j = 0; j < n; ++j) out[j] *= inverse;
  });
  return record("softmax", y, inputs(x), saved(y),
                [n](const Tensor& g, GradOf dx, const Tensor& y) {
                  Tensor d = g * y;
                  const Scalar* weights = y.data();
                  for_rows(d, d, [&, n](const Scalar* in, Scalar* out) {
                    const Scalar* w = weights + (in - d.data());
                    Scalar total = simd::sum16(in, n);
                    for (int64_t j = 0; j < n; ++j) out[j] = in[j] - w[j] * total;
                  });
                  dx += std::move(d);
                });
}

// y_i = x_i - max - ln sum_j e^(x_j - max)
// dx = g - e^y sum_j g_j                            needs only y
Tensor log_softmax(const Tensor& x, int dim) {
  if (!is_last("log_softmax", x, dim))
    return log_softmax(x.transpose(dim, -1), -1).transpose(dim, -1).contiguous();
  Tensor dense = x.detach().contiguous(), y = empty(x.shape());
  int64_t n = x.shape().back();
  for_rows(dense, y, [n](const Scalar* in, Scalar* out) {
    Scalar most = simd::max16(in, n);
    simd::map(out, n, [most](auto v) { return simd::exp(v - most); }, in);
    Scalar shift = simd::log(simd::sum16(out, n));
    for (int64_t j = 0; j < n; ++j) out[j] = in[j] - most - shift;
  });
  return record("log_softmax", y, inputs(x), saved(y),
                [n](const Tensor& g, GradOf dx, const Tensor& y) {
                  Tensor d = exp(y);
                  const Scalar* upstream = g.data();
                  for_rows(d, d, [&, n](const Scalar* in, Scalar* out) {
                    const Scalar* u = upstream + (in - d.data());
                    Scalar total = simd::sum16(u, n);
                    for (int64_t j = 0; j < n; ++j) out[j] = u[j] - in[j] * total;
                  });
                  dx += std::move(d);
                });
}

}  // namespace HEED_PRECISION
}  // namespace heed
