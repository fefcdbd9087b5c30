#include "optim/clip.h"
#include <cmath>
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"

namespace heed {
inline namespace HEED_PRECISION {

// sum(g * g) for each parameter's gradient g, 0 if it has none.
static std::vector<Scalar> squares_of(const std::vector<Tensor>& parameters) {
  std::vector<Scalar> squares(parameters.size());
  int64_t total = 0;
  for (const Tensor& p : parameters) total += p.numel();
  // As many parameters a thread as have 2^17 numbers together, if all are of one size.
  const int64_t count = int64_t(parameters.size()), grain = (count << 17) / (total + 1) + 1;
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (Tensor g = parameters[size_t(i)].grad(); g.defined())
        squares[size_t(i)] = simd::sum16_of(
            g.numel(), [](auto v) { return v * v; }, g.data());
  });
  return squares;
}

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm) {
  HEED_CHECK(max_norm > 0, "[clip_grad_norm_] max_norm ", max_norm, " must be positive");
  NoGrad guard;
  double squares = 0;
  for (Scalar square : squares_of(parameters)) squares += double(square);
  double norm = std::sqrt(squares);
  double factor = max_norm / (norm + 1e-6);  // as in PyTorch
  if (!(factor >= 1))  // a NaN spreads to all, so that no half of a step is taken
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
