#include "optim/sgd.h"
#include <cmath>

namespace heed {
inline namespace HEED_PRECISION {

// Without momentum there is nothing to keep.
static std::vector<const char*> kept(const SGDOptions& options) {
  if (options.momentum == 0) return {};
  return {"momentum_buffer"};
}

SGD::SGD(Parameters parameters, const SGDOptions& options)
    : Optimizer("SGD", std::move(parameters), options.lr, kept(options)), options_(options) {
  HEED_CHECK(options.momentum >= 0 && options.momentum < 1, "[SGD] momentum ", options.momentum,
        " is not in 0 ... 1");
  HEED_CHECK(!options.nesterov || options.momentum > 0, "[SGD] nesterov needs a momentum");
  HEED_CHECK(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
             "[SGD] weight_decay ", options.weight_decay, " is not a finite number from 0 up");
}

// The formulas of sgd.h, without and with momentum. That the arrays are separate is said in the
// parameters: otherwise compilers do not use vectors.
static void descend(Scalar* __restrict p, const Scalar* __restrict g, int64_t n, Scalar rate,
                    Scalar decay) {
  for (int64_t i = 0; i < n; ++i) p[i] -= rate * (g[i] + decay * p[i]);
}
static void descend(Scalar* __restrict p, const Scalar* __restrict g, Scalar* __restrict b,
                    int64_t n, Scalar rate, Scalar decay, Scalar momentum, bool nesterov) {
  Scalar of_d = nesterov ? Scalar(1) : Scalar(0), of_b = nesterov ? momentum : Scalar(1);
  for (int64_t i = 0; i < n; ++i) {
    Scalar d = g[i] + decay * p[i];
    b[i] = momentum * b[i] + d;
    p[i] -= rate * (of_d * d + of_b * b[i]);
  }
}

void SGD::update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n, int64_t) {
  Scalar rate = Scalar(lr), decay = Scalar(options_.weight_decay);
  if (options_.momentum == 0) return descend(p, g, n, rate, decay);
  // In the first step b is 0, so that momentum * 0 + d is d, as it should be.
  descend(p, g, state[0], n, rate, decay, Scalar(options_.momentum), options_.nesterov);
}

}  // namespace HEED_PRECISION
}  // namespace heed
