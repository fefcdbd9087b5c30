// softmax, the same over what a mask leaves visible, and its logarithm, along the last
// dimension (others are turned there and back).
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/parts.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"
#include "autograd/simd_math.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t ROWS_GRAIN = 1 << 13;  // numbers worth a second thread
constexpr int64_t SHORT = 64;            // numbers in a short row, at most

using V = simd::Vec<Scalar>;
constexpr int W = simd::LANES<V>;

// Calls row(first number of x's row, of y's row) for every row of n numbers. Short ones go
// through some(...) first, W rows at a time, as long as there are so many.
template <class Row, class Some> void for_rows(const Tensor& x, Tensor& y, Row row, Some some) {
  int64_t n = x.shape().back(), rows = n ? x.numel() / n : 0;
  const Scalar* in = x.data();
  Scalar* out = y.mutable_data();
  parallel_for(rows, ROWS_GRAIN / (n + 1) + 1, [=](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; n <= SHORT && i + W <= end; i += W) some(in + i * n, out + i * n);
    for (; i < end; ++i) row(in + i * n, out + i * n);
  });
}
template <class Row> void for_rows(const Tensor& x, Tensor& y, Row row) {
  for_rows(x, y, row, [row, n = x.shape().back()](const Scalar* in, Scalar* out) {
    for (int r = 0; r < W; ++r) row(in + r * n, out + r * n);
  });
}

// ---- W short rows at a time: within a row each step of a sum waits for the one before, and
// across rows nothing waits.

constexpr Scalar INF = std::numeric_limits<Scalar>::infinity();

// A number for each of W rows.
struct PerRow {
  alignas(64) Scalar numbers[W];

  explicit PerRow(V v) { simd::store(numbers, v); }
  Scalar operator[](int r) const { return numbers[r]; }
};

// What is hidden takes part neither in the maximum nor in the sum, whatever its score is.
constexpr auto VISIBLE = [](auto v, auto m) {
  return m == 0 ? simd::all<decltype(v)>(-INF) : v;
};

void powers(const Scalar* in, const Scalar* mask, Scalar most, Scalar* out, int64_t n) {
  const auto power = [most](auto v, auto m) {
    return m == 0 ? decltype(v){} : simd::exp(v - most);
  };
  simd::map(out, n, power, in, mask);
}

// masks[r]: the mask of row r, of n numbers.
void masked_rows(const Scalar* in, const Scalar* const* masks, Scalar* out, int64_t n) {
  V rows[W];
  for (int r = 0; r < W; ++r)
    rows[r] = simd::partial16(-INF, n, simd::LARGER, VISIBLE, in + r * n, masks[r]);
  const PerRow most(simd::fold_rows(rows, simd::LARGER));
  for (int r = 0; r < W; ++r) powers(in + r * n, masks[r], most[r], out + r * n, n);
  for (int r = 0; r < W; ++r)
    rows[r] = simd::partial16(Scalar(0), n, simd::PLUS, simd::ITSELF, out + r * n);
  const V total = simd::fold_rows(rows, simd::PLUS);
  const PerRow inverse(total == 0 ? V{} : 1 / total);  // 0: nothing is visible
  for (int r = 0; r < W; ++r)
    simd::map(
        out + r * n, n, [factor = inverse[r]](auto v) { return v * factor; }, out + r * n);
}

void gradient_row(const Scalar* g, const Scalar* y, Scalar total, Scalar* out, int64_t n) {
  simd::map(
      out, n, [total](auto u, auto w) { return u * w - w * total; }, g, y);
}
void gradient_rows(const Scalar* g, const Scalar* y, Scalar* out, int64_t n) {
  V rows[W];
  const auto times = [](auto u, auto w) { return u * w; };
  for (int r = 0; r < W; ++r)
    rows[r] = simd::partial16(Scalar(0), n, simd::PLUS, times, g + r * n, y + r * n);
  const PerRow total(simd::fold_rows(rows, simd::PLUS));
  for (int r = 0; r < W; ++r) gradient_row(g + r * n, y + r * n, total[r], out + r * n, n);
}

// ---- Gradient, masks

// dx = y (g - sum_j y_j g_j), row by row
Tensor softmax_gradient(const Tensor& g, const Tensor& y) {
  Tensor d = empty(y.shape());
  int64_t n = y.shape().back();
  const Scalar *upstream = g.data(), *first = y.data();
  for_rows(
      y, d,
      [=](const Scalar* w, Scalar* out) {
        const Scalar* u = upstream + (w - first);
        gradient_row(u, w, simd::dot16(u, w, n), out, n);
      },
      [=](const Scalar* w, Scalar* out) { gradient_rows(upstream + (w - first), w, out, n); });
  return d;
}

void masked_row(const Scalar* in, const Scalar* mask, Scalar* out, int64_t n) {
  Scalar most = simd::reduce16(-INF, n, simd::LARGER, VISIBLE, in, mask);
  powers(in, mask, most, out, n);
  const Scalar total = simd::sum16(out, n), inverse = total == 0 ? 0 : 1 / total;
  for (int64_t j = 0; j < n; ++j) out[j] *= inverse;
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
  Scalar all_visible[SHORT];
  std::fill_n(all_visible, SHORT, Scalar(1));
  const Scalar* masks[W];
  std::fill_n(masks, W, all_visible);
  for_rows(
      dense, y,
      [n](const Scalar* in, Scalar* out) {
        Scalar most = simd::max16(in, n);
        simd::map(
            out, n, [most](auto v) { return simd::exp(v - most); }, in);
        Scalar inverse = 1 / simd::sum16(out, n);
        for (int64_t j = 0; j < n; ++j) out[j] *= inverse;
      },
      [n, &masks](const Scalar* in, Scalar* out) { masked_rows(in, masks, out, n); });
  return record(
      "softmax", y, inputs(x), saved(y),
      [](const Tensor& g, GradOf dx, const Tensor& y) { dx += softmax_gradient(g, y); });
}

// y_i = e^(x_i - max) / sum_j e^(x_j - max) over the visible, 0 for the hidden
// dx = y (g - sum_j y_j g_j)                        0 for the hidden, since y is
Tensor masked_softmax(const Tensor& x, const Tensor& mask) {
  check_defined("masked_softmax", x, mask);
  HEED_CHECK(x.dim() >= 1, "[masked_softmax] a scalar has no row");
  HEED_CHECK(broadcast_shapes("masked_softmax", x.shape(), mask.shape()) == x.shape(),
             "[masked_softmax] x ", x.shape(), " with mask ", mask.shape(),
             ": the mask must broadcast to x, not x to the mask");
  Tensor dense = x.detach().contiguous(), y = empty(x.shape());
  int64_t n = x.shape().back();
  const Parts rows(mask.detach().expand(x.shape()), 1);
  const Scalar* first = dense.data();
  for_rows(
      dense, y,
      [&, n](const Scalar* in, Scalar* out) { masked_row(in, rows[(in - first) / n], out, n); },
      [&, n](const Scalar* in, Scalar* out) {
        const Scalar* masks[W];
        rows.find((in - first) / n, W, masks);
        masked_rows(in, masks, out, n);
      });
  return record(
      "masked_softmax", y, inputs(x), saved(y),
      [](const Tensor& g, GradOf dx, const Tensor& y) { dx += softmax_gradient(g, y); });
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
    simd::map(
        out, n, [most](auto v) { return simd::exp(v - most); }, in);
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
