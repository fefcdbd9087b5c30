#include "optim/sgd.h"

namespace heed {
inline namespace HEED_PRECISION {

SGD::SGD(Parameters parameters, const SGDOptions& options)
    : Optimizer("SGD", std::move(parameters), options.lr, {"momentum_buffer"}), options_(options) {
  CHECK(options.momentum >= 0 && options.momentum < 1, "[SGD] momentum ", options.momentum,
        " is not in 0 ... 1");
  CHECK(!options.nesterov || options.momentum > 0, "[SGD] nesterov needs a momentum");
  CHECK(options.weight_decay >= 0, "[SGD] weight_decay ", options.weight_decay, " is negative");
}

void SGD::update(Scalar* __restrict p, const Scalar* __restrict g, Scalar* const* state,
                 int64_t n) {
  // In the first step the buffer is 0, so that momentum * 0 + d is d, as it should be.
  Scalar* __restrict buffer = state[0];
  Scalar rate = Scalar(lr), momentum = Scalar(options_.momentum);
  Scalar decay = Scalar(options_.weight_decay), ahead = options_.nesterov ? momentum : Scalar(0);
  for (int64_t i = 0; i < n; ++i) {
    Scalar d = g[i] + decay * p[i];
    buffer[i] = momentum * buffer[i] + d;
    p[i] -= rate * (options_.nesterov ? d + ahead * buffer[i] : buffer[i]);
  }
}

}  // namespace HEED_PRECISION
}  // namespace heed
