// save and load: a safetensors file with the names that Keras has for its variables.
#pragma once
#include "model.h"

namespace lesson_05 {

inline std::string replaced(std::string text, char from, char to) {
  std::replace(text.begin(), text.end(), from, to);
  return text;
}

// keras_attention.att_weight -> keras_attention/att_weight
inline StateDict weights_as_keras(const StateDict& state) {
  StateDict result;
  for (auto& [name, tensor] : state.tensors)
    result.tensors.emplace_back(replaced(name, '.', '/'), tensor);
  return result;
}

// momentum.keras_attention.att_weight -> adam/keras_attention_att_weight_momentum
inline std::string as_keras(const std::string& optimizer, const std::string& name) {
  size_t dot = name.find('.');
  return optimizer + "/" + replaced(name.substr(dot + 1), '.', '_') + "_" + name.substr(0, dot);
}
inline StateDict optimizer_as_keras(const std::string& name, const Optimizer& optimizer) {
  StateDict state = optimizer.state_dict(), result;
  result.tensors.emplace_back(name + "/learning_rate", scalar(optimizer.lr));
  for (auto& [key, tensor] : state.tensors)
    result.tensors.emplace_back(as_keras(name, key), tensor);
  result.counters.emplace_back(name + "/iteration", state.counters[0].second);
  return result;
}

inline void Model::save(const std::string& path) const {
  StateDict file = weights_as_keras(state_dict());
  if (optimizer_) {
    StateDict state = optimizer_as_keras(compiled_->optimizer.name, *optimizer_);
    file.tensors.insert(file.tensors.end(), state.tensors.begin(), state.tensors.end());
    file.counters = state.counters;
  }
  heed::save(path, file);
}

inline bool is_of_optimizer(const std::string& name) {
  return name.starts_with("adam/") || name.starts_with("sgd/");
}

// All is compared first. A file without an optimizer's state leaves the optimizer as it is.
inline void Model::load(const std::string& path) {
  StateDict file = heed::load(path), weights, state;
  for (auto& entry : file.tensors)
    (is_of_optimizer(entry.first) ? state : weights).tensors.push_back(entry);
  for (auto& entry : file.counters)
    (is_of_optimizer(entry.first) ? state : weights).counters.push_back(entry);
  StateDict own = state_dict();
  check_fits("load", weights, weights_as_keras(own));
  if (compiled_ && !state.tensors.empty()) load_optimizer(state);
  for (auto& [name, tensor] : own.tensors)
    tensor = tensor_of(weights, replaced(name, '.', '/'));
  load_state_dict(own);
}

inline void Model::load_optimizer(const StateDict& file) {
  const std::string& name = compiled_->optimizer.name;
  check_fits("load", file, optimizer_as_keras(name, optimizer()));
  StateDict state = optimizer().state_dict();
  for (auto& [key, tensor] : state.tensors) tensor = tensor_of(file, as_keras(name, key));
  for (auto& [key, count] : state.counters) count = counter_of(file, name + "/iteration");
  double rate = double(tensor_of(file, name + "/learning_rate").item());
  HEED_CHECK(rate >= 0 && std::isfinite(rate), "[load] ", name, "/learning_rate is ", rate,
             ": a finite number from 0 up is wanted");
  optimizer().load_state_dict(state);
  optimizer().lr = rate;
}

}  // namespace lesson_05
