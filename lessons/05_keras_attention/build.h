// How a Model is put together, how numbers go through it, and its summary.
#pragma once
#include "model.h"

namespace lesson_05 {

// KerasAttention -> keras_attention
inline std::string snake_case(const std::string& type) {
  std::string name;
  for (char c : type) {
    bool capital = c >= 'A' && c <= 'Z';
    if (capital && !name.empty()) name += '_';
    name += capital ? char(c - 'A' + 'a') : c;
  }
  return name;
}

// The first Dense is dense, the next ones dense_1, dense_2.
inline void Model::name(Layer& layer) const {
  auto taken = [&](const std::string& name) {
    return std::any_of(layers_.begin(), layers_.end(), [&](auto& other) {
      return other.get() != &layer && other->name == name;
    });
  };
  if (layer.name.empty()) {
    layer.name = snake_case(layer.type());
    for (int i = 1; taken(layer.name); ++i)
      layer.name = snake_case(layer.type()) + "_" + std::to_string(i);
  }
  HEED_CHECK(!taken(layer.name), "[model] two layers are called '", layer.name, "'");
}

// Each layer is built for what the one before gives.
inline void Model::build_all() {
  HEED_CHECK(!layers_.empty(), "[model] no layers");
  Shape shape = input_;
  for (auto& layer : layers_) {
    name(*layer);
    layer->build_once(shape);
    shapes_.push_back(shape = layer->compute_output_shape(shape));
  }
  try_out();
}

// [snippet: try_out]
// Two examples go through: does every layer give what compute_output_shape() says? Keras
// believes it without looking.
inline void Model::try_out() {
  NoGrad guard;
  eval();
  Arriving at{ones(input_.with(0, 2)), {}};
  for (size_t i = 0; i < layers_.size(); ++i) {
    at = through(*layers_[i], at);
    HEED_CHECK(at.x.shape() == shapes_[i].with(0, 2), "[model] ", layers_[i]->name,
               ": compute_output_shape() says ", with_batch(shapes_[i]), ", but call() gives ",
               at.x.shape(), " for a batch of 2");
  }
  HEED_CHECK(!at.mask.defined(), "[model] the mask comes out at the end: no layer has taken it",
             "\n  compute_mask() of the layer that takes it returns an undefined Tensor");
}
// [end]

inline Model::Arriving Model::through(Layer& layer, const Arriving& at) {
  return {layer(at.x, at.mask), layer.compute_mask(at.x, at.mask)};
}

// What comes out of the first `layers` layers.
inline Model::Arriving Model::run(const Tensor& x, size_t layers) {
  Arriving at{x, {}};
  for (size_t i = 0; i < layers; ++i) at = through(*layers_[i], at);
  return at;
}

// Counts and sizes as Keras has them; Adam's numbers are its state, its step count and its
// rate.
inline std::string Model::summary() const {
  std::vector<SummaryTable::Row> rows = {{"input_layer (InputLayer)", with_batch(input_), "0"}};
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = *layers_[i];
    rows.push_back({layer.name + " (" + layer.type() + ")", with_batch(shapes_[i]),
                    with_commas(layer.parameter_count())});
  }
  int64_t weights = parameter_count(), state = 0, size = sizeof(Scalar);
  std::string optimizer;
  if (optimizer_) {
    state = 2;
    for (auto& [name, tensor] : optimizer_->state_dict().tensors) state += tensor.numel();
    optimizer = " Optimizer params: " + count_and_size(state, state * size) + "\n";
  }
  std::string counted = count_and_size(weights, weights * size);
  return "Model: \"functional\"\n" + SummaryTable::of(rows) +
         " Total params: " + count_and_size(weights + state, (weights + state) * size) +
         "\n Trainable params: " + counted +
         "\n Non-trainable params: " + count_and_size(0, 0) + "\n" + optimizer;
}

}  // namespace lesson_05
