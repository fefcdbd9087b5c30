// Stochastic gradient descent: a step against the gradient, with momentum if wanted.
#pragma once
#include "optim/optimizer.h"

namespace heed {
inline namespace HEED_PRECISION {

struct SGDOptions {
  double lr = 0.001;
  double momentum = 0;      // share of the last step's direction that is kept
  bool nesterov = false;    // look ahead along that direction (Sutskever et al. 2013)
  double weight_decay = 0;  // L2: pulls every parameter towards 0 through its gradient
};

// d = g + weight_decay p
// b = momentum b + d  (b = d in the first step);  d = d + momentum b if nesterov, else b
// p = p - lr d
class SGD : public Optimizer {
 public:
  explicit SGD(Parameters parameters, const SGDOptions& options = {});

 private:
  void update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n, int64_t t) override;
  SGDOptions options_;
};

}  // namespace HEED_PRECISION
}  // namespace heed
