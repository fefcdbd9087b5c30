#include "autograd/tensor.h"
#include <algorithm>
#include <cmath>
#include <new>
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/loops.h"
#include "autograd/parallel.h"
#include "autograd/random.h"

namespace heed {
inline namespace HEED_PRECISION {

Ref<Storage> Storage::make(int64_t count) {
  size_t bytes = sizeof(Storage) + size_t(count) * sizeof(Scalar);
  void* block = nullptr;
  try {
    block = pool_take(bytes);
  } catch (const std::bad_alloc&) { fail("[memory] there is none for ", count, " numbers"); }
  auto* storage = new (block) Storage;
  storage->bytes = bytes;
#ifdef HEED_TEST  // whoever reads a number that was never written is found out
  std::fill_n(storage->data(), count, Scalar(NAN));
#endif
  return Ref<Storage>::adopt(storage);
}

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  for (int i = dim() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return numel() == 0;
    step *= shape_[i];
  }
  return true;
}

// ---- reading and writing single numbers
static int64_t position(const char* op, const Tensor& x, std::initializer_list<int64_t> index) {
  check_defined(op, x);
  HEED_CHECK(int(index.size()) == x.dim(), "[", op, "] ", index.size(),
             " indexes for a tensor of shape ", x.shape());
  int64_t at = 0;
  int d = 0;
  for (int64_t i : index) {
    HEED_CHECK(i >= 0 && i < x.shape()[d], "[", op, "] index ", i, " in dimension ", d,
               " of shape ", x.shape(), " (valid: 0 to ", x.shape()[d] - 1, ")");
    at += i * x.strides()[d++];
  }
  return at;
}

Scalar Tensor::item() const {
  check_defined("item", *this);
  HEED_CHECK(numel() == 1, "[item] needs a tensor with one element, not shape ", shape_);
  return *data();
}

Scalar Tensor::at(std::initializer_list<int64_t> index) const {
  int64_t at = position("at", *this, index);
  return data()[at];
}

void Tensor::set(std::initializer_list<int64_t> index, Scalar value) {
  check_may_change("set");
  int64_t at = position("set", *this, index);
  mutable_data()[at] = value;
}

std::vector<Scalar> Tensor::to_vector() const {
  check_defined("to_vector", *this);
  Tensor x = detach().contiguous();
  return {x.data(), x.data() + numel()};
}

// ---- changes in place
void Tensor::check_may_change(const char* op) const {
  check_defined(op, *this);
  HEED_CHECK(!requires_grad() || !grad_enabled, "[", op, "] this tensor of shape ", shape_,
        " takes part in a graph, and a change in place would falsify its gradients\n",
        "  put `NoGrad guard;` before it, or compute a new tensor instead");
  for (int d = 0; d < dim(); ++d)
    HEED_CHECK(shape_[d] <= 1 || strides_[d] != 0 || numel() == 0, "[", op,
               "] in this tensor of shape ", shape_,
               " expand() lets several places share one number\n  clone() it first");
}

// The numbers of `source`, repeated to y's shape; a copy if they lie in y's own storage.
static Tensor source_for(const char* op, const Tensor& y, const Tensor& source) {
  check_defined(op, source);
  HEED_CHECK(!source.requires_grad() || !grad_enabled, "[", op, "] the source, of shape ",
             source.shape(), ", takes part in a graph, and no gradient flows through a change",
             " in place\n  detach() it, or compute a new tensor instead");
  Strides strides = broadcast_strides(op, source.shape(), source.strides(), y.shape());
  Tensor x(source.storage(), source.offset(), y.shape(), strides);
  return x.storage().get() == y.storage().get() ? x.clone() : x;
}

Tensor& Tensor::fill_(double value) {
  check_may_change("fill_");
  Scalar* y = mutable_data();
  Walk<1>(shape_, {strides_}).run([&](auto at, int64_t n, auto step) {
    for (int64_t i = 0; i < n; ++i) y[at[0] + i * step[0]] = Scalar(value);
  });
  return *this;
}

Tensor& Tensor::copy_(const Tensor& source) {
  check_may_change("copy_");
  Tensor x = source_for("copy_", *this, source);
  const Scalar* in = x.data();
  Scalar* y = mutable_data();
  Walk<2>(shape_, {strides_, x.strides()}).run([&](auto at, int64_t n, auto step) {
    if (step[0] == 1 && step[1] == 1) return void(std::copy_n(in + at[1], n, y + at[0]));
    for (int64_t i = 0; i < n; ++i) y[at[0] + i * step[0]] = in[at[1] + i * step[1]];
  });
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double alpha) {
  check_may_change("add_");
  Tensor x = source_for("add_", *this, other);
  const Scalar* in = x.data();
  Scalar* y = mutable_data();
  Scalar factor = Scalar(alpha);
  Walk<2>(shape_, {strides_, x.strides()}).run([&](auto at, int64_t n, auto step) {
    for (int64_t i = 0; i < n; ++i) y[at[0] + i * step[0]] += factor * in[at[1] + i * step[1]];
  });
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  check_may_change("mul_");
  Scalar* y = mutable_data();
  const auto scale = [y, s = Scalar(factor)](int64_t begin, int64_t n, int64_t step) {
    for (int64_t i = 0; i < n; ++i) y[begin + i * step] *= s;
  };
  if (is_contiguous())
    parallel_for(numel(), 1 << 15,
                 [&](int64_t begin, int64_t end) { scale(begin, end - begin, 1); });
  else
    Walk<1>(shape_, {strides_}).run([&](auto at, int64_t n, auto step) {
      scale(at[0], n, step[0]);
    });
  return *this;
}

Tensor Tensor::detach() const { return Tensor(storage_, offset_, shape_, strides_); }

// ---- factories
Tensor empty(const Shape& shape) {
  return Tensor(Storage::make(numel(shape)), shape);
}
Tensor full(const Shape& shape, double value) {
  Tensor y = empty(shape);
  std::fill_n(y.mutable_data(), y.numel(), Scalar(value));
  return y;
}
Tensor zeros(const Shape& shape) { return full(shape, 0); }
Tensor ones(const Shape& shape) { return full(shape, 1); }
Tensor scalar(double value) { return full({}, value); }

Tensor eye(int64_t n) {
  Tensor y = zeros({n, n});
  for (int64_t i = 0; i < n; ++i) y.mutable_data()[i * n + i] = 1;
  return y;
}

Tensor arange(double start, double end, double step) {
  HEED_CHECK(step != 0 && (end - start) / step >= 0, "[arange] from ", start, " to ", end,
        " is never reached in steps of ", step);
  double steps = (end - start) / step;
  HEED_CHECK(steps <= 0x1p58, "[arange] from ", start, " to ", end, " in steps of ", step,
             " are too many numbers");
  int64_t n = int64_t(steps);
  if (double(n) < steps) ++n;
  Tensor y = empty({n});
  for (int64_t i = 0; i < n; ++i) y.mutable_data()[i] = Scalar(start + double(i) * step);
  return y;
}
Tensor arange(double end) { return arange(0, end, 1); }

Tensor tensor(std::span<const Scalar> values, const Shape& shape) {
  HEED_CHECK(int64_t(values.size()) == numel(shape), "[tensor] ", values.size(),
        " numbers for shape ", shape, ", which holds ", numel(shape));
  Tensor y = empty(shape);
  std::copy(values.begin(), values.end(), y.mutable_data());
  return y;
}
Tensor tensor(std::initializer_list<Scalar> values, const Shape& shape) {
  return tensor(std::span<const Scalar>(values.begin(), values.size()), shape);
}
Tensor tensor(std::initializer_list<Scalar> values) {
  return tensor(values, {int64_t(values.size())});
}

Tensor uniform(const Shape& shape, double low, double high) {
  Tensor y = empty(shape);
  default_generator().uniform(y.mutable_data(), y.numel(), low, high);
  return y;
}
Tensor normal(const Shape& shape, double mean, double std) {
  Tensor y = empty(shape);
  default_generator().normal(y.mutable_data(), y.numel(), mean, std);
  return y;
}
Tensor rand(const Shape& shape) { return uniform(shape, 0, 1); }
Tensor randn(const Shape& shape) { return normal(shape, 0, 1); }

void expect_shape(const Tensor& x, const Shape& shape) {
  HEED_CHECK(x.defined() && x.shape() == shape, "[expect_shape] expected ", shape, ", got ",
             x.shape());
}

}  // namespace HEED_PRECISION
}  // namespace heed
