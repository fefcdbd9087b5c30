// Adam: every parameter has a step size of its own, from running means of its gradient and of the
// gradient's square. Kingma and Ba 2015, algorithm 1.
#pragma once
#include "optim/optimizer.h"

namespace heed {
inline namespace HEED_PRECISION {

struct AdamOptions {
  double lr = 0.001;
  double beta1 = 0.9, beta2 = 0.999;  // how much of the running means is kept
  double eps = 1e-8;
  double weight_decay = 0;
};

// g = g + weight_decay p                   Adam: L2, so that decay is scaled like a gradient
// p = p - lr weight_decay p                AdamW: decoupled (Loshchilov and Hutter 2019)
// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
// p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
class Adam : public Optimizer {
 public:
  Adam(Parameters parameters, const AdamOptions& options) : Adam("Adam", parameters, options) {}

 protected:
  Adam(const char* name, Parameters parameters, const AdamOptions& options, bool decoupled = false);

 private:
  void before_step() override;
  void update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n) override;

  AdamOptions options_;
  bool decoupled_;
  int64_t power_ = 0;                  // t of the two powers below: running products, since
  double power1_ = 1, power2_ = 1;     // pow() differs between C libraries. beta1^t, beta2^t
};

class AdamW : public Adam {
 public:
  AdamW(Parameters parameters, const AdamOptions& options)
      : Adam("AdamW", std::move(parameters), options, true) {}
};

}  // namespace HEED_PRECISION
}  // namespace heed
