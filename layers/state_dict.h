// A saved state: numbers by name, in memory or in a .safetensors file that PyTorch users read,
// too.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

struct StateDict {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::vector<std::pair<std::string, int64_t>> counters;
  std::map<std::string, std::string> notes;  // of the whole file: settings, a vocabulary

  // Takes in another state, with "prefix." before its names; part() gives it back. So a model
  // and its optimizer go into one file. Errors: a name that is there already; nothing to give
  // back. Notes stay where they are.
  void add(const std::string& prefix, StateDict other);
  StateDict part(const std::string& prefix) const;
};

// Throws unless `given` has the names and shapes of `wanted`, each once, and no others; the
// message lists all that differs. `op` begins it.
void check_fits(const char* op, const StateDict& given, const StateDict& wanted);

// What stands under a name that check_fits() has seen.
const Tensor& tensor_of(const StateDict& state, const std::string& name);
int64_t counter_of(const StateDict& state, const std::string& name);

// Files: tensors in the precision of this build, counters as I64. A file in the other precision
// is converted; one that is damaged, or has other kinds of numbers, is an error.
void save(const std::string& path, const StateDict& state);
StateDict load(const std::string& path);

}  // namespace HEED_PRECISION
}  // namespace heed
