// Operations number by number. Two loops carry them all: zip() over two operands, map() over
// one.
#include <cmath>
#include <limits>
#include "autograd/broadcast.h"
#include "autograd/exact_math.h"
#include "autograd/graph.h"
#include "autograd/loops.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/simd.h"
#include "autograd/simd_math.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t GRAIN =
    1 << 15;  // numbers below which a second thread costs more than it gives

// The loops proper. f comes by value: a loop that reads f's numbers from memory, where its own
// stores might change them, gets no vectors.
template <class F> void map_range(Scalar* out, const Scalar* in, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) out[i] = f(in[i]);
}
template <class F>
void zip_range(Scalar* out, const Scalar* a, const Scalar* b, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
}

// y = f(x)
template <class F> Tensor map(const char* op, const Tensor& x, F f) {
  check_defined(op, x);
  Tensor y = empty(x.shape());
  const Scalar* in = x.data();
  Scalar* out = y.mutable_data();
  if (x.is_contiguous()) {
    parallel_for(x.numel(), GRAIN, [=](int64_t begin, int64_t end) {
      map_range(out + begin, in + begin, end - begin, f);
    });
  } else {
    Walk<2>(x.shape(), {y.strides(), x.strides()}).run([&](auto at, int64_t n, auto step) {
      for (int64_t i = 0; i < n; ++i) out[at[0] + i * step[0]] = f(in[at[1] + i * step[1]]);
    });
  }
  return y;
}

// y = f(x) for one of simd_math.h's functions, which takes vectors, and long enough for the next
// numbers to come meanwhile: from beyond the first cache exp takes a fifth less (measured).
template <class F> Tensor map_vectors(const char* op, const Tensor& x, F f) {
  check_defined(op, x);
  Tensor row_major = x.detach().contiguous(), y = empty(x.shape());
  const Scalar* in = row_major.data();
  Scalar* out = y.mutable_data();
  parallel_for(x.numel(), GRAIN, [=](int64_t begin, int64_t end) {
    const Scalar* ahead = in + begin + 1024 / sizeof(Scalar);
    const auto send_for_more = [&ahead, f](auto v) {
      __builtin_prefetch(ahead);
      ahead += simd::LANES<decltype(v)>;
      return f(v);
    };
    simd::map(out + begin, end - begin, send_for_more, in + begin);
  });
  return y;
}

// One row of zip(). Telling the compiler that a step is 0 or 1 lets it use vectors.
template <class F>
void zip_row(Scalar* out, const Scalar* a, int64_t step_a, const Scalar* b, int64_t step_b,
             int64_t n, F f) {
  if (step_a == 1 && step_b == 1) {
    zip_range(out, a, b, n, f);
  } else if (step_a == 1 && step_b == 0) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], *b);
  } else if (step_a == 0 && step_b == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(*a, b[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = f(a[i * step_a], b[i * step_b]);
  }
}

// y = f(a, b) for row-major operands of one shape
template <class F> Tensor zip_dense(const Tensor& a, const Tensor& b, F f) {
  Tensor y = empty(a.shape());
  const Scalar *p = a.data(), *q = b.data();
  Scalar* out = y.mutable_data();
  parallel_for(y.numel(), GRAIN, [=](int64_t begin, int64_t end) {
    zip_range(out + begin, p + begin, q + begin, end - begin, f);
  });
  return y;
}

// y = f(a, b), broadcast
template <class F>
Tensor zip_broadcast(const char* op, const Tensor& a, const Tensor& b, F f) {
  Tensor y = empty(broadcast_shapes(op, a.shape(), b.shape()));
  const Scalar *p = a.data(), *q = b.data();
  Scalar* out = y.mutable_data();
  Walk<3>(y.shape(), {y.strides(), broadcast_strides(op, a.shape(), a.strides(), y.shape()),
                      broadcast_strides(op, b.shape(), b.strides(), y.shape())})
      .run([&](auto at, int64_t n, auto step) {
        zip_row(out + at[0], p + at[1], step[1], q + at[2], step[2], n, f);
      });
  return y;
}
template <class F> Tensor zip(const char* op, const Tensor& a, const Tensor& b, F f) {
  check_defined(op, a, b);
  const bool dense = a.shape() == b.shape() && a.is_contiguous() && b.is_contiguous();
  return dense ? zip_dense(a, b, f) : zip_broadcast(op, a, b, f);
}

}  // namespace

// ---- arithmetic
Tensor operator+(const Tensor& a, const Tensor& b) {
  Tensor y = zip("add", a, b, [](Scalar p, Scalar q) { return p + q; });
  return record("add", std::move(y), inputs(a, b), saved(),
                [](const Tensor& g, GradOf da, GradOf db) {
                  da += g;
                  db += g;
                });
}

Tensor operator-(const Tensor& a, const Tensor& b) {
  Tensor y = zip("sub", a, b, [](Scalar p, Scalar q) { return p - q; });
  return record("sub", std::move(y), inputs(a, b), saved(),
                [](const Tensor& g, GradOf da, GradOf db) {
                  da += g;
                  if (db) db += -g;
                });
}

