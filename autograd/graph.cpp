#include "autograd/graph.h"
#include <cmath>
#include "autograd/broadcast.h"
#include "autograd/loops.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"

namespace heed {
inline namespace HEED_PRECISION {

// A node that dies while another is dying waits in a queue, so that freeing does not recurse.
void Node::destroy(Node* node) noexcept {
  static thread_local constinit Node* waiting = nullptr;
  static thread_local constinit bool busy = false;
  node->next_dying = waiting;
  waiting = node;
  if (std::exchange(busy, true)) return;
  while (waiting) delete std::exchange(waiting, waiting->next_dying);
  busy = false;
}

// The first number in y that is NaN or infinite; 0 if there is none.
static Scalar anomaly_in(const Tensor& y) {
  Scalar found = 0;
  const Scalar* data = y.data();
  Walk<1>(y.shape(), {y.strides()}).run([&](auto at, int64_t n, auto step) {
    for (int64_t i = 0; i < n && found == 0; ++i)
      if (const Scalar value = data[at[0] + i * step[0]]; !std::isfinite(value)) found = value;
  });
  return found;
}

void check_finite(const char* op, const char* what, const Tensor& y) {
  const Scalar found = anomaly_in(y);
  HEED_CHECK(found == 0, "[detect_anomaly] ", op, " made ",
             found != found ? "nan" : found > 0 ? "inf" : "-inf", " in its ", what,
             " step, in a tensor of shape ", y.shape());
}

// ---- gradients arrive
static void add_dense(Scalar* sum, const Scalar* x, int64_t n) {
  parallel_for(n, 1 << 15, [=](int64_t begin, int64_t end) {
    Scalar* __restrict to = sum;
    for (int64_t i = begin; i < end; ++i) to[i] += x[i];
  });
}

void accumulate(Node& node, Tensor&& dx) {
  if (!(dx.shape() == node.shape)) dx = sum_to(dx, node.shape);
  bool whole = dx.offset() == 0 && dx.is_contiguous();
  if (!node.grad) {
    // A node that passes it on may share what others hold, for nobody changes what is shared.
    if (whole && (!node.keeps_grad || dx.storage().unique())) {
      node.grad = dx.take_storage();
    } else {
      node.grad = dx.detach().clone().storage();
    }
  } else if (node.grad.unique() && whole) {
    add_dense(node.grad->data(), dx.data(), dx.numel());
    ++node.grad->version;
  } else {
    node.grad = (Tensor(node.grad, node.shape) + dx).storage();
  }
}

Tensor gradient_to_change(Node& node) {
  if (!node.grad) node.grad = zeros(node.shape).take_storage();
  else if (!node.grad.unique())
    node.grad = Tensor(node.grad, node.shape).clone().take_storage();
  return Tensor(node.grad, node.shape);
}

// ---- the tensor's side
Tensor& Tensor::requires_grad_(bool wanted) {
  check_defined("requires_grad_", *this);
  HEED_CHECK(is_leaf(),
             "[requires_grad_] only a leaf can change this; here it is the result of ",
             node_->name, "\n  detach() gives the same numbers outside the graph");
  if (!node_) {
    if (!wanted) return *this;
    node_ = Ref<Node>::adopt(new Node("leaf", shape_, true));
  }
  node_->requires_grad = wanted;
  return *this;
}

Tensor Tensor::grad() const {
  if (!node_ || !node_->grad) return {};
  return Tensor(node_->grad, node_->shape);
}

void Tensor::zero_grad() const {
  if (node_) node_->grad = {};
}

void Tensor::retain_grad() const {
  HEED_CHECK(requires_grad(), "[retain_grad] this tensor takes part in no graph");
  node_->keeps_grad = true;
}

// ---- backward
namespace {

// The nodes to visit, each before its inputs, linked through Node::link; no memory is taken.
struct Order {
  Ref<Node> first;
  Node* path = nullptr;  // while collecting: from here up to the root, through Node::above

  void collect(const Ref<Node>& root) {
    static std::atomic<uint64_t> passes{0};
    uint64_t pass = ++passes;
    enter(root.get(), pass);
    while (Node* node = path) {
      std::span<Ref<Node>> in = node->inputs();
      while (node == path && node->next_input < int(in.size()))
        if (Node* next = in[size_t(node->next_input++)].get()) enter(next, pass);
      if (node != path) continue;  // first those that it needs
      path = node->above;
      node->link = std::move(first);
      first = Ref<Node>::share(node);
    }
  }
  // If a step throws, what is left is put as it was before.
  ~Order() {
    for (; path; path = path->above) leave(*path);
    while (first) pop();
  }
  void pop() {
    Ref<Node> node = std::move(first);
    first = std::move(node->link);
    leave(*node);
  }

 private:
  void enter(Node* node, uint64_t pass) {
    HEED_CHECK(
        !node->released, "[backward] this graph was used already and its memory is free\n",
        "  run the forward pass again, or give retain_graph = true to the first backward()");
    if (node->leaf || node->visited == pass) return;
    HEED_CHECK(node->visited == 0, "[backward] a step runs another backward() through the same",
               " graph, by way of ", node->name, "\n  detach() what it starts from");
    node->visited = pass;
    node->earlier = std::move(node->grad);
    node->next_input = 0;
    node->above = std::exchange(path, node);
  }
  static void leave(Node& node) {
    node.visited = 0;
    if (!node.keeps_grad) node.grad = {};
    if (!node.earlier) return;
    Tensor before = Tensor(std::exchange(node.earlier, {}), node.shape);
    node.grad = (node.grad ? before + Tensor(node.grad, node.shape) : before).storage();
  }
};

// During backward(), detect_anomaly looks at what a whole step makes, not at its operations.
struct WatchSteps {
  bool on = std::exchange(anomaly_enabled, false);
  ~WatchSteps() { anomaly_enabled = on; }

  // (Not inlined: steps that are not watched would take some 5 nanoseconds more.)
  [[gnu::noinline]] void run(Node& node, const Tensor& g) const {
    PoolVector<Node*> sound;  // a leaf may hold an infinity of an earlier pass
    for (const Ref<Node>& in : node.inputs())
      if (in && !(in->grad && anomaly_in(gradient_of(*in)) != 0)) sound.push_back(in.get());
    node.backward(g);
    for (Node* in : sound)
      if (in->grad) check_finite(node.name, "backward", gradient_of(*in));
  }

 private:
  static Tensor gradient_of(const Node& node) { return Tensor(node.grad, node.shape); }
};

}  // namespace

void Tensor::backward(bool retain_graph) const {
  check_defined("backward", *this);
  HEED_CHECK(numel() == 1, "[backward] the gradient of a tensor of shape ", shape_,
        " is not determined; only a scalar can start by itself\n",
        "  reduce it first, as in mean(y).backward(), or pass dL/dy: y.backward(gradient)");
  backward(ones(shape_), retain_graph);
}

void Tensor::backward(const Tensor& gradient, bool retain_graph) const {
  HEED_CHECK(requires_grad(), "[backward] nothing here requires a gradient\n",
        "  call requires_grad_() on an input, and check that no NoGrad was in force");
  HEED_CHECK(gradient.defined() && gradient.shape() == shape_, "[backward] gradient ",
        gradient.shape(), " for a tensor of shape ", shape_);
  NoGrad guard;
  WatchSteps watch;
  Order order;
  order.collect(node_);
  accumulate(*node_, gradient.detach());
  while (order.first) {
    Node& node = *order.first;
    if (node.grad) {
      const Tensor g(node.keeps_grad ? node.grad : std::move(node.grad), node.shape);
      if (watch.on) [[unlikely]] watch.run(node, g);
      else node.backward(g);
    }
    if (!retain_graph) {
      node.release();
      node.released = true;
    }
    order.pop();
  }
}

}  // namespace HEED_PRECISION
}  // namespace heed
