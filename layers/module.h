// Modules are values. A layer lists its members once, with FIELDS; names, parameters, state,
// modes and copies follow from that line:
//
//   struct Linear : Module {
//     Parameter weight;                 // (out, in)
//     std::optional<Parameter> bias;    // (out)
//     FIELDS(weight, bias)
//
// Nothing is registered and no pointer to a member is kept. A Parameter's copy is deep, so the
// compiler's own copy constructor of a layer copies its weights (copy.deepcopy in PyTorch), and
// a moved layer keeps its parameters' identity, so an optimizer goes on training them.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include "autograd/graph.h"
#include "autograd/tensor.h"
#include "layers/state_dict.h"

namespace heed {
inline namespace HEED_PRECISION {

// A tensor that belongs to a layer. Copying one copies the numbers: not the gradient, not the
// graph. Assigning one writes its numbers into this one, which keeps its identity.
class OwnedTensor : public Tensor {
 public:
  OwnedTensor(OwnedTensor&&) noexcept = default;
  OwnedTensor& operator=(OwnedTensor&&) noexcept = default;
#ifdef HEED_TEST  // how many there are: a test compares with what FIELDS lists
  static int alive() { return Counted::count; }
#endif

 protected:
  struct Take {};
  OwnedTensor(Take, Tensor numbers) : Tensor(std::move(numbers)) {}
  OwnedTensor(const OwnedTensor& other) : Tensor(copy_of(other)) {}
  OwnedTensor& operator=(const OwnedTensor& other) {
    if (this == &other || !other.defined()) return *this;
    if (!defined() || !(shape() == other.shape())) {  // no place for them: new ones
      Tensor::operator=(copy_of(other));
    } else {
      NoGrad guard;
      copy_(other);
    }
    return *this;
  }
  static Tensor copy_of(const Tensor& x) {  // a moved-from x has nothing to copy
    NoGrad guard;
    return x.defined() ? x.detach().clone() : Tensor();
  }

#ifdef HEED_TEST
 private:
  struct Counted {
    static inline std::atomic<int> count = 0;
    Counted() { ++count; }
    Counted(const Counted&) { ++count; }
    Counted(Counted&&) noexcept { ++count; }
    Counted& operator=(const Counted&) { return *this; }
    ~Counted() { --count; }
  };
  Counted counted_;
#endif
};

// A leaf that an optimizer may change.
class Parameter : public OwnedTensor {
 public:
  explicit Parameter(const Tensor& init) : OwnedTensor(Take{}, copy_of(init)) {
    become_leaf(true);
  }
  explicit Parameter(const Parameter& other) : OwnedTensor(other) {
    if (defined()) become_leaf(other.requires_grad());
  }
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other) {
    OwnedTensor::operator=(other);
    if (defined() && !node()) become_leaf(other.requires_grad());
    return *this;
  }
  Parameter& operator=(Parameter&&) noexcept = default;

 private:
  // A frozen parameter has a node, too, which all handles share: any of them can thaw it.
  void become_leaf(bool trained) { requires_grad_().requires_grad_(trained); }
};

// State that is saved but not trained, like running statistics.
class Buffer : public OwnedTensor {
 public:
  explicit Buffer(const Tensor& init) : OwnedTensor(Take{}, copy_of(init)) {}
  explicit Buffer(const Buffer& other) : OwnedTensor(other) {}
  Buffer(Buffer&&) noexcept = default;
  Buffer& operator=(const Buffer&) = default;
  Buffer& operator=(Buffer&&) noexcept = default;
};

// A whole number of the state (I64 in a file), like BatchNorm's num_batches_tracked.
struct Counter {
  int64_t value = 0;
};

class Module;

// Walks a module's fields in order and builds their dotted names: "encoder.layers.0.weight".
class Fields {
 public:
  std::function<void(const std::string& name, Parameter&)> parameter = [](auto&, auto&) {};
  std::function<void(const std::string& name, Buffer&)> buffer = [](auto&, auto&) {};
  std::function<void(const std::string& name, Counter&)> counter = [](auto&, auto&) {};
  std::function<void(Module&)> module = [](Module&) {};

  // names: the text between FIELDS' brackets
  template <class... Field>
  void operator()([[maybe_unused]] const char* names, Field&... fields) {
    (visit(next_name(names), fields), ...);
  }

 private:
  static std::string next_name(const char*& names);
  void visit(const std::string& name, Parameter& p) { parameter(prefix_ + name, p); }
  void visit(const std::string& name, Buffer& b) { buffer(prefix_ + name, b); }
  void visit(const std::string& name, Counter& c) { counter(prefix_ + name, c); }
  void visit(const std::string& name, Module& m);
  template <class T> void visit(const std::string& name, std::optional<T>& field) {
    if (field) visit(name, *field);
  }
  template <class T> void visit(const std::string& name, std::vector<T>& list) {
    for (size_t i = 0; i < list.size(); ++i) visit(name + "." + std::to_string(i), list[i]);
  }
  template <class T>
    requires(!std::is_base_of_v<Module, T>)
  void visit(const std::string&, T&) {
      static_assert(
          sizeof(T) == 0,
          "FIELDS takes Parameter, Buffer, Counter, Module, and optional or vector of "
          "these. A bare Tensor would be shared by copies: make it a Parameter or Buffer.");
  }

  std::string prefix_;
};
#define FIELDS(...)                                  \
  void fields(::heed::Fields& visit_) override {     \
    visit_(#__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__); \
  }

class Module {
 public:
  bool training = true;  // set by train() and eval() only

  virtual ~Module() = default;
  virtual void fields(Fields&) = 0;

  // Handles that share the parameters' numbers and gradients, with PyTorch's state_dict names.
  std::vector<std::pair<std::string, Tensor>> named_parameters() const;
  std::vector<Tensor> parameters() const;
  int64_t parameter_count() const;

  StateDict state_dict() const;
  // Writes into the existing parameters. Throws, before anything changes, if names are missing
  // or unknown or a shape differs; the message lists them all.
  void load_state_dict(const StateDict& state);

  void train(bool on = true);
  void eval() { train(false); }
  void zero_grad();

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;
};

// n independent copies: equal weights, which training then moves apart.
template <class Layer> std::vector<Layer> clones(const Layer& layer, int n) {
  HEED_CHECK(n >= 0, "[clones] ", n, " copies of a layer");
  return std::vector<Layer>(size_t(n), layer);
}

// One line a parameter or buffer: its name and shape.
std::ostream& operator<<(std::ostream& out, const Module& module);

}  // namespace HEED_PRECISION
}  // namespace heed
