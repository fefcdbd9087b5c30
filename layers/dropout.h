// Dropout: in training, each number is left out with probability p, and the others are scaled
// up by 1 / (1 - p), so that nothing needs scaling later. Srivastava et al. 2014.
#pragma once
#include "autograd/ops.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

// p, for a layer that has dropout inside.
inline double probability(const char* layer, double p) {
  HEED_CHECK(p >= 0 && p <= 1, "[", layer, "] dropout ", p,
             ": the probability to leave a number out lies between 0 and 1");
  return p;
}

struct Dropout : Module {
  double p;
  FIELDS()

  explicit Dropout(double p = 0.5) : p(probability("Dropout", p)) {}
  Tensor operator()(const Tensor& x) const { return dropout(x, p, training); }
};

}  // namespace HEED_PRECISION
}  // namespace heed
