// Layers as Keras has them: made without a word about their input, built when they first see
// it. Shapes that a layer speaks of are those of one example; the batch B is left out.
#pragma once
#include <heed.h>

namespace lesson_05 {
using namespace heed;

// (None, 10, 10): the shape (10, 10) as Keras prints it, None in place of the batch.
inline std::string with_batch(const Shape& shape) {
  std::string text = "(None";
  for (int64_t size : shape) text += ", " + std::to_string(size);
  return text + (shape.rank() ? ")" : ",)");
}

// [snippet: layer]
// What a layer of one's own is made of. build() makes its weights; call() is the computation.
class Layer : public Module {
 public:
  std::string name;  // in a model; without one the model calls it after its type

  virtual std::string type() const = 0;  // "KerasAttention"
  virtual void build(const Shape& input) = 0;
  // x: (B, ...), mask: (B, T), 1 = may be seen, or undefined: all may
  virtual Tensor call(const Tensor& x, const Tensor& mask) = 0;
  virtual Shape compute_output_shape(const Shape& input) const = 0;
  // The mask that the next layer gets: the same one.
  virtual Tensor compute_mask(const Tensor& x, const Tensor& mask) const;

  // Builds the layer if this is its first input, then calls it.
  Tensor operator()(const Tensor& x, const Tensor& mask = {});
  void build_once(const Shape& input);

 private:
  bool built_ = false;
};
// [end]

inline Tensor Layer::compute_mask(const Tensor&, const Tensor& mask) const { return mask; }

inline Tensor Layer::operator()(const Tensor& x, const Tensor& mask) {
  HEED_CHECK(x.defined() && x.dim() >= 1, "[", type(), "] an input with a batch wanted");
  build_once(x.shape().without(0));
  return call(x, mask);
}

inline void Layer::build_once(const Shape& input) {
  if (!built_) build(input);
  built_ = true;
}

// How weights start in Keras.
inline Tensor random_normal(const Shape& shape) { return normal(shape, 0, 0.05); }
// U(-b, b), b = sqrt(6 / (in + out)): of Dense. PyTorch's Linear has b = 1 / sqrt(in).
inline Tensor glorot_uniform(const Shape& shape) { return init::xavier_uniform(shape); }

// A step whose numbers are all `mask_value` is padding: it is hidden from the layers behind,
// and handed on as zeros.
class Masking : public Layer {
 public:
  FIELDS()
  explicit Masking(double mask_value = 0) : mask_value_(mask_value) {}

  std::string type() const override { return "Masking"; }
  void build(const Shape& input) override {
    HEED_CHECK(input.rank() == 2, "[Masking] input ", with_batch(input),
               ": (None, T, D) wanted, steps of D numbers");
  }
  Shape compute_output_shape(const Shape& input) const override { return input; }
  Tensor compute_mask(const Tensor& x, const Tensor&) const override {
    NoGrad guard;
    return max(1 - (x == mask_value_), {-1});
  }
  Tensor call(const Tensor& x, const Tensor&) override {
    return x * compute_mask(x, {}).unsqueeze(2);
  }

 private:
  double mask_value_;
};

// y = activation(x kernel + bias), on the last dimension
class Dense : public Layer {
 public:
  std::optional<Parameter> kernel, bias;  // (in, units), not (out, in) as in PyTorch; (units)
  FIELDS(kernel, bias)

  explicit Dense(int units, std::string activation = "linear")
      : units_(units), activation_(std::move(activation)) {
    HEED_CHECK(units > 0, "[Dense] ", units, " units: at least 1 wanted");
    HEED_CHECK(activation_ == "linear" || activation_ == "tanh" || activation_ == "softmax",
               "[Dense] activation '", activation_, "': linear, tanh or softmax wanted");
  }

  std::string type() const override { return "Dense"; }
  void build(const Shape& input) override {
    HEED_CHECK(input.rank() >= 1, "[Dense] input ", with_batch(input), ": no last dimension");
    kernel.emplace(glorot_uniform({input.back(), units_}));
    bias.emplace(zeros({units_}));
  }
  Shape compute_output_shape(const Shape& input) const override {
    return input.without(input.rank() - 1).with(input.rank() - 1, units_);
  }
  Tensor call(const Tensor& x, const Tensor&) override {
    HEED_CHECK(x.shape().back() == kernel->size(0), "[Dense] x ", x.shape(), ": built for ",
               kernel->size(0), " numbers at the end");
    Tensor y = matmul(x, *kernel) + *bias;
    if (activation_ == "linear") return y;
    return activation_ == "tanh" ? tanh(y) : softmax(y, -1);
  }

 private:
  int units_;
  std::string activation_;
};

}  // namespace lesson_05
