// Reductions. A sum's order depends on the index along the summed dimensions alone: number i
// goes to partial sum i mod 16, and the sixteen are added as a tree; long sums are cut into parts
// (reduce16.h). So a result has the same bits whatever the strides, the other sizes, the vectors
// and the threads; and appended zeros, which padding makes, change nothing.
#include <limits>
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/loops.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t GRAIN = 1 << 15;

// Which dimensions are reduced: bit d for dimension d.
struct DimSet {
  unsigned bits = 0;
  bool has(int d) const { return bits >> d & 1; }
};

DimSet all_dims(const char* op, const Tensor& x) {
  check_defined(op, x);
  return {(1u << x.dim()) - 1};
}

DimSet dim_set(const char* op, const Tensor& x, Dims dims) {
  check_defined(op, x);
  if (dims.size() == 0) return all_dims(op, x);
  DimSet set;
  for (int d : dims) {
    d = wrap_dim(op, d, x.dim());
    HEED_CHECK(!set.has(d), "[", op, "] dimension ", d, " is given twice");
    set.bits |= 1u << d;
  }
  return set;
}

// The result's shape if reduced dimensions stay with size 1, and if they vanish.
Shape kept_shape(Shape shape, DimSet dims) {
  for (int d = 0; d < shape.rank(); ++d)
    if (dims.has(d)) shape[d] = 1;
  return shape;
}
Shape dropped_shape(const Shape& shape, DimSet dims) {
  Shape result;
  for (int d = 0; d < shape.rank(); ++d)
    if (!dims.has(d)) result = result.with(result.rank(), shape[d]);
  return result;
}
int64_t reduced_count(const Shape& shape, DimSet dims) {
  int64_t n = 1;
  for (int d = 0; d < shape.rank(); ++d)
    if (dims.has(d)) n *= shape[d];
  return n;
}

// x without its graph, dense, with the reduced dimensions last: one row a result.
Tensor as_rows(const Tensor& x, DimSet dims) {
  Shape shape, strides;
  for (bool reduced : {false, true})
    for (int d = 0; d < x.dim(); ++d)
      if (dims.has(d) == reduced) {
        strides = strides.with(shape.rank(), x.strides()[d]);
        shape = shape.with(shape.rank(), x.shape()[d]);
      }
  return Tensor(x.storage(), x.offset(), shape, strides).contiguous();
}

// If x is dense and the reduced dimensions are neighbours, x is (outer, rows, columns).
bool is_block(const Tensor& x, DimSet dims, int64_t& outer, int64_t& rows, int64_t& columns) {
  outer = rows = columns = 1;
  for (int d = 0; d < x.dim(); ++d) {
    if (dims.has(d) && columns > 1) return false;
    (dims.has(d) ? rows : rows == 1 ? outer : columns) *= x.shape()[d];
  }
  return x.is_contiguous() && columns > 1;
}

// y = sum x / divisor, recorded under the name of the operation that it is for
Tensor sum_over(const char* op, const Tensor& x, DimSet dims, bool keepdim,
                Scalar divisor = 1) {
  Shape kept = kept_shape(x.shape(), dims);
  Tensor y = empty(keepdim ? kept : dropped_shape(x.shape(), dims));
  Scalar* out = y.mutable_data();
  int64_t outer, rows, columns;
  if (is_block(x, dims, outer, rows, columns)) {
    const Scalar* in = x.data();
    parallel_for(outer, GRAIN / (rows * columns + 1) + 1, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        simd::sum16_rows(in + i * rows * columns, rows, columns, out + i * columns, columns);
    });
  } else {
    Tensor dense = as_rows(x, dims);
    const Scalar* in = dense.data();
    int64_t n = reduced_count(x.shape(), dims);
    parallel_for(y.numel(), GRAIN / (n + 1) + 1, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = simd::pairwise16(in + i * n, n);
    });
  }
  if (divisor != 1)
    for (int64_t i = 0; i < y.numel(); ++i) out[i] /= divisor;
  return record(op, std::move(y), inputs(x), saved(),
                [kept, divisor, shape = x.shape()](const Tensor& g, GradOf dx) {
                  Tensor share = divisor == 1 ? g : g / double(divisor);
                  dx += share.view(kept).expand(shape);
                });
}

