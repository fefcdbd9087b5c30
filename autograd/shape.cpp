// Views and copies. A view's gradient is the same rearrangement backwards.
#include "autograd/broadcast.h"
#include "autograd/copy_matrix.h"
#include "autograd/graph.h"
#include "autograd/loops.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"

namespace heed {
inline namespace HEED_PRECISION {

// ---- broadcasting
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  Shape y = a.rank() >= b.rank() ? a : b;
  int shift_a = y.rank() - a.rank(), shift_b = y.rank() - b.rank();
  for (int i = 0; i < y.rank(); ++i) {
    int64_t p = i < shift_a ? 1 : a[i - shift_a], q = i < shift_b ? 1 : b[i - shift_b];
    HEED_CHECK(p == q || p == 1 || q == 1, "[", op, "] shapes ", a, " and ", b,
          " do not broadcast: sizes ", p, " and ", q, " differ\n",
          "  sizes are compared from the last one backwards; unsqueeze() inserts a size of 1");
    y[i] = p == 1 ? q : p;
  }
  return y;
}

Strides broadcast_strides(const char* op, const Shape& shape, const Strides& strides,
                          const Shape& to) {
  int shift = to.rank() - shape.rank();
  HEED_CHECK(shift >= 0, "[", op, "] shape ", shape, " does not broadcast to ", to);
  Strides result = to;
  for (int i = 0; i < to.rank(); ++i) {
    bool repeats = i < shift || (shape[i - shift] == 1 && to[i] != 1);
    HEED_CHECK(repeats || shape[i - shift] == to[i], "[", op, "] shape ", shape,
               " does not broadcast to ", to, ": sizes ", shape[i - shift], " and ", to[i],
               " differ");
    result[i] = repeats ? 0 : strides[i - shift];
  }
  return result;
}

// ---- views
Tensor Tensor::with(const Shape& shape, const Strides& strides, int64_t offset) const {
  return Tensor(storage_, offset, shape, strides);
}

// Fills in a size of -1 and compares the counts.
static Shape resolve(const char* op, const Tensor& x, Shape shape) {
  int64_t known = 1;
  int unknown = -1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] != -1) {
      HEED_CHECK(!__builtin_mul_overflow(known, shape[i], &known), "[", op, "] ", x.shape(),
                 " to ", shape, ", which is too large");
      continue;
    }
    HEED_CHECK(unknown < 0, "[", op, "] ", shape, " has more than one -1");
    unknown = i;
  }
  if (unknown >= 0) {
    HEED_CHECK(known > 0 && x.numel() % known == 0, "[", op, "] ", x.shape(), " to ", shape,
               ": ", x.numel(), " numbers do not divide by ", known);
    shape[unknown] = x.numel() / known;
  }
  HEED_CHECK(numel(shape) == x.numel(), "[", op, "] ", x.shape(), " to ", shape, ": ",
             x.numel(), " numbers are not ", numel(shape));
  return shape;
}

Tensor Tensor::view(const Shape& wanted) const {
  check_defined("view", *this);
  Shape shape = resolve("view", *this, wanted);
  HEED_CHECK(is_contiguous(), "[view] ", shape_, " to ", shape, ": the numbers, with strides ",
             strides_, ", do not lie in row-major order\n",
             "  call contiguous() first, which copies them into that order (or use reshape())");
  Tensor y = with(shape, contiguous_strides(shape), offset_);
  return record_moved("view", std::move(y), inputs(*this), saved(),
                      [before = shape_](const Tensor& g, GradOf dx) { dx += g.view(before); });
}

Tensor Tensor::reshape(const Shape& wanted) const {
  check_defined("reshape", *this);
  Shape shape = resolve("reshape", *this, wanted);
  return contiguous().view(shape);
}

Tensor Tensor::transpose(int dim0, int dim1) const {
  check_defined("transpose", *this);
  int i = wrap_dim("transpose", dim0, dim()), j = wrap_dim("transpose", dim1, dim());
  Shape shape = shape_;
  Strides strides = strides_;
  std::swap(shape[i], shape[j]);
  std::swap(strides[i], strides[j]);
  return record_moved("transpose", with(shape, strides, offset_), inputs(*this), saved(),
                      [i, j](const Tensor& g, GradOf dx) { dx += g.transpose(i, j); });
}

Tensor Tensor::permute(std::initializer_list<int> dims) const {
  check_defined("permute", *this);
  HEED_CHECK(int(dims.size()) == dim(), "[permute] ", dims.size(), " dimensions for shape ",
             shape_);
  Shape shape = shape_;
  Strides strides = strides_;
  std::array<int, Shape::MAX_RANK> from{};
  bool seen[Shape::MAX_RANK] = {};
  int i = 0;
  for (int d : dims) {
    d = wrap_dim("permute", d, dim());
    HEED_CHECK(!std::exchange(seen[d], true), "[permute] dimension ", d, " occurs twice");
    shape[i] = shape_[d];
    strides[i] = strides_[d];
    from[size_t(i++)] = d;
  }
  return record_moved("permute", with(shape, strides, offset_), inputs(*this), saved(),
                      [from, before = shape_](const Tensor& g, GradOf dx) {
                        Strides back = before;
                        for (int k = 0; k < before.rank(); ++k)
                          back[from[size_t(k)]] = g.strides()[k];
                        dx += Tensor(g.storage(), g.offset(), before, back);
                      });
}

