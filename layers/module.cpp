#include "layers/module.h"
#include <algorithm>
#include <cstring>
#include <sstream>
#include "autograd/safetensors.h"

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

template <class List> static auto find(List& list, const std::string& name) {
  return std::find_if(list.begin(), list.end(), [&](auto& entry) { return entry.first == name; });
}

void Module::load_state_dict(const StateDict& state) {
  StateDict mine = state_dict();
  std::ostringstream missing, unknown, misshapen;
  for (auto& [name, tensor] : mine.tensors) {
    auto found = find(state.tensors, name);
    if (found == state.tensors.end()) {
      missing << ' ' << name;
    } else if (!(found->second.shape() == tensor.shape())) {
      misshapen << ' ' << name << ' ' << found->second.shape() << " for " << tensor.shape();
    }
  }
  for (auto& [name, count] : mine.counters)
    if (find(state.counters, name) == state.counters.end()) missing << ' ' << name;
  for (auto& [name, tensor] : state.tensors)
    if (find(mine.tensors, name) == mine.tensors.end()) unknown << ' ' << name;
  for (auto& [name, count] : state.counters)
    if (find(mine.counters, name) == mine.counters.end()) unknown << ' ' << name;
  std::ostringstream wrong;
  if (!missing.str().empty()) wrong << "\n  missing:" << missing.str();
  if (!unknown.str().empty()) wrong << "\n  unknown:" << unknown.str();
  if (!misshapen.str().empty()) wrong << "\n  other shape:" << misshapen.str();
  CHECK(wrong.str().empty(), "[load_state_dict] the state is not this model's", wrong.str());

  NoGrad guard;
  Fields walk;
  walk.parameter = [&](const std::string& name, Parameter& p) {
    p.copy_(find(state.tensors, name)->second);
  };
  walk.buffer = [&](const std::string& name, Buffer& b) {
    b.copy_(find(state.tensors, name)->second);
  };
  walk.counter = [&](const std::string& name, Counter& c) {
    c.value = find(state.counters, name)->second;
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

// ---- files
template <class T>
static SafeTensor entry(const char* dtype, const Shape& shape, const T* numbers, int64_t count) {
  SafeTensor result{dtype, {shape.begin(), shape.end()}, {}};
  result.bytes.resize(size_t(count) * sizeof(T));
  std::memcpy(result.bytes.data(), numbers, result.bytes.size());
  return result;
}

void save(const std::string& path, const StateDict& state) {
  SafeTensors file;
  const char* dtype = sizeof(Scalar) == 8 ? "F64" : "F32";
  for (auto& [name, tensor] : state.tensors) {
    Tensor dense = tensor.detach().contiguous();
    file.tensors.emplace_back(name, entry(dtype, dense.shape(), dense.data(), dense.numel()));
  }
  for (auto& [name, count] : state.counters)
    file.tensors.emplace_back(name, entry("I64", {}, &count, 1));
  save_safetensors(path, file);
}

template <class T> static void read_numbers(const SafeTensor& from, Tensor& to) {
  std::vector<T> numbers(from.bytes.size() / sizeof(T));
  std::memcpy(numbers.data(), from.bytes.data(), from.bytes.size());
  std::copy(numbers.begin(), numbers.end(), to.mutable_data());
}

StateDict load(const std::string& path) {
  StateDict state;
  for (auto& [name, entry] : load_safetensors(path).tensors) {
    if (entry.dtype == "I64") {
      CHECK(entry.bytes.size() == 8, "[load] ", path, ": ", name,
            " is a list of whole numbers; only single ones are part of a model's state");
      int64_t count;
      std::memcpy(&count, entry.bytes.data(), 8);
      state.counters.emplace_back(name, count);
      continue;
    }
    Tensor tensor = empty(Shape(std::span<const int64_t>(entry.shape)));
    if (entry.dtype == "F64") {
      read_numbers<double>(entry, tensor);
    } else {
      read_numbers<float>(entry, tensor);
    }
    state.tensors.emplace_back(name, std::move(tensor));
  }
  return state;
}

}  // namespace HEED_PRECISION
}  // namespace heed
