// A calculation small enough to follow by hand, and what the tape knows of it.
#pragma once
#include <string>
#include <utility>
#include <vector>
#include "autograd/ops.h"

namespace heed {
inline namespace HEED_PRECISION {

// [snippet: loss]
// The loss and what leads to it; 0-dimensional tensors, one number each.
struct Forward {
  Tensor product, guess, error, loss;
  Forward(const Tensor& w, const Tensor& b, const Tensor& x, const Tensor& target)
      : product(w * x), guess(product + b), error(guess - target), loss(error * error) {}
};
// [end]

// What the tape knows of each tensor: the operation that made it, and the nodes of its inputs.
// An input whose derivative nobody wants has no node.
using Named = std::vector<std::pair<const char*, Tensor>>;

inline std::string recorded(const Tensor& x, const Named& tensors) {
  std::string text;
  for (const Ref<Node>& input : x.node()->inputs()) {
    const char* name = "-";
    for (const auto& [other, t] : tensors)
      if (input.get() == t.node().get()) name = other;
    text += std::string(text.empty() ? "" : ", ") + name;
  }
  return x.is_leaf() ? "leaf" : x.node()->name + ("(" + text + ")");
}

}  // namespace HEED_PRECISION
}  // namespace heed
