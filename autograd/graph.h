// The tape. Every recorded operation makes a Node that knows the nodes of its inputs and how to
// turn the gradient of its result into theirs. Nodes hold nodes, never tensors: the numbers
// that a backward step reads are saved by name, so nothing stays alive that nothing reads.
#pragma once
#include <array>
#include <optional>
#include <utility>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

// grad += dx. A gradient whose shape is larger than the node's, since broadcasting repeated
// the input, is summed back to it here and nowhere else.
void accumulate(Node& node, Tensor&& dx);
// The node's gradient so far, zeros at first, to which a part can be added in place: T slices
// of one tensor then cost one of its size, not T.
Tensor gradient_to_change(Node& node);

// The place where an operation puts an input's gradient: `if (dx) dx += ...;`
class GradOf {
 public:
  explicit GradOf(Node* node) : node_(node) {}
  // Is it wanted? (A leaf can be frozen between the forward pass and this.)
  explicit operator bool() const { return node_ && node_->requires_grad; }
  void operator+=(Tensor&& dx) const {
    if (*this) accumulate(*node_, std::move(dx));
  }
  void operator+=(const Tensor& dx) const {
    if (*this) accumulate(*node_, Tensor(dx));
  }
  // To add a part in place. Only if it is wanted.
  Tensor whole() const { return gradient_to_change(*node_); }

 private:
  Node* node_;
};

// ---- modes of the calling thread
inline thread_local constinit bool grad_enabled = true;
inline thread_local constinit bool anomaly_enabled = false;

// While it lives, nothing is recorded (torch.no_grad).
struct NoGrad {
  bool before = std::exchange(grad_enabled, false);
  NoGrad() = default;
  NoGrad(const NoGrad&) = delete;
  ~NoGrad() { grad_enabled = before; }
};
// While it lives, the first operation that makes a NaN or an infinity, forward or backward,
// throws and names itself (torch.autograd.detect_anomaly). Slow: every result is read once
// more.
struct DetectAnomaly {
  bool before = std::exchange(anomaly_enabled, true);
  DetectAnomaly() = default;
  DetectAnomaly(const DetectAnomaly&) = delete;
  ~DetectAnomaly() { anomaly_enabled = before; }
};
void check_finite(const char* op, const char* what, const Tensor& y);

// ---- record
template <size_t N> using Tensors = std::array<const Tensor*, N>;
template <class... T> Tensors<sizeof...(T)> inputs(const T&... x) { return {&x...}; }
template <class... T> Tensors<sizeof...(T)> saved(const T&... x) { return {&x...}; }

const inline Tensor nothing;  // in saved(): for this call, backward does not need it

// What a backward step reads: the numbers without their graph, and their version at the time.
struct Saved {
  Tensor value;
  uint32_t version = 0;

  Saved() = default;
  explicit Saved(const Tensor& x)
      : value(x.storage(), x.offset(), x.shape(), x.strides()),
        version(x.defined() ? x.version() : 0) {}
  void check(const char* op) const {
    HEED_CHECK(!value.defined() || value.version() == version, "[backward] ", op,
          " needs a tensor of shape ", value.shape(), " that was changed in place since\n",
          "  change a clone() of it instead, or change it after backward()");
  }
};

// The node of an input that wants a gradient.
inline Ref<Node> edge_to(const Tensor& x) { return x.requires_grad() ? x.node() : Ref<Node>(); }

