// Products of matrices: batches, broadcasting and gradients around gemm().
#include <algorithm>
#include "autograd/broadcast.h"
#include "autograd/gemm.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// Worth a second thread: multiply-adds of a product; additions.
constexpr int64_t WORTH = 1 << 19, SUMS_WORTH = 1 << 16;

Shape batch_shape(const Tensor& x) {
  return x.shape().without(x.dim() - 1).without(x.dim() - 2);
}
Strides batch_strides(const Tensor& x, const Shape& to) {
  Strides strides = x.strides().without(x.dim() - 1).without(x.dim() - 2);
  return broadcast_strides("matmul", batch_shape(x), strides, to);
}

bool batches_fit(const Tensor& a, const Tensor& b) {
  for (int i = -3; i >= -a.dim() && i >= -b.dim(); --i)
    if (a.size(i) != b.size(i) && a.size(i) != 1 && b.size(i) != 1) return false;
  return true;
}

// y = a b for two or more dimensions each, without recording.
Tensor product(const Tensor& a, const Tensor& b) {
  int da = a.dim(), db = b.dim();
  int64_t m = a.shape()[da - 2], k = a.shape()[da - 1], n = b.shape()[db - 1];
  Shape batch = broadcast_shapes("matmul", batch_shape(a), batch_shape(b));
  Tensor y = empty(batch.with(batch.rank(), m).with(batch.rank() + 1, n));
  const Scalar *p = a.data(), *q = b.data();
  Scalar* out = y.mutable_data();
  int64_t ra = a.strides()[da - 2], ca = a.strides()[da - 1];
  int64_t rb = b.strides()[db - 2], cb = b.strides()[db - 1];
  if (batch.rank() == 0) {
    gemm(m, n, k, p, ra, ca, q, rb, cb, out, n);
    return y;
  }
  const Strides in_a = batch_strides(a, batch), in_b = batch_strides(b, batch);
  const int rank = batch.rank(), innermost = rank - 1;
  const int64_t grain = std::max<int64_t>(1, WORTH / std::max<int64_t>(1, m * n * k));
  parallel_for(numel(batch), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const Scalar* from_a = p + offset_of(i, rank, batch, in_a);
      const Scalar* from_b = q + offset_of(i, rank, batch, in_b);
      const int64_t line = i - i % batch[innermost] + batch[innermost];
      const int64_t count = std::min(line, end) - i;
      gemm(m, n, k, from_a, ra, ca, from_b, rb, cb, out + i * m * n, n, false,
           {count, in_a[innermost], in_b[innermost], m * n});
      i += count;
    }
  });
  return y;
}

// db_ij += a_i g_j where a has one row. In place: a decoder reads the same b at each step.
void add_outer_products(const Tensor& a, const Tensor& g, Tensor db) {
  const int64_t k = db.size(-2), n = db.size(-1),
                batches = k * n == 0 ? 0 : db.numel() / (k * n);
  Tensor rows = a.contiguous(), to = g.contiguous();
  Scalar* sum = db.mutable_data();
  parallel_for(batches, WORTH / (8 * k * n + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      const Scalar factor = rows.data()[i];
      simd::map(
          sum + i * n, n, [factor](auto s, auto g) { return s + factor * g; }, sum + i * n,
          to.data() + i / k * n);
    }
  });
}

}  // namespace

// da = g b^T, db = a^T g, summed over batches in which a or b repeats
Tensor matmul(const Tensor& a, const Tensor& b) {
  check_defined("matmul", a, b);
  HEED_CHECK(a.dim() >= 1 && b.dim() >= 1, "[matmul] ", a.shape(), " x ", b.shape(),
             ": a scalar has no rows or columns\n  use * to multiply by a number");
  int64_t k = a.shape().back(), inner = b.size(b.dim() == 1 ? 0 : -2);
  HEED_CHECK(k == inner, "[matmul] ", a.shape(), " x ", b.shape(), ": inner sizes ", k, " and ",
             inner, " differ\n",
             "  the last size of the first must be the last but one of the second; is a",
             " transpose(-2, -1) missing?");
  if (a.dim() == 1) return matmul(a.unsqueeze(0), b).squeeze(b.dim() == 1 ? 0 : -2);
  if (b.dim() == 1) return matmul(a, b.unsqueeze(1)).squeeze(-1);
  HEED_CHECK(batches_fit(a, b), "[matmul] ", a.shape(), " x ", b.shape(), ": leading sizes ",
             batch_shape(a), " and ", batch_shape(b), " do not broadcast");
  if (a.dim() > 2 && b.dim() == 2) {  // one tall product, whose gradients are one chain each
    Shape shape = a.shape();
    shape[a.dim() - 1] = b.shape()[1];
    return matmul(a.reshape({numel(shape.without(a.dim() - 1)), k}), b).view(shape);
  }
  const bool one_row = a.size(-2) == 1 && batch_shape(a) == batch_shape(b);
  return record(
      "matmul", product(a, b), inputs(a, b),
      saved(b.requires_grad() ? a : nothing, a.requires_grad() ? b : nothing),
      [one_row](const Tensor& g, GradOf da, GradOf db, const Tensor& a, const Tensor& b) {
        if (da) da += product(g, b.transpose(-2, -1));
        if (db && one_row)
          add_outer_products(a, g, db.whole());
        else if (db)
          db += product(a.transpose(-2, -1), g);
      });
}

