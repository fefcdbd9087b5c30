#include "optim/clip.h"
#include <cmath>
#include "autograd/graph.h"
#include "autograd/ops.h"

namespace heed {
inline namespace HEED_PRECISION {

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm) {
  HEED_CHECK(max_norm > 0, "[clip_grad_norm_] max_norm ", max_norm, " must be positive");
  NoGrad guard;
  double squares = 0;
  for (const Tensor& p : parameters)
    if (Tensor g = p.grad(); g.defined()) squares += double(sum(g * g).item());
  double norm = std::sqrt(squares);
  double factor = max_norm / (norm + 1e-6);  // as in PyTorch
  if (factor < 1)
    for (const Tensor& p : parameters)
      if (Tensor g = p.grad(); g.defined()) g.mul_(factor);
  return norm;
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double limit) {
  HEED_CHECK(limit > 0, "[clip_grad_value_] limit ", limit, " must be positive");
  NoGrad guard;
  for (const Tensor& p : parameters)
    if (Tensor g = p.grad(); g.defined()) g.copy_(clamp(g, -limit, limit));
}

}  // namespace HEED_PRECISION
}  // namespace heed