Tensor mean_over(const char* op, const Tensor& x, DimSet dims, bool keepdim) {
  int64_t n = reduced_count(x.shape(), dims);
  HEED_CHECK(n > 0, "[", op, "] of no numbers: shape ", x.shape());
  return sum_over(op, x, dims, keepdim, Scalar(n));
}

Tensor var_over(const Tensor& x, DimSet dims, int correction, bool keepdim) {
  int64_t n = reduced_count(x.shape(), dims);
  HEED_CHECK(n > correction, "[var] of ", n, n == 1 ? " number" : " numbers", " divides by ", n,
             " - ", correction,
             "\n  correction = 0 gives the biased variance, which is defined for one");
  Tensor centred = x - mean_over("var", x, dims, true);
  return sum_over("var", centred * centred, dims, keepdim, Scalar(n - correction));
}

Tensor max_over(const Tensor& x, DimSet dims, bool keepdim) {
  int64_t n = reduced_count(x.shape(), dims);
  HEED_CHECK(n > 0, "[max] of no numbers: shape ", x.shape());
  Shape kept = kept_shape(x.shape(), dims);
  Tensor dense = as_rows(x, dims), y = empty(keepdim ? kept : dropped_shape(x.shape(), dims));
  Scalar* out = y.mutable_data();
  for (int64_t i = 0; i < y.numel(); ++i) out[i] = simd::max16(dense.data() + i * n, n);
  return record("max", y, inputs(x), saved(x, y),
                [kept, dims](const Tensor& g, GradOf dx, const Tensor& x, const Tensor& y) {
                  // Which are the largest? NaN, as a difference of infinities, counts as equal.
                  Tensor below = x - y.view(kept) < 0;
                  Tensor ties = 1 - below, count = sum_over("max", ties, dims, true);
                  Scalar* n = count.mutable_data();  // NaN where the largest is
                  for (int64_t i = 0; i < y.numel(); ++i)
                    if (y.data()[i] != y.data()[i]) n[i] = y.data()[i];
                  dx += ties * (g.view(kept) / count);
                });
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_over("sum", x, all_dims("sum", x), false); }
Tensor sum(const Tensor& x, Dims dims, bool keepdim) {
  return sum_over("sum", x, dim_set("sum", x, dims), keepdim);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  check_defined("sum_to", x);
  broadcast_strides("sum_to", shape, shape, x.shape());  // does shape broadcast to x's?
  DimSet dims;
  int shift = x.dim() - shape.rank();
  for (int d = 0; d < x.dim(); ++d)
    if (d < shift || (shape[d - shift] == 1 && x.shape()[d] != 1)) dims.bits |= 1u << d;
  return sum_over("sum_to", x, dims, true).view(shape);
}

Tensor mean(const Tensor& x) { return mean_over("mean", x, all_dims("mean", x), false); }
Tensor mean(const Tensor& x, Dims dims, bool keepdim) {
  return mean_over("mean", x, dim_set("mean", x, dims), keepdim);
}

Tensor var(const Tensor& x, int correction) {
  return var_over(x, all_dims("var", x), correction, false);
}
Tensor var(const Tensor& x, Dims dims, int correction, bool keepdim) {
  return var_over(x, dim_set("var", x, dims), correction, keepdim);
}

Tensor max(const Tensor& x) { return max_over(x, all_dims("max", x), false); }
Tensor max(const Tensor& x, Dims dims, bool keepdim) {
  return max_over(x, dim_set("max", x, dims), keepdim);
}

std::vector<int> argmax(const Tensor& x, int dim) {
  DimSet dims = dim_set("argmax", x, {dim});
  int64_t n = reduced_count(x.shape(), dims);
  HEED_CHECK(n > 0, "[argmax] of no numbers: shape ", x.shape());
  Tensor dense = as_rows(x, dims);
  std::vector<int> result(size_t(dense.numel() / n));
  for (size_t i = 0; i < result.size(); ++i) {
    const Scalar* row = dense.data() + int64_t(i) * n;
    int64_t best = 0;  // a NaN is the largest of all, as in PyTorch
    for (int64_t j = 1; j < n && row[best] == row[best]; ++j)
      if (row[j] > row[best] || row[j] != row[j]) best = j;
    result[i] = int(best);
  }
  return result;
}

}  // namespace HEED_PRECISION
}  // namespace heed
