#include "optim/optimizer.h"
#include <cmath>
#include "autograd/graph.h"

namespace heed {
inline namespace HEED_PRECISION {

static void check_rate(const char* name, double lr) {
  HEED_CHECK(lr >= 0 && std::isfinite(lr), "[", name, "] learning rate ", lr,
        ": a finite number from 0 up is wanted");
}

Optimizer::Optimizer(const char* name, Parameters parameters, double lr,
                     std::vector<const char*> quantities)
    : lr(lr), name_(name), quantities_(std::move(quantities)) {
  HEED_CHECK(!parameters.empty(), "[", name_, "] no parameters\n",
        "  pass model.named_parameters(); a layer without FIELDS lists none");
  check_rate(name_, lr);
  for (auto& [key, p] : parameters) add(key, p);
}

void Optimizer::add(const std::string& name, const Tensor& p) {
  HEED_CHECK(p.defined() && p.is_leaf() && p.node() && p.is_contiguous(), "[", name_, "] ",
             name, " cannot be trained: it is no row-major leaf with requires_grad_()");
  for (const Trained& other : trained_)
    HEED_CHECK(other.name != name && other.parameter.node().get() != p.node().get(), "[", name_,
               "] ", name, " is given twice: first as ", other.name);
  trained_.push_back({name, p, {}});
  for (size_t q = 0; q < quantities_.size(); ++q)
    trained_.back().state.push_back(zeros(p.shape()));
}

void Optimizer::zero_grad() {
  for (Trained& t : trained_) t.parameter.zero_grad();
}

// All is looked at before anything is changed.
void Optimizer::check_ready() const {
  check_rate(name_, lr);
  for (const Trained& t : trained_) {
    const Tensor& p = t.parameter;
    HEED_CHECK(!p.node().unique(), "[", name_, "] ", t.name, " belongs to no model any more\n",
          "  a new model was assigned over the old one: make the optimizer after that");
    HEED_CHECK(!p.requires_grad() || p.grad().defined(), "[", name_, "] ", t.name,
          " has no gradient\n  call backward() before step(); if the loss does not use it,",
          " requires_grad_(false)");
  }
}

void Optimizer::step() {
  check_ready();
  for (Trained& t : trained_) {
    Tensor& p = t.parameter;
    if (!p.requires_grad()) continue;
    Scalar* state[4];
    for (size_t q = 0; q < quantities_.size(); ++q) state[q] = t.state[q].mutable_data();
    update(p.mutable_data(), p.node()->grad->data(), state, p.numel(), ++t.steps);
  }
}

StateDict Optimizer::state_dict() const {
  NoGrad guard;
  StateDict result;
  for (size_t q = 0; q < quantities_.size(); ++q)
    for (const Trained& t : trained_)
      result.tensors.emplace_back(quantities_[q] + ("." + t.name), t.state[q].clone());
  for (const Trained& t : trained_) result.counters.emplace_back("step." + t.name, t.steps);
  return result;
}

void Optimizer::load_state_dict(const StateDict& state) {
  check_fits(name_, state, state_dict());
  for (auto& [name, count] : state.counters)
    HEED_CHECK(count >= 0, "[", name_, "] the state has ", name, ' ', count,
               ", a negative count");
  for (Trained& t : trained_) {
    for (size_t q = 0; q < quantities_.size(); ++q)
      t.state[q].copy_(tensor_of(state, quantities_[q] + ("." + t.name)).detach());
    t.steps = counter_of(state, "step." + t.name);
  }
}

}  // namespace HEED_PRECISION
}  // namespace heed
