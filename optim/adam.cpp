#include "optim/adam.h"
#include <cmath>
#include "autograd/parallel.h"

namespace heed {
inline namespace HEED_PRECISION {

Adam::Adam(const char* name, Parameters parameters, const AdamOptions& options, bool decoupled)
    : Optimizer(name, std::move(parameters), options.lr, {"exp_avg", "exp_avg_sq"}),
      options_(options),
      decoupled_(decoupled) {
  for (double beta : {options.beta1, options.beta2})
    CHECK(beta >= 0 && beta < 1, "[", name, "] beta ", beta, " is not in 0 ... 1");
  CHECK(options.eps >= 0 && options.weight_decay >= 0, "[", name, "] eps ", options.eps,
        " and weight_decay ", options.weight_decay, " must not be negative");
}

void Adam::before_step() {
  if (power_ > steps) power_ = 0, power1_ = power2_ = 1;  // an earlier state was loaded
  for (; power_ < steps; ++power_) power1_ *= options_.beta1, power2_ *= options_.beta2;
}

void Adam::update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n) {
  Scalar *m = state[0], *v = state[1];
  Scalar c1 = Scalar(1 - options_.beta1), b2 = Scalar(options_.beta2);
  Scalar c2 = Scalar(1 - options_.beta2), eps = Scalar(options_.eps);
  Scalar size = Scalar(lr / (1 - power1_)), root = Scalar(1 / std::sqrt(1 - power2_));
  // The one line in which Adam and AdamW differ: where the decay goes.
  Scalar l2 = Scalar(decoupled_ ? 0 : options_.weight_decay);
  Scalar keep = Scalar(decoupled_ ? 1 - lr * options_.weight_decay : 1);
  parallel_for(n, 1 << 15, [=](int64_t begin, int64_t end) {
    Scalar *__restrict pp = p, *__restrict mm = m, *__restrict vv = v;
    for (int64_t i = begin; i < end; ++i) {
      Scalar d = g[i] + l2 * pp[i];
      mm[i] += c1 * (d - mm[i]);
      vv[i] = b2 * vv[i] + c2 * d * d;
      pp[i] = pp[i] * keep - size * mm[i] / (std::sqrt(vv[i]) * root + eps);
    }
  });
}

}  // namespace HEED_PRECISION
}  // namespace heed