Tensor operator*(const Tensor& a, const Tensor& b) {
  Tensor y = zip("mul", a, b, [](Scalar p, Scalar q) { return p * q; });
  return record("mul", std::move(y), inputs(a, b),
                saved(b.requires_grad() ? a : nothing, a.requires_grad() ? b : nothing),
                [](const Tensor& g, GradOf da, GradOf db, const Tensor& a, const Tensor& b) {
                  if (da) da += g * b;
                  if (db) db += g * a;
                });
}

Tensor operator/(const Tensor& a, const Tensor& b) {
  Tensor y = zip("div", a, b, [](Scalar p, Scalar q) { return p / q; });
  return record("div", std::move(y), inputs(a, b), saved(b.requires_grad() ? a : nothing, b),
                [](const Tensor& g, GradOf da, GradOf db, const Tensor& a, const Tensor& b) {
                  if (da) da += g / b;
                  if (db) db += -(g * (a / b / b));
                });
}

Tensor operator+(const Tensor& x, double s) {
  Tensor y = map("add", x, [c = Scalar(s)](Scalar p) { return p + c; });
  return record("add", std::move(y), inputs(x), saved(),
                [](const Tensor& g, GradOf dx) { dx += g; });
}

Tensor operator-(const Tensor& x, double s) {
  Tensor y = map("sub", x, [c = Scalar(s)](Scalar p) { return p - c; });
  return record("sub", std::move(y), inputs(x), saved(),
                [](const Tensor& g, GradOf dx) { dx += g; });
}

Tensor operator*(const Tensor& x, double s) {
  Tensor y = map("mul", x, [c = Scalar(s)](Scalar p) { return p * c; });
  return record("mul", std::move(y), inputs(x), saved(),
                [s](const Tensor& g, GradOf dx) { dx += g * s; });
}

Tensor operator/(const Tensor& x, double s) {
  Tensor y = map("div", x, [c = Scalar(s)](Scalar p) { return p / c; });
  return record("div", std::move(y), inputs(x), saved(),
                [s](const Tensor& g, GradOf dx) { dx += g / s; });
}

Tensor operator-(double s, const Tensor& x) {
  Tensor y = map("sub", x, [c = Scalar(s)](Scalar p) { return c - p; });
  return record("sub", std::move(y), inputs(x), saved(),
                [](const Tensor& g, GradOf dx) { dx += -g; });
}

Tensor operator/(double s, const Tensor& x) {
  Tensor y = map("div", x, [c = Scalar(s)](Scalar p) { return c / p; });
  return record("div", std::move(y), inputs(x), saved(x),
                [s](const Tensor& g, GradOf dx, const Tensor& x) { dx += g * (-s / x / x); });
}

Tensor operator+(double s, const Tensor& x) { return x + s; }
Tensor operator*(double s, const Tensor& x) { return x * s; }

Tensor operator-(const Tensor& x) {
  Tensor y = map("neg", x, [](Scalar p) { return -p; });
  return record("neg", std::move(y), inputs(x), saved(),
                [](const Tensor& g, GradOf dx) { dx += -g; });
}

// ---- comparisons
Tensor operator==(const Tensor& x, double s) {
  return map("eq", x, [c = Scalar(s)](Scalar p) { return Scalar(p == c); });
}
Tensor operator<(const Tensor& x, double s) {
  return map("lt", x, [c = Scalar(s)](Scalar p) { return Scalar(p < c); });
}
Tensor operator>(const Tensor& x, double s) {
  return map("gt", x, [c = Scalar(s)](Scalar p) { return Scalar(p > c); });
}

// ---- functions
// v^p as C has it, but for any base the same bits everywhere: a small whole p by squaring (whose
// error grows with p).
static double power(double v, double p) {
  const bool fits = std::abs(p) < 0x1p53;  // beyond, every double is whole, and even
  const bool whole = !fits || p == double(int64_t(p)), odd = fits && whole && int64_t(p) % 2;
  if (whole && std::abs(p) <= 32) {
    double y = 1;
    for (int n = int(std::abs(p)); n > 0; n /= 2, v *= v)
      if (n % 2) y *= v;
    return p < 0 ? 1 / y : y;
  }
  constexpr double INF = std::numeric_limits<double>::infinity();
  const double size = std::abs(v);
  if (v != v || (v < 0 && size < INF && !whole)) return std::numeric_limits<double>::quiet_NaN();
  double y = (size == 0) == (p > 0) ? 0 : INF;
  if (size > 0 && size < INF) y = exact::pow(size, p);
  return odd ? std::copysign(y, v) : y;
}

