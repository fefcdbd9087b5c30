// A lesson's last line: the hash of all weights of its models, one model after the other.
#pragma once
#include <vector>
#include "layers/module.h"
#include "lessons/support/hash.h"
#include "lessons/support/terminal.h"

namespace heed {
inline namespace HEED_PRECISION {

inline void say_weights(const std::vector<const Module*>& models) {
  uint64_t hash = fnv1a(nullptr, 0);
  for (const Module* model : models)
    for (const Tensor& p : model->parameters())
      hash = fnv1a(p.data(), size_t(p.numel()) * sizeof(Scalar), hash);
  say("weights %016llx", (unsigned long long)hash);
}

}  // namespace HEED_PRECISION
}  // namespace heed