Tensor Tensor::expand(const Shape& wanted) const {
  check_defined("expand", *this);
  Shape shape = wanted;
  int shift = shape.rank() - dim();
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1 && i >= shift) shape[i] = shape_[i - shift];
    HEED_CHECK(shape[i] >= 0, "[expand] ", shape_, " to ", wanted, ": size ", shape[i],
          " is possible only as -1, for a size that is there already");
  }
  Strides strides = broadcast_strides("expand", shape_, strides_, shape);
  heed::numel(shape);  // throws if it is too large
  return record_moved("expand", with(shape, strides, offset_), inputs(*this), saved(),
                      [](const Tensor& g, GradOf dx) { dx += g; });  // summed back on arrival
}

Tensor Tensor::narrow(int dim, int64_t start, int64_t length) const {
  check_defined("narrow", *this);
  int d = wrap_dim("narrow", dim, this->dim());
  HEED_CHECK(start >= 0 && length >= 0 && start <= shape_[d] - length, "[narrow] ", start,
             " to ", start, " + ", length, " in dimension ", d, " of shape ", shape_);
  Shape shape = shape_;
  shape[d] = length;
  return record_moved("narrow", with(shape, strides_, offset_ + start * strides_[d]),
                      inputs(*this), saved(), [d, start, length](const Tensor& g, GradOf dx) {
                        if (dx) dx.whole().narrow(d, start, length).add_(g);
                      });
}

Tensor Tensor::select(int dim, int64_t index) const {
  check_defined("select", *this);
  int d = wrap_dim("select", dim, this->dim());
  HEED_CHECK(index >= -shape_[d] && index < shape_[d], "[select] index ", index,
             " in dimension ", d, " of shape ", shape_);
  return narrow(d, index < 0 ? index + shape_[d] : index, 1).squeeze(d);
}

Tensor Tensor::squeeze(int dim) const {
  check_defined("squeeze", *this);
  int d = wrap_dim("squeeze", dim, this->dim());
  if (shape_[d] != 1) return *this;
  return record_moved("squeeze", with(shape_.without(d), strides_.without(d), offset_),
                      inputs(*this), saved(),
                      [d](const Tensor& g, GradOf dx) { dx += g.unsqueeze(d); });
}

Tensor Tensor::unsqueeze(int dim) const {
  check_defined("unsqueeze", *this);
  int d = wrap_dim("unsqueeze", dim, this->dim() + 1);
  int64_t step = d < this->dim() ? shape_[d] * strides_[d] : 1;
  return record_moved("unsqueeze", with(shape_.with(d, 1), strides_.with(d, step), offset_),
                      inputs(*this), saved(),
                      [d](const Tensor& g, GradOf dx) { dx += g.squeeze(d); });
}

// ---- copies
Tensor Tensor::contiguous() const {
  check_defined("contiguous", *this);
  return is_contiguous() ? *this : clone();
}

// x's numbers in row-major order: in runs as long as can be, or else matrix by matrix, up to 64
// rows at a time.
static void copy_numbers(const Tensor& x, Scalar* out) {
  constexpr int64_t WORTH = 1 << 16, ROWS = 64;  // numbers worth a second thread
  if (x.is_contiguous()) return void(std::copy_n(x.data(), x.numel(), out));
  if (x.dim() == 1) return copy_numbers(x.unsqueeze(0), out);
  const int outer = x.dim() - 2;
  const int64_t m = x.size(-2), n = x.size(-1), row = x.strides()[outer],
                column = x.strides()[outer + 1];
  if (column == 1 && row == n)
    return Walk<2>(x.shape(), {contiguous_strides(x.shape()), x.strides()})
        .run([&](auto at, int64_t count, auto step) {
          if (step[1] == 1) return void(std::copy_n(x.data() + at[1], count, out + at[0]));
          // m = n = 1: a row of matrices
          for (int64_t i = 0; i < count; ++i) out[at[0] + i] = x.data()[at[1] + i * step[1]];
        });
  const int64_t matrices = x.numel() / std::max<int64_t>(1, m * n);
  const int64_t pieces = (m + ROWS - 1) / ROWS, size = std::min(m, ROWS) * n;
  parallel_for(matrices * pieces, WORTH / (size + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * ROWS, matrix = i / pieces;
      const Scalar* from = x.data() + offset_of(matrix, outer, x.shape(), x.strides());
      copy_matrix(std::min(ROWS, m - first), n, from + first * row, row, column,
                  out + (matrix * m + first) * n, n);
    }
  });
}

Tensor Tensor::clone() const {
  check_defined("clone", *this);
  Tensor y = empty(shape_);
  copy_numbers(detach(), y.mutable_data());
  return record_moved("clone", std::move(y), inputs(*this), saved(),
                      [](const Tensor& g, GradOf dx) { dx += g; });
}

