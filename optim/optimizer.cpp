#include "optim/optimizer.h"
#include <cmath>
#include "autograd/graph.h"

namespace heed {
inline namespace HEED_PRECISION {

Optimizer::Optimizer(const char* name, Parameters parameters, double lr,
                     std::vector<const char*> quantities)
    : lr(lr), name_(name), parameters_(std::move(parameters)), quantities_(std::move(quantities)) {
  CHECK(!parameters_.empty(), "[", name_, "] no parameters\n",
        "  pass model.named_parameters(); a layer without FIELDS lists none");
  CHECK(lr >= 0 && std::isfinite(lr), "[", name_, "] learning rate ", lr);
  for (auto& [key, p] : parameters_) {
    CHECK(p.defined() && p.is_leaf() && p.node(), "[", name_, "] ", key,
          " is no leaf with requires_grad_(): it cannot be trained");
    state_.emplace_back();
    for (size_t q = 0; q < quantities_.size(); ++q) state_.back().push_back(zeros(p.shape()));
  }
}

void Optimizer::zero_grad() {
  for (auto& [key, p] : parameters_) p.zero_grad();
}

// All is looked at before anything is changed.
void Optimizer::check_ready() const {
  for (auto& [key, p] : parameters_) {
    CHECK(!p.node().unique(), "[", name_, "] ", key, " belongs to no model any more\n",
          "  a new model was assigned over the old one: make the optimizer after that");
    if (!p.requires_grad()) continue;
    CHECK(p.grad().defined(), "[", name_, "] ", key, " has no gradient\n",
          "  call backward() before step(); if the loss does not use it, requires_grad_(false)");
  }
}

void Optimizer::step() {
  check_ready();
  ++steps;
  before_step();
  for (size_t k = 0; k < parameters_.size(); ++k) {
    Tensor& p = parameters_[k].second;
    if (!p.requires_grad()) continue;
    Scalar* state[4];
    for (size_t q = 0; q < quantities_.size(); ++q) state[q] = state_[k][q].mutable_data();
    update(p.mutable_data(), p.node()->grad->data(), state, p.numel());
  }
}

StateDict Optimizer::state_dict() const {
  NoGrad guard;
  StateDict result;
  for (size_t q = 0; q < quantities_.size(); ++q)
    for (size_t k = 0; k < parameters_.size(); ++k)
      result.tensors.emplace_back(std::string(quantities_[q]) + "." + parameters_[k].first,
                                  state_[k][q].clone());
  result.counters.emplace_back("step", steps);
  return result;
}

void Optimizer::load_state_dict(const StateDict& state) {
  StateDict mine = state_dict();
  CHECK(state.counters.size() == 1 && state.counters[0].first == "step", "[", name_,
        "] the state has no step count: it is not an optimizer's");
  CHECK(state.tensors.size() == mine.tensors.size(), "[", name_, "] the state has ",
        state.tensors.size(), " tensors, this optimizer keeps ", mine.tensors.size());
  for (auto& [key, tensor] : mine.tensors) {
    const Tensor* found = nullptr;
    for (auto& [other, value] : state.tensors)
      if (other == key) found = &value;
    CHECK(found, "[", name_, "] the state has no ", key);
    CHECK(found->shape() == tensor.shape(), "[", name_, "] ", key, " has shape ", found->shape(),
          " in the state and ", tensor.shape(), " here");
    tensor = *found;
  }
  steps = state.counters[0].second;
  size_t next = 0;
  for (size_t q = 0; q < quantities_.size(); ++q)
    for (auto& kept : state_) kept[q].copy_(mine.tensors[next++].second);
}

}  // namespace HEED_PRECISION
}  // namespace heed
