#include "optim/adam.h"
#include <cmath>
#include <limits>
#include "autograd/exact_math.h"
#include "autograd/parallel.h"

namespace heed {
inline namespace HEED_PRECISION {

Adam::Adam(const char* name, Parameters parameters, const AdamOptions& options, bool decoupled)
    : Optimizer(name, std::move(parameters), options.lr, {"exp_avg", "exp_avg_sq"}),
      options_(options),
      decoupled_(decoupled) {
  for (double beta : {options.beta1, options.beta2})
    HEED_CHECK(beta >= 0 && beta < 1, "[", name, "] beta ", beta, " is not in 0 ... 1");
  for (double x : {options.eps, options.weight_decay})
    HEED_CHECK(x >= 0 && std::isfinite(x), "[", name, "] eps ", options.eps,
               " and weight_decay ", options.weight_decay, " must be finite numbers from 0 up");
}

namespace {

// The numbers of a step that are the same for all elements.
struct Rates {
  Scalar l2, keep, c1, b2, c2, size, root, eps;
};

// Separate arrays, and rates by value: otherwise compilers must fear that a store changes what
// the next element reads, and do not use vectors.
// (FAR: c1 is 1/2 or more. As PyTorch's lerp, m goes from the end that is nearer.)
template <bool FAR>
void update_range(Scalar* __restrict p, const Scalar* __restrict g, Scalar* __restrict m,
                  Scalar* __restrict v, int64_t n, const Rates rates) {
  const auto [l2, keep, c1, b2, c2, size, root, eps] = rates;
  for (int64_t i = 0; i < n; ++i) {
    Scalar d = g[i] + l2 * p[i];
    m[i] = FAR ? d - (1 - c1) * (d - m[i]) : m[i] + c1 * (d - m[i]);
    v[i] = b2 * v[i] + c2 * d * d;
    p[i] = p[i] * keep - size * m[i] / (std::sqrt(v[i]) * root + eps);
  }
}

void zero_below(double least, Scalar* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::abs(x[i]) < Scalar(least) ? 0 : x[i];
}

// beta^t, t > 0
double power(double beta, int64_t t) { return beta == 0 ? 0 : exact::pow(beta, double(t)); }

}  // namespace

void Adam::update(Scalar* p, const Scalar* g, Scalar* const* state, int64_t n, int64_t t) {
  if (t != power_of_) {  // the same for most parameters of a step
    power_of_ = t;
    power1_ = power(options_.beta1, t);
    power2_ = power(options_.beta2, t);
  }
  Scalar *m = state[0], *v = state[1];
  Rates rates;
  // Here, and nowhere else, Adam and AdamW differ: where the decay goes.
  rates.l2 = Scalar(decoupled_ ? 0 : options_.weight_decay);
  rates.keep = Scalar(decoupled_ ? 1 - lr * options_.weight_decay : 1);
  rates.c1 = Scalar(1 - options_.beta1);
  rates.b2 = Scalar(options_.beta2);
  rates.c2 = Scalar(1 - options_.beta2);
  rates.size = Scalar(lr / (1 - power1_));
  rates.root = Scalar(1 / std::sqrt(1 - power2_));
  rates.eps = Scalar(options_.eps);
  parallel_for(n, 1 << 15, [=, this](int64_t begin, int64_t end) {
    const auto update = rates.c1 < Scalar(0.5) ? update_range<false> : update_range<true>;
    update(p + begin, g + begin, m + begin, v + begin, end - begin, rates);
    if (t % SWEEP == 0) sweep(p + begin, m + begin, v + begin, end - begin);
  });
}

// A CPU takes many times as long for numbers below the least normal one. A weight that only its
// decay moves would end among them, with its means, and stay there. So they become 0, and so does
// a weight whose decay is such a number; if eps is so large that nothing is lost beside it.
void Adam::sweep(Scalar* p, Scalar* m, Scalar* v, int64_t n) const {
  const double normal = std::numeric_limits<Scalar>::min();
  if (options_.eps < 0x1p30 * std::sqrt(normal)) return;
  zero_below(normal, m, n);
  zero_below(normal, v, n);
  const double decay = decoupled_ ? 0 : options_.weight_decay * (1 - options_.beta1);
  if (decay > 0) zero_below(normal / decay, p, n);
}

}  // namespace HEED_PRECISION
}  // namespace heed