static Tensor power(const Tensor& x, double p) {
  if (p == 0) return ones(x.shape());
  if (p == 1) return x.clone();
  if (p == 2) return map("pow", x, [](Scalar v) { return v * v; });
  if (p == 3) return map("pow", x, [](Scalar v) { return v * v * v; });
  if (p == 0.5) return map("pow", x, [](Scalar v) { return std::sqrt(v); });
  if (p == -1) return map("pow", x, [](Scalar v) { return 1 / v; });
  return map("pow", x, [p](Scalar v) { return Scalar(power(double(v), p)); });
}

Tensor pow(const Tensor& x, double p) {
  check_defined("pow", x);
  HEED_CHECK(std::isfinite(p), "[pow] the exponent is ", p, ", which is not finite");
  return record("pow", power(x.detach(), p), inputs(x), saved(x),
                [p](const Tensor& g, GradOf dx, const Tensor& x) {
                  dx += p == 0 ? zeros(x.shape()) : g * (power(x, p - 1) * p);  // not 0 * 1/0
                });
}

Tensor exp(const Tensor& x) {
  Tensor y = map_vectors("exp", x, [](auto v) { return simd::exp(v); });
  return record("exp", y, inputs(x), saved(y),
                [](const Tensor& g, GradOf dx, const Tensor& y) { dx += g * y; });
}

Tensor log(const Tensor& x) {
  Tensor y = map_vectors("log", x, [](auto v) { return simd::log(v); });
  return record("log", std::move(y), inputs(x), saved(x),
                [](const Tensor& g, GradOf dx, const Tensor& x) { dx += g / x; });
}

Tensor sqrt(const Tensor& x) {
  Tensor y = map("sqrt", x, [](Scalar v) { return std::sqrt(v); });
  return record("sqrt", y, inputs(x), saved(y),
                [](const Tensor& g, GradOf dx, const Tensor& y) { dx += g / (y * 2); });
}

Tensor tanh(const Tensor& x) {
  Tensor y = map_vectors("tanh", x, [](auto v) { return simd::tanh(v); });
  return record("tanh", y, inputs(x), saved(y),
                [](const Tensor& g, GradOf dx, const Tensor& y) {
                  dx += zip("tanh", g, y, [](Scalar p, Scalar t) { return p * (1 - t * t); });
                });
}

Tensor sigmoid(const Tensor& x) {
  Tensor y = map_vectors("sigmoid", x, [](auto v) { return simd::sigmoid(v); });
  return record(
      "sigmoid", y, inputs(x), saved(y), [](const Tensor& g, GradOf dx, const Tensor& y) {
        dx += zip("sigmoid", g, y, [](Scalar p, Scalar s) { return p * (s * (1 - s)); });
      });
}

// In these two a NaN goes through, and the derivative at the kink is PyTorch's.
Tensor relu(const Tensor& x) {
  Tensor y = map("relu", x, [](Scalar v) { return v <= 0 ? Scalar(0) : v; });
  return record(
      "relu", y, inputs(x), saved(y), [](const Tensor& g, GradOf dx, const Tensor& y) {
        dx += zip("relu", g, y, [](Scalar p, Scalar v) { return v <= 0 ? Scalar(0) : p; });
      });
}

Tensor clamp(const Tensor& x, double low, double high) {
  HEED_CHECK(low <= high, "[clamp] from ", low, " to ", high, " is no range");
  Scalar a = Scalar(low), b = Scalar(high);
  Tensor y = map("clamp", x, [a, b](Scalar v) { return v < a ? a : v > b ? b : v; });
  return record("clamp", std::move(y), inputs(x), saved(x),
                [a, b](const Tensor& g, GradOf dx, const Tensor& x) {
                  dx += zip("clamp", g, x, [a, b](Scalar p, Scalar v) {
                    return v >= a && v <= b ? p : Scalar(0);
                  });
                });
}

// ---- choices
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  check_defined("where", condition, a, b);
  Shape shape = broadcast_shapes("where", condition.shape(),
                                 broadcast_shapes("where", a.shape(), b.shape()));
  Tensor y = empty(shape), c = condition.detach().expand(shape), p = a.detach().expand(shape),
         q = b.detach().expand(shape);
  Scalar* out = y.mutable_data();
  Walk<4>(shape, {y.strides(), c.strides(), p.strides(), q.strides()})
      .run([&](auto at, int64_t n, auto step) {
        for (int64_t i = 0; i < n; ++i)
          out[at[0] + i * step[0]] = c.data()[at[1] + i * step[1]] != 0
                                         ? p.data()[at[2] + i * step[2]]
                                         : q.data()[at[3] + i * step[3]];
      });
  return record_moved("where", std::move(y), inputs(a, b), saved(c),
                      [](const Tensor& g, GradOf da, GradOf db, const Tensor& c) {
                        Tensor zero = scalar(0);
                        if (da) da += where(c, g, zero);
                        if (db) db += where(c, zero, g);
                      });
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  check_defined("masked_fill", x, mask);
  broadcast_strides("masked_fill", mask.shape(), mask.strides(), x.shape());  // mask fits x
  return where(mask, scalar(value), x);
}

}  // namespace HEED_PRECISION
}  // namespace heed