template <size_t N, size_t M, class F> struct Recorded final : Node {
  std::array<Ref<Node>, N> in;
  std::array<Saved, M> kept;
  std::optional<F> step;

  Recorded(const char* name, const Shape& shape, const Tensors<N>& inputs,
           const Tensors<M>& saved, F&& f)
      : Recorded(name, shape, inputs, saved, std::move(f), std::make_index_sequence<N>(),
                 std::make_index_sequence<M>()) {}
  template <size_t... I, size_t... J>
  Recorded(const char* name, const Shape& shape, [[maybe_unused]] const Tensors<N>& inputs,
           [[maybe_unused]] const Tensors<M>& saved, F&& f, std::index_sequence<I...>,
           std::index_sequence<J...>)
      : Node(name, shape, false),
        in{edge_to(*inputs[I])...},
        kept{Saved(*saved[J])...},
        step(std::move(f)) {}

  std::span<Ref<Node>> inputs() override { return in; }
  void backward(const Tensor& g) override {
    for (const Saved& s : kept) s.check(name);
    [&]<size_t... I, size_t... J>(std::index_sequence<I...>, std::index_sequence<J...>) {
      (*step)(g, GradOf(in[I].get())..., kept[J].value...);
    }(std::make_index_sequence<N>(), std::make_index_sequence<M>());
  }
  void release() override {
    // Not {}: in a template, clang 14 then forgets to destroy the operator's argument.
    for (Ref<Node>& node : in) node = Ref<Node>();
    for (Saved& s : kept) s.value.take_storage();
    step.reset();
  }
};

// As record(), which follows, for views and copies: they make no numbers, and what they show may
// be NaN or not yet written. Here, and in the last record(), is where NoGrad and requires_grad
// count.
template <size_t N, size_t M, class F>
Tensor record_moved(const char* name, Tensor&& y, const Tensors<N>& inputs,
                    const Tensors<M>& saved, F step) {
  bool wanted = false;
  for (const Tensor* x : inputs) wanted |= x->requires_grad();
  if (!wanted || !grad_enabled) return y;
  y.set_node(Ref<Node>::adopt(
      new Recorded<N, M, F>(name, y.shape(), inputs, saved, std::move(step))));
  return y;
}

// Makes y the result of an operation:
//   return record("mul", y, inputs(a, b), saved(a, b),
//                 [](const Tensor& g, GradOf da, GradOf db, const Tensor& a, const Tensor& b) {
//                   if (da) da += g * b;
//                   if (db) db += g * a;
//                 });
// The step receives g = dL/dy, a place for each input's gradient, and what was saved; it runs
// without recording. (Where y is moved along, it is so once: a move of what was just written
// waits for the memory.)
template <size_t N, size_t M, class F>
Tensor record(const char* name, Tensor&& y, const Tensors<N>& inputs, const Tensors<M>& saved,
              F step) {
  if (anomaly_enabled) [[unlikely]] check_finite(name, "forward", y);
  return record_moved(name, std::move(y), inputs, saved, std::move(step));
}

template <size_t N, size_t M, class F>
Tensor record(const char* name, const Tensor& y, const Tensors<N>& inputs,
              const Tensors<M>& saved, F step) {
  return record(name, Tensor(y), inputs, saved, std::move(step));
}

// The same for any number of inputs, with nothing saved: step(g, places), one place an input.
template <class F>
Tensor record(const char* name, Tensor y, std::span<const Tensor> inputs, F step) {
  struct Many final : Node {
    PoolVector<Ref<Node>> in;
    std::optional<F> step;
    Many(const char* name, const Shape& shape, F&& f)
        : Node(name, shape, false), step(std::move(f)) {}
    std::span<Ref<Node>> inputs() override { return in; }
    void backward(const Tensor& g) override {
      PoolVector<GradOf> places;
      for (const Ref<Node>& node : in) places.emplace_back(node.get());
      (*step)(g, std::span<const GradOf>(places));
    }
    void release() override {
      in.clear();
      step.reset();
    }
  };
  if (anomaly_enabled) [[unlikely]] check_finite(name, "forward", y);
  bool wanted = false;
  for (const Tensor& x : inputs) wanted |= x.requires_grad();
  if (!wanted || !grad_enabled) return y;
  auto* node = new Many(name, y.shape(), std::move(step));
  y.set_node(Ref<Node>::adopt(node));
  for (const Tensor& x : inputs) node->in.push_back(edge_to(x));
  return y;
}

}  // namespace HEED_PRECISION
}  // namespace heed
