// softmax, the same over what a mask leaves visible, and its logarithm, along the last
// dimension (others are turned there and back).
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/parts.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t ROWS_GRAIN = 1 << 13;  // numbers worth a second thread

using V = simd::Vec<Scalar>;
constexpr int W = simd::LANES<V>;

// Numbers in a short row, at most. With sixteen lanes a row of 64 is four vectors, which are
// done sooner than turned round.
constexpr int64_t SHORT = W == 16 ? 32 : 64;

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

// ---- W short rows at a time: a row is a lane. Within a row each step waits for the one
// before; across rows nothing waits. The sums are those of reduce16.h.

// Lane r of place j is number j of row r.
struct Turned {
  alignas(64) Scalar numbers[SHORT * W];

  template <class Rows> void load(Rows rows, int64_t n) {
    for (int r = 0; r < W; ++r) {
      const Scalar* row = rows(r);
      for (int64_t j = 0; j < n; ++j) numbers[j * W + r] = row[j];
    }
  }
  V operator[](int64_t j) const { return simd::load<V>(numbers + j * W); }
  void set(int64_t j, V v) { simd::store(numbers + j * W, v); }
  void store(Scalar* rows, int64_t n) const {
    for (int r = 0; r < W; ++r)
      for (int64_t j = 0; j < n; ++j) rows[r * n + j] = numbers[j * W + r];
  }
};

struct Sums {
  V part[16] = {};

  void add(int64_t j, V v) { part[j % 16] += v; }
  V total() {
    for (int half = 8; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) part[i] += part[i + half];
    return part[0];
  }
};

// mask(r): the mask of row r, of n numbers.
template <class MaskOf>
void masked_rows(const Scalar* in, MaskOf mask, Scalar* out, int64_t n) {
  const V hidden = simd::all<V>(-std::numeric_limits<Scalar>::infinity());
  Turned x, may;
  x.load([=](int r) { return in + r * n; }, n);
  may.load(mask, n);
  V most = hidden, seen = {};
  for (int64_t j = 0; j < n; ++j) {
    most = simd::max(most, may[j] == 0 ? hidden : x[j]);
    seen = simd::max(seen, may[j]);
  }
  Sums sums;
  for (int64_t j = 0; j < n; ++j) {
    V power = may[j] == 0 ? V{} : simd::exp(x[j] - most);
    x.set(j, power);
    sums.add(j, power);
  }
  V inverse = seen == 0 ? V{} : 1 / sums.total();
  for (int64_t j = 0; j < n; ++j) x.set(j, x[j] * inverse);
  x.store(out, n);
}

void gradient_rows(const Scalar* g, const Scalar* y, Scalar* out, int64_t n) {
  Turned u, w;
  u.load([=](int r) { return g + r * n; }, n);
  w.load([=](int r) { return y + r * n; }, n);
  Sums sums;
  for (int64_t j = 0; j < n; ++j) sums.add(j, u[j] * w[j]);
  const V total = sums.total();
  for (int64_t j = 0; j < n; ++j) u.set(j, u[j] * w[j] - w[j] * total);
  u.store(out, n);
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
        Scalar total = simd::dot16(u, w, n);
        simd::map(
            out, n, [total](auto u, auto w) { return u * w - w * total; }, u, w);
      },
      [=](const Scalar* w, Scalar* out) { gradient_rows(upstream + (w - first), w, out, n); });
  return d;
}

// What is hidden takes part neither in the maximum nor in the sum, whatever its score is.
void masked_row(const Scalar* in, const Scalar* mask, Scalar* out, int64_t n) {
  constexpr Scalar INF = std::numeric_limits<Scalar>::infinity();
  const auto visible = [](auto v, auto m) { return m == 0 ? simd::all<decltype(v)>(-INF) : v; };
  Scalar most = simd::reduce16(-INF, n, simd::LARGER, visible, in, mask);
  if (most == -INF && simd::max16(mask, n) == 0) {  // nothing is visible
    std::fill_n(out, n, Scalar(0));
    return;
  }
  const auto power = [most](auto v, auto m) {
    return m == 0 ? decltype(v){} : simd::exp(v - most);
  };
  simd::map(out, n, power, in, mask);
  Scalar inverse = 1 / simd::sum16(out, n);
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
  for_rows(
      dense, y,
      [n](const Scalar* in, Scalar* out) {
        Scalar most = simd::max16(in, n);
        simd::map(
            out, n, [most](auto v) { return simd::exp(v - most); }, in);
        Scalar inverse = 1 / simd::sum16(out, n);
        for (int64_t j = 0; j < n; ++j) out[j] *= inverse;
      },
      [n, &all_visible](const Scalar* in, Scalar* out) {
        masked_rows(
            in, [&](int) { return all_visible; }, out, n);
      });
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
        masked_rows(
            in, [&, row = (in - first) / n](int r) { return rows[row + r]; }, out, n);
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
