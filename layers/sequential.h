// Layers one after the other: y = layer_n(... layer_1(x)).
#pragma once
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

// Any layer from one tensor to one tensor, as a value: a copy of the box copies the layer in
// it.
class AnyLayer {
 public:
  template <class Layer>
    requires std::is_base_of_v<Module, Layer>
  AnyLayer(Layer layer) : held_(std::make_unique<Held<Layer>>(std::move(layer))) {}
  AnyLayer(const AnyLayer& other) : held_(other.held_ ? other.held_->clone() : nullptr) {}
  AnyLayer(AnyLayer&&) noexcept = default;
  // Into a layer of the same type go the numbers only, as when it is assigned without a box.
  AnyLayer& operator=(const AnyLayer& other) {
    if (!held_ || !other.held_ || !held_->assign(*other.held_)) *this = AnyLayer(other);
    return *this;
  }
  AnyLayer& operator=(AnyLayer&&) noexcept = default;

  Tensor operator()(const Tensor& x) { return content().forward(x); }
  Module& module() { return content().module(); }

 private:
  struct Holder {
    virtual ~Holder() = default;
    virtual std::unique_ptr<Holder> clone() const = 0;
    virtual bool assign(const Holder& other) = 0;  // false: another type
    virtual Tensor forward(const Tensor& x) = 0;
    virtual Module& module() = 0;
  };
  template <class Layer> struct Held final : Holder {
    Layer layer;
    explicit Held(Layer&& l) : layer(std::move(l)) {}
    Held(const Held&) = default;
    std::unique_ptr<Holder> clone() const override { return std::make_unique<Held>(*this); }
    bool assign(const Holder& other) override {
      auto* same = dynamic_cast<const Held*>(&other);
      if (same) layer = same->layer;
      return same;
    }
    Tensor forward(const Tensor& x) override { return layer(x); }
    Module& module() override { return layer; }
  };
  Holder& content() const {
    HEED_CHECK(held_, "[AnyLayer] there is no layer in this box: it was moved from");
    return *held_;
  }

  std::unique_ptr<Holder> held_;
};

// Sequential net(Linear(10, 100), ReLU(), BatchNorm(100), Linear(100, 26));
// Parameters are named by place, as in PyTorch: "0.weight", "2.running_mean", "3.bias".
struct Sequential : Module {
  std::vector<AnyLayer> layers;

  template <class... Layer> explicit Sequential(Layer... layer) {
    layers.reserve(sizeof...(layer));
    (layers.emplace_back(std::move(layer)), ...);
  }
  void fields(Fields& visit) override {
    for (size_t i = 0; i < layers.size(); ++i)
      visit(std::to_string(i).c_str(), layers[i].module());
  }
  Tensor operator()(const Tensor& x) {
    Tensor y = x;
    for (AnyLayer& layer : layers) y = layer(y);
    return y;
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