namespace {

// sum_j += g_ij over the rows i, up to 8192 one after the other; more of them in two parts, as in
// reduce16.h.
void add_rows(const Scalar* g, int64_t rows, int64_t out, Scalar* sum, int64_t n) {
  constexpr int64_t PIECE = 8192;
  if (rows > PIECE) {
    PoolVector<Scalar> rest(size_t(n), Scalar(0));
    const int64_t half = simd::cut(rows, PIECE);
    add_rows(g, half, out, sum, n);
    add_rows(g + half * out, rows - half, out, rest.data(), n);
    return simd::map(sum, n, simd::PLUS, sum, rest.data());
  }
  for (int64_t i = 0; i < rows; ++i) simd::map(sum, n, simd::PLUS, sum, g + i * out);
}

}  // namespace

// y = x W^T + b                                     x seen as (rows, in)
// dx = g W, dW = g^T x, db = the sum of g's rows
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_defined("linear", x, weight);
  HEED_CHECK(weight.dim() == 2 && x.dim() >= 1 && x.shape().back() == weight.shape()[1],
             "[linear] x ", x.shape(), " with weight ", weight.shape(),
             ": weight must be (out, in), and the last size", " of x must be in");
  int64_t out = weight.shape()[0], in = weight.shape()[1];
  HEED_CHECK(!bias.defined() || bias.shape() == Shape{out}, "[linear] bias ", bias.shape(),
             " with weight ", weight.shape(), ": one number for each of the ", out,
             " outputs wanted");
  Tensor flat = x.detach().contiguous(), shift = bias.detach();
  int64_t rows = 1;
  Shape shape = x.shape();
  for (int d = 0; d + 1 < x.dim(); ++d) rows *= shape[d];
  shape[x.dim() - 1] = out;
  Tensor y = empty(shape);
  Scalar* numbers = y.mutable_data();
  gemm(rows, out, in, flat.data(), in, 1, weight.data(), weight.strides()[1],
       weight.strides()[0], numbers, out);
  if (shift.defined()) {
    shift = shift.contiguous();
    parallel_for(rows, SUMS_WORTH / (out + 1) + 1, [&](int64_t begin, int64_t end) {
      for (Scalar* row = numbers + begin * out; row < numbers + end * out; row += out)
        simd::map(row, out, simd::PLUS, row, shift.data());
    });
  }
  return record(
      "linear", std::move(y), inputs(x, weight, bias),
      saved(weight.requires_grad() ? flat : nothing, x.requires_grad() ? weight : nothing),
      [rows, in, out, before = x.shape()](const Tensor& g, GradOf dx, GradOf dw, GradOf db,
                                          const Tensor& x, const Tensor& w) {
        if (dx) {
          Tensor d = empty(before);
          gemm(rows, in, out, g.data(), out, 1, w.data(), w.strides()[0], w.strides()[1],
               d.mutable_data(), in);
          dx += std::move(d);
        }
        if (dw) {
          Tensor d = empty({out, in});
          gemm(out, in, rows, g.data(), 1, out, x.data(), in, 1, d.mutable_data(), in);
          dw += std::move(d);
        }
        if (db) {
          Tensor d = zeros({out});
          Scalar* sum = d.mutable_data();
          constexpr int64_t COLUMNS = 64;  // whole lines of memory for each thread
          const int64_t pieces = (out + COLUMNS - 1) / COLUMNS;
          const int64_t grain = SUMS_WORTH / (COLUMNS * (rows + 1)) + 1;
          parallel_for(pieces, grain, [&](int64_t first, int64_t last) {
            const int64_t begin = first * COLUMNS, end = std::min(last * COLUMNS, out);
            add_rows(g.data() + begin, rows, out, sum + begin, end - begin);
          });
          db += std::move(d);
        }
      });
}

}  // namespace HEED_PRECISION
}  // namespace heed