Tensor cat(std::span<const Tensor> xs, int dim) {
  HEED_CHECK(!xs.empty(), "[cat] no tensors");
  for (const Tensor& x : xs) check_defined("cat", x);
  int d = wrap_dim("cat", dim, xs[0].dim());
  Shape shape = xs[0].shape();
  shape[d] = 0;
  PoolVector<int64_t> starts;
  for (const Tensor& x : xs) {
    Shape rest = x.shape();
    if (rest.rank() == shape.rank()) rest[d] = shape[d];
    HEED_CHECK(rest == shape, "[cat] ", xs[0].shape(), " and ", x.shape(),
          " differ in more than dimension ", d);
    starts.push_back(shape[d]);
    shape[d] += x.shape()[d];
  }
  Tensor y = empty(shape);
  for (size_t i = 0; i < xs.size(); ++i)
    y.narrow(d, starts[i], xs[i].shape()[d]).copy_(xs[i].detach());
  starts.push_back(shape[d]);
  return record("cat", std::move(y), xs,
                [d, starts](const Tensor& g, std::span<const GradOf> dx) {
                  for (size_t i = 0; i < dx.size(); ++i)
                    if (dx[i]) dx[i] += g.narrow(d, starts[i], starts[i + 1] - starts[i]);
                });
}
Tensor cat(std::initializer_list<Tensor> xs, int dim) {
  return cat(std::span<const Tensor>(xs.begin(), xs.size()), dim);
}

Tensor stack(std::span<const Tensor> xs, int dim) {
  HEED_CHECK(!xs.empty(), "[stack] no tensors");
  int d = wrap_dim("stack", dim, xs[0].dim() + 1);
  PoolVector<Tensor> layers;
  for (const Tensor& x : xs) {
    check_defined("stack", x);
    HEED_CHECK(x.shape() == xs[0].shape(), "[stack] shapes ", xs[0].shape(), " and ",
          x.shape(), " differ");
    layers.push_back(x.unsqueeze(d));
  }
  return cat(layers, d);
}
Tensor stack(std::initializer_list<Tensor> xs, int dim) {
  return stack(std::span<const Tensor>(xs.begin(), xs.size()), dim);
}

namespace {

// y[i] = x[index[i]]
Tensor gather_rows(const char* op, const Tensor& x, std::span<const int> index) {
  check_defined(op, x);
  HEED_CHECK(x.dim() >= 1, "[", op, "] a scalar has no rows");
  Tensor rows = x.detach().contiguous();
  int64_t count = x.shape()[0], width = count ? x.numel() / count : 0;
  Shape shape = x.shape();
  shape[0] = int64_t(index.size());
  Tensor y = empty(shape);
  Scalar* out = y.mutable_data();
  for (size_t i = 0; i < index.size(); ++i) {
    HEED_CHECK(index[i] >= 0 && index[i] < count, "[", op, "] index ", index[i], " at place ",
               i, " for ", x.shape(), " (valid: 0 to ", count - 1, ")");
    std::copy_n(rows.data() + index[i] * width, width, out + int64_t(i) * width);
  }
  return y;
}

// dx[index[i]] += g[i], but nothing for the row `left_out`. In place: a decoder looks up a few
// words of a large table at each step.
void scatter_rows(const Tensor& g, std::span<const int> index, int left_out, Tensor dx) {
  int64_t width = dx.size(0) ? dx.numel() / dx.size(0) : 0;
  Scalar* sum = dx.mutable_data();
  for (size_t i = 0; i < index.size(); ++i)
    if (index[i] != left_out)
      for (int64_t j = 0; j < width; ++j)
        sum[index[i] * width + j] += g.data()[int64_t(i) * width + j];
}

}  // namespace

// dx[index[i]] += g[i]
Tensor index_select(const Tensor& x, std::span<const int> index) {
  return record("index_select", gather_rows("index_select", x, index), inputs(x), saved(),
                [ids = PoolVector<int>(index.begin(), index.end())](const Tensor& g, GradOf dx) {
                  if (dx) scatter_rows(g, ids, /*left_out=*/-1, dx.whole());
                });
}

// dw[ids[i]] += g[i], but for padding_idx
Tensor embedding(std::span<const int> ids, const Tensor& weight, int padding_idx) {
  Tensor rows = gather_rows("embedding", weight, ids);
  HEED_CHECK(padding_idx >= -1 && padding_idx < weight.size(0), "[embedding] padding_idx ",
             padding_idx, " for a weight ", weight.shape(),
             ": one of its rows wanted, or -1 for none");
  return record("embedding", std::move(rows), inputs(weight), saved(),
                [padding_idx, kept = PoolVector<int>(ids.begin(), ids.end())](const Tensor& g,
                                                                              GradOf dw) {
                  if (dw) scatter_rows(g, kept, padding_idx, dw.whole());
                });
}

}  // namespace HEED_PRECISION
}  // namespace heed
