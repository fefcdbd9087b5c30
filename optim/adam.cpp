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
  Scalar least_p, least_d, least_mean;  // what is smaller has no decay, no square, is 0
};

inline Scalar zero_below(Scalar least, Scalar x) { return std::abs(x) < least ? 0 : x; }

// Separate arrays, and rates by value: otherwise compilers must fear that a store changes what
// the next element reads, and do not use vectors.
void update_range(Scalar* __restrict p, const Scalar* __restrict g, Scalar* __restrict m,
                  Scalar* __restrict v, int64_t n, const Rates rates) {
  const auto [l2, keep, c1, b2, c2, size, root, eps, least_p, least_d,
              least_mean] = rates;
  for (int64_t i = 0; i < n; ++i) {
    const Scalar d = g[i] + l2 * zero_below(least_p, p[i]), large = zero_below(least_d, d);
    m[i] = zero_below(least_mean, m[i] + c1 * (d - m[i]));
    v[i] = zero_below(least_mean, b2 * v[i] + c2 * large * large);
    p[i] = p[i] * keep - size * m[i] / (std::sqrt(v[i]) * root + eps);
  }
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
  // A CPU takes a hundred times as long for numbers below the least normal one. A weight that
  // only its decay moves would end among them, with its means, and stay there. So what would make
  // them counts as 0, provided that the root of v is lost beside eps.
  const double normal = std::numeric_limits<Scalar>::min(),
               least = std::sqrt(normal / (1 - options_.beta2));
  const double into_m = options_.weight_decay * (1 - options_.beta1);
  const bool lost = least * 0x1p30 <= options_.eps;
  rates.least_p = Scalar(lost && rates.l2 > 0 ? normal / into_m : 0);
  rates.least_d = Scalar(lost ? least : 0);
  rates.least_mean = Scalar(lost ? normal : 0);
  parallel_for(n, 1 << 15, [=](int64_t begin, int64_t end) {
    update_range(p + begin, g + begin, m + begin, v + begin, end - begin, rates);
  });
}

}  // namespace HEED_PRECISION
}  // namespace heed
