// Dropout: numbers are left out at random, so that no other number can rely on them.
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"

namespace heed {
inline namespace HEED_PRECISION {

// y = x keep, keep = coin / (1 - p)                 coin: 1 with probability 1 - p, else 0
// dx = g keep
Tensor dropout(const Tensor& x, double p, bool training) {
  check_defined("dropout", x);
  HEED_CHECK(p >= 0 && p <= 1, "[dropout] p ", p,
             ": the probability to leave a number out lies between 0 and 1");
  if (!training || p == 0) return x;
  if (p == 1) return x * 0;
  Tensor keep = empty(x.shape());
  int64_t n = keep.numel();
  Scalar* factor = keep.mutable_data();
  default_generator().bernoulli(factor, n, 1 - p);
  const Scalar scale = 1 / Scalar(1 - p);
  for (int64_t i = 0; i < n; ++i) factor[i] *= scale;
  return record("dropout", x.detach() * keep, inputs(x), saved(keep),
                [](const Tensor& g, GradOf dx, const Tensor& keep) { dx += g * keep; });
}

}  // namespace HEED_PRECISION
}  // namespace heed
