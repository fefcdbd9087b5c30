// Tensor: a handle on numbers in memory, with a shape. Copying a Tensor copies the handle,
// never the numbers; clone() copies numbers. Views (transpose, narrow, ...) share storage.
//
// Names, argument order and meaning are PyTorch's wherever PyTorch has the thing. One
// difference comes from being a value: requires_grad_() marks this handle and the copies made
// of it afterwards, so ask for it before you copy.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include "autograd/node.h"

namespace heed {
inline namespace HEED_PRECISION {

class Tensor {
 public:
  Tensor() = default;  // undefined: no shape, no numbers
  Tensor(Ref<Storage> storage, int64_t offset, const Shape& shape, const Strides& strides)
      : storage_(std::move(storage)), offset_(offset), shape_(shape), strides_(strides) {}
  Tensor(Ref<Storage> storage, const Shape& shape)  // row-major from the first number on
      : storage_(std::move(storage)), shape_(shape) {
    set_contiguous(strides_, shape_);
  }

  // ---- what it is
  bool defined() const { return bool(storage_); }
  const Shape& shape() const { return shape_; }
  const Strides& strides() const { return strides_; }  // in numbers, not bytes
  int64_t offset() const { return offset_; }           // of the first number in the storage
  int dim() const { return shape_.rank(); }
  int64_t size(int d) const { return shape_[wrap_dim("size", d, dim())]; }
  int64_t numel() const { return heed::numel(shape_); }
  bool is_contiguous() const;

  // ---- its numbers. data, mutable_data and version do not check that there are any.
  const Scalar* data() const { return storage_->data() + offset_; }
  Scalar* mutable_data() {                              // counts as a change in place
    ++storage_->version;
    return storage_->data() + offset_;
  }
  Scalar item() const;                                  // of a tensor with one element
  Scalar at(std::initializer_list<int64_t> index) const;
  void set(std::initializer_list<int64_t> index, Scalar value);
  std::vector<Scalar> to_vector() const;                // in row-major order
  uint32_t version() const { return storage_->version; }

  // ---- changed in place; an error on a tensor that takes part in a graph (see NoGrad)
  Tensor& fill_(double value);
  Tensor& zero_() { return fill_(0); }
  Tensor& copy_(const Tensor& source);                  // broadcasts
  Tensor& add_(const Tensor& other, double alpha = 1);  // this += alpha * other
  Tensor& mul_(double factor);

  // ---- shapes. y has x's numbers; all but reshape, contiguous and clone share its storage.
  Tensor view(const Shape& shape) const;         // same order, other shape; one size may be -1
  Tensor reshape(const Shape& shape) const;      // a view if contiguous, else a copy
  Tensor transpose(int dim0, int dim1) const;    // swaps two dimensions
  Tensor permute(std::initializer_list<int> dims) const;  // y's dimension i is x's dims[i]
  Tensor expand(const Shape& shape) const;       // repeats sizes of 1; -1 keeps a size
  Tensor narrow(int dim, int64_t start, int64_t length) const;  // y[i] = x[start + i]
  Tensor select(int dim, int64_t index) const;   // y = x[index], without that dimension
  Tensor squeeze(int dim) const;                 // drops `dim` if its size is 1
  Tensor unsqueeze(int dim) const;               // a new dimension of size 1 at `dim`
  Tensor contiguous() const;                     // itself if row-major, else a copy that is
  Tensor clone() const;                          // a copy, through which gradients flow
  Tensor detach() const;                         // the same numbers outside the graph

  // ---- gradients
  bool requires_grad() const { return node_ && node_->requires_grad; }
  Tensor& requires_grad_(bool wanted = true);    // of a leaf
  bool is_leaf() const {
    return !node_ || node_->leaf;
  }                                              // not the result of a recorded operation
  Tensor grad() const;                           // undefined if none has arrived
  void zero_grad() const;                        // drops the gradient
  void retain_grad() const;                      // an inner tensor keeps its gradient, too
  // Adds dL/dx to x.grad() for every leaf x, where L is this, if it has one element, and
  // `gradient` is dL/d(this) if not. Frees the graph as it goes, unless `retain_graph`. Threads
  // that share leaves must take turns: of two gradients that arrive at once, one would get lost.
  void backward(bool retain_graph = false) const;
  void backward(const Tensor& gradient, bool retain_graph = false) const;

  const Ref<Node>& node() const { return node_; }
  void set_node(Ref<Node> node) { node_ = std::move(node); }
  const Ref<Storage>& storage() const { return storage_; }
  Ref<Storage> take_storage() { return std::move(storage_); }  // leaves this undefined

 private:
  Tensor with(const Shape& shape, const Strides& strides, int64_t offset) const;
  void check_may_change(const char* op) const;

  Ref<Storage> storage_;
  int64_t offset_ = 0;
  Shape shape_;
  Strides strides_;
  Ref<Node> node_;
};

// ---- factories
Tensor empty(const Shape& shape);  // arbitrary numbers
Tensor zeros(const Shape& shape);
Tensor ones(const Shape& shape);
Tensor full(const Shape& shape, double value);
Tensor eye(int64_t n);                                // (n, n), ones on the diagonal
Tensor arange(double start, double end, double step = 1);  // start, start + step, ... < end
Tensor arange(double end);
Tensor tensor(std::span<const Scalar> values, const Shape& shape);
Tensor tensor(std::initializer_list<Scalar> values, const Shape& shape);
Tensor tensor(std::initializer_list<Scalar> values);  // one dimension
Tensor scalar(double value);                          // shape ()
// From the default generator (random.h), in the order in which torch draws:
Tensor rand(const Shape& shape);                      // uniform in [0, 1)
Tensor randn(const Shape& shape);                     // normal, mean 0, variance 1
Tensor uniform(const Shape& shape, double low, double high);
Tensor normal(const Shape& shape, double mean, double std);

// As PyTorch prints: tensor([[1., 2.],
//                            [3., 4.]])
std::ostream& operator<<(std::ostream& out, const Tensor& x);
std::string to_string(const Tensor& x);

// Throws unless x has this shape: a shape comment that cannot go stale.
void expect_shape(const Tensor& x, const Shape& shape);

}  // namespace HEED_PRECISION
}  // namespace heed
