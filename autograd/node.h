// What a Tensor refers to: Storage holds its numbers, Node is its place in the graph of
// operations.
#pragma once
#include <span>
#include "autograd/pool.h"
#include "autograd/ref.h"
#include "autograd/scalar.h"
#include "autograd/shape.h"

namespace heed {
inline namespace HEED_PRECISION {

class Tensor;

// The numbers follow this header in the same block.
struct alignas(64) Storage {
  std::atomic<int> refs{1};
  uint32_t version = 0;  // goes up whenever the numbers are changed
  size_t bytes = 0;      // of the whole block

  Scalar* data() { return reinterpret_cast<Scalar*>(this + 1); }
  static Ref<Storage> make(int64_t count);
  static void destroy(Storage* storage) noexcept { pool_give(storage, storage->bytes); }
};

struct Node : Pooled {
  std::atomic<int> refs{1};
  int next_input = 0;          // backward()'s place in inputs() on its way down,
  Node* above = nullptr;       // and the node that it came from
  uint64_t visited = 0;        // the backward() that is on its way through here, or 0
  const char* name;            // of the operation
  Shape shape;                 // of the result, hence of its gradient
  Ref<Storage> grad;           // dense. A leaf keeps it; an inner node only during backward()
  Ref<Storage> earlier;        // what an inner node keeps of passes before this one
  Ref<Node> link;              // the next one in backward()'s order
  Node* next_dying = nullptr;  // in the queue of nodes that wait for their end
  bool leaf;
  bool requires_grad = true;   // only a leaf may say no
  bool keeps_grad;             // leaves, and whoever was asked to retain_grad()
  bool released = false;       // backward() has been here and freed what was saved

  Node(const char* name, const Shape& shape, bool leaf)
      : name(name), shape(shape), leaf(leaf), keeps_grad(leaf) {}
  virtual ~Node() = default;
  virtual std::span<Ref<Node>> inputs() { return {}; }
  virtual void backward(const Tensor&) {}  // turns the gradient of the result into the inputs'
  virtual void release() {}                // frees what backward() needed
  // Iterative: a chain of a million nodes must not overflow the stack.
  static void destroy(Node* node) noexcept;
};

}  // namespace HEED_PRECISION
}  // namespace heed
