// Adam: every parameter has a step size of its own, from running means of its gradient and of
// the gradient's square. Kingma and Ba 2015, algorithm 1.
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
struct AdamWOptions {
  double lr = 0.001;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;  // not 0, as in PyTorch
};

// g = g + weight_decay p                   Adam: L2, so that decay is scaled like a gradient
// p = p - lr weight_decay p                AdamW: decoupled (Loshchilov and Hutter 2019)
// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
// p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
class Adam : public Optimizer {
 public:
  explicit Adam(Parameters parameters, const AdamOptions& options = {})
      : Adam("Adam", std::move(parameters), options, false) {}

 protected:
  Adam(const char* name, Parameters parameters, const AdamOptions& options, bool decoupled);

 private:
  void update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n, int64_t t) override;

  static constexpr int64_t SWEEP = 32;  // steps
  void sweep(Scalar* p, Scalar* m, Scalar* v, int64_t n) const;

  AdamOptions options_;
  bool decoupled_;
  int64_t power_of_ = 0;            // the t of these two: beta1^t, beta2^t
  double power1_ = 1, power2_ = 1;
};

class AdamW : public Adam {
 public:
  explicit AdamW(Parameters parameters, const AdamWOptions& o = {})
      : Adam("AdamW", std::move(parameters), {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay},
             true) {}
};

}  // namespace HEED_PRECISION
}  // namespace heed
