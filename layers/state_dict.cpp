#include "layers/state_dict.h"
#include <algorithm>
#include <cstring>
#include <sstream>
#include "autograd/safetensors.h"

namespace heed {
inline namespace HEED_PRECISION {

template <class List> static auto* find(List& list, const std::string& name) {
  auto found =
      std::find_if(list.begin(), list.end(), [&](auto& entry) { return entry.first == name; });
  return found == list.end() ? nullptr : &*found;
}

const Tensor& tensor_of(const StateDict& state, const std::string& name) {
  return find(state.tensors, name)->second;
}
int64_t counter_of(const StateDict& state, const std::string& name) {
  return find(state.counters, name)->second;
}

void check_fits(const char* op, const StateDict& given, const StateDict& wanted) {
  std::ostringstream missing, unknown, misshapen, twice;
  for (auto& [name, tensor] : wanted.tensors) {
    auto* found = find(given.tensors, name);
    if (!found || !found->second.defined()) {
      missing << ' ' << name;
    } else if (!(found->second.shape() == tensor.shape())) {
      misshapen << ' ' << name << ' ' << found->second.shape() << " for " << tensor.shape();
    }
  }
  for (auto& [name, count] : wanted.counters)
    if (!find(given.counters, name)) missing << ' ' << name;
  auto check_names = [&](auto& have, auto& want) {
    for (auto& entry : have) {
      if (!find(want, entry.first)) unknown << ' ' << entry.first;
      if (find(have, entry.first) != &entry) twice << ' ' << entry.first;
    }
  };
  check_names(given.tensors, wanted.tensors);
  check_names(given.counters, wanted.counters);
  std::string wrong;
  if (!missing.str().empty()) wrong += "\n  missing:" + missing.str();
  if (!unknown.str().empty()) wrong += "\n  unknown:" + unknown.str();
  if (!misshapen.str().empty()) wrong += "\n  other shape:" + misshapen.str();
  if (!twice.str().empty()) wrong += "\n  more than once:" + twice.str();
  HEED_CHECK(wrong.empty(), "[", op, "] the state does not fit", wrong);
}

// ---- several states in one
void StateDict::add(const std::string& prefix, StateDict other) {
  auto append = [&](auto& to, auto& from) {
    for (auto& [name, value] : from) {
      std::string key = prefix + "." + name;
      HEED_CHECK(!find(tensors, key) && !find(counters, key), "[state] ", key,
                 " is there already");
      to.emplace_back(key, value);
    }
  };
  append(tensors, other.tensors);
  append(counters, other.counters);
}

StateDict StateDict::part(const std::string& prefix) const {
  StateDict result;
  auto pick = [start = prefix + "."](auto& to, auto& from) {
    for (auto& [name, value] : from)
      if (name.starts_with(start)) to.emplace_back(name.substr(start.size()), value);
  };
  pick(result.tensors, tensors);
  pick(result.counters, counters);
  HEED_CHECK(!result.tensors.empty() || !result.counters.empty(),
             "[state] no name begins with ", prefix, ".");
  return result;
}

// ---- files
template <class T> static SafeTensor entry(const char* dtype, const Shape& shape,
                                           const T* numbers, int64_t count) {
  SafeTensor result{dtype, {shape.begin(), shape.end()}, {}};
  result.bytes.resize(size_t(count) * sizeof(T));
  if (count > 0) std::memcpy(result.bytes.data(), numbers, result.bytes.size());
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
  file.metadata = state.notes;
  save_safetensors(path, file);
}

template <class T> static void read_numbers(const SafeTensor& from, Tensor& to) {
  std::vector<T> numbers(from.bytes.size() / sizeof(T));
  if (!numbers.empty()) std::memcpy(numbers.data(), from.bytes.data(), from.bytes.size());
  std::copy(numbers.begin(), numbers.end(), to.mutable_data());
}

StateDict load(const std::string& path) {
  StateDict state;
  SafeTensors file = load_safetensors(path);
  state.notes = file.metadata;
  for (auto& [name, entry] : file.tensors) {
    if (entry.dtype == "I64") {
      HEED_CHECK(entry.bytes.size() == 8, "[load] ", path, ": ", name,
            " is a list of whole numbers; only single ones are part of a state");
      int64_t count;
      std::memcpy(&count, entry.bytes.data(), 8);
      state.counters.emplace_back(name, count);
      continue;
    }
    HEED_CHECK(entry.shape.size() <= Shape::MAX_RANK, "[load] ", path, ": ", name, " has ",
               entry.shape.size(), " dimensions; at most ", Shape::MAX_RANK, " are possible");
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
