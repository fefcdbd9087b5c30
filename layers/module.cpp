#include "layers/module.h"
#include <algorithm>
#include <cstring>

namespace heed {
inline namespace HEED_PRECISION {

// The next of "weight, bias" or "weight,bias".
std::string Fields::next_name(const char*& names) {
  names += std::strspn(names, " \t\n");
  size_t length = std::strcspn(names, ", \t\n");
  std::string name(names, length);
  names += length;
  names += std::strcspn(names, ",");
  if (*names == ',') ++names;
  return name;
}

void Fields::visit(const std::string& name, Module& m) {
  module(m);
  std::string outer = std::exchange(prefix_, prefix_ + name + ".");
  m.fields(*this);
  prefix_ = outer;
}

// Walking changes nothing, so it may walk a const module, too.
static Module& walkable(const Module* m) { return *const_cast<Module*>(m); }

std::vector<std::pair<std::string, Tensor>> Module::named_parameters() const {
  std::vector<std::pair<std::string, Tensor>> result;
  Fields walk;
  walk.parameter = [&](const std::string& name, Parameter& p) { result.emplace_back(name, p); };
  walkable(this).fields(walk);
  return result;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> result;
  for (auto& [name, p] : named_parameters()) result.push_back(p);
  return result;
}

int64_t Module::parameter_count() const {
  int64_t n = 0;
  for (const Tensor& p : parameters()) n += p.numel();
  return n;
}

void Module::train(bool on) {
  training = on;
  Fields walk;
  walk.module = [on](Module& m) { m.training = on; };
  fields(walk);
}

void Module::zero_grad() {
  for (const Tensor& p : parameters()) p.zero_grad();
}

StateDict Module::state_dict() const {
  NoGrad guard;
  StateDict state;
  Fields walk;
  walk.parameter = [&](const std::string& name, Parameter& p) {
    state.tensors.emplace_back(name, p.detach().clone());
  };
  walk.buffer = [&](const std::string& name, Buffer& b) {
    state.tensors.emplace_back(name, b.clone());
  };
  walk.counter = [&](const std::string& name, Counter& c) {
    state.counters.emplace_back(name, c.value);
  };
  walkable(this).fields(walk);
  return state;
}

void Module::load_state_dict(const StateDict& state) {
  check_fits("load_state_dict", state, state_dict());
  NoGrad guard;
  Fields walk;
  walk.parameter = [&](const std::string& name, Parameter& p) {
    p.copy_(tensor_of(state, name));
  };
  walk.buffer = [&](const std::string& name, Buffer& b) {
    b.copy_(tensor_of(state, name));
  };
  walk.counter = [&](const std::string& name, Counter& c) {
    c.value = counter_of(state, name);
  };
  fields(walk);
}

std::ostream& operator<<(std::ostream& out, const Module& module) {
  StateDict state = module.state_dict();
  size_t width = 0;
  for (auto& [name, tensor] : state.tensors) width = std::max(width, name.size());
  for (auto& [name, tensor] : state.tensors)
    out << name << std::string(width - name.size() + 2, ' ') << tensor.shape() << '\n';
  return out << module.parameter_count() << " parameters\n";
}

}  // namespace HEED_PRECISION
}  // namespace heed
