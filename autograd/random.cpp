// The rules by which PyTorch turns words into numbers. Where a formula looks odd (the low bits
// of a word, the angle drawn before the radius, the last 16 places drawn twice), it is
// PyTorch's.
//
// The float32 polynomials for log, sin and cos are those of the Cephes library by Stephen L.
// Moshier; PyTorch has them by way of avx_mathfun (J. Pommier, G. Garberoglio). Every multiply
// and add in them is fused, and every constant is rounded to float first.
#include "autograd/random.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include "autograd/check.h"
#include "autograd/exact_math.h"

namespace heed {

namespace {

inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

// A float in [0, 1): the low 24 bits of a word.
float uniform24(uint32_t word) { return static_cast<float>(word & 0xFFFFFF) * 0x1p-24f; }

// ln(x) for a normal float 0 < x <= 1.
inline float log_cephes(float x) {
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)): first m in [1/2, 1), then doubled if too small.
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  float e = static_cast<float>(static_cast<int>(bits >> 23) - 126);
  float m = std::bit_cast<float>((bits & 0x7FFFFF) | 0x3F000000);
  const bool small = m < 0.707106781186547524f;
  e = small ? e - 1.0f : e;
  m = (small ? m + m : m) - 1.0f;

  float y = 7.0376836292e-2f;
  y = fused(y, m, -1.1514610310e-1f);
  y = fused(y, m, 1.1676998740e-1f);
  y = fused(y, m, -1.2420140846e-1f);
  y = fused(y, m, 1.4249322787e-1f);
  y = fused(y, m, -1.6668057665e-1f);
  y = fused(y, m, 2.0000714765e-1f);
  y = fused(y, m, -2.4999993993e-1f);
  y = fused(y, m, 3.3333331174e-1f);
  const float square = m * m;
  y = fused(y * m, square, e * -2.12194440e-4f);
  y = fused(-0.5f, square, y);
  return fused(e, 0.693359375f, m + y);  // the two constants times e add up to e ln 2
}

struct SinCos {
  float sin, cos;
};

// sin(t) and cos(t) for a float 0 <= t < 2 pi.
inline SinCos sincos_cephes(float t) {
  // The octant, rounded up to even, so that x = t - octant pi/4 is within [-pi/4, pi/4].
  const int octant = (static_cast<int>(t * 1.27323954473516f) + 1) & ~1;
  const float k = static_cast<float>(octant);
  float x = fused(k, -0.78515625f, t);  // pi/4 in three parts
  x = fused(k, -2.4187564849853515625e-4f, x);
  x = fused(k, -3.77489497744594108e-8f, x);

  const float square = x * x;
  float c = fused(2.443315711809948e-5f, square, -1.388731625493765e-3f);
  c = fused(c, square, 4.166664568298827e-2f);
  c = fused(c * square, square, -(0.5f * square)) + 1.0f;
  float s = fused(-1.9515295891e-4f, square, 8.3321608736e-3f);
  s = fused(s, square, -1.6666654611e-1f);
  s = fused(s * square, x, x);

  const bool swap = octant & 2;
  const float sine = swap ? c : s;
  const float cosine = swap ? s : c;
  return {octant & 4 ? -sine : sine, (octant + 2) & 4 ? -cosine : cosine};
}

// Box-Muller on 16 uniforms: places j and j + 8 give radius and angle, cosine and sine.
template <class T> void box_muller_16(T* u, float mean, float std) {
  constexpr float two_pi = 2.0f * std::numbers::pi_v<float>;
  for (int j = 0; j < 8; ++j) {
    const float radius = std::sqrt(-2.0f * log_cephes(1.0f - static_cast<float>(u[j])));
    const SinCos angle = sincos_cephes(two_pi * static_cast<float>(u[j + 8]));
    u[j] = fused(radius * angle.cos, std, mean);
    u[j + 8] = fused(radius * angle.sin, std, mean);
  }
}

}  // namespace

void Generator::manual_seed(uint64_t seed) { *this = Generator(seed); }

uint32_t Generator::word() { return static_cast<uint32_t>(engine()); }

uint64_t Generator::draw64() {
  const uint64_t high = word();
  return high << 32 | word();
}

double Generator::uniform53() {
  return static_cast<double>(draw64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

int64_t Generator::random_i64() { return static_cast<int64_t>(draw64() & INT64_MAX); }

template <class T> void Generator::uniform(T* out, int64_t n, double low, double high) {
  HEED_CHECK(n >= 0, "[uniform] n = ", n, " values: n must not be negative");
  HEED_CHECK(low <= high, "[uniform] low ", low, ", high ", high, ": low must not exceed high");
  const float a = static_cast<float>(low), b = static_cast<float>(high), span = b - a;
  HEED_CHECK(std::isfinite(span), "[uniform] low ", low, ", high ", high,
        ": the range is wider than a float can hold");
  for (int64_t i = 0; i < n; ++i) {
    const float x = fused(uniform24(word()), span, a);
    out[i] = x == b ? a : x;  // rounding can reach `high`, which is not in the range
  }
}

// Two normals from two uniforms, in double: one is returned, one waits for the next call.
double Generator::next_normal() {
  if (waiting_normal) {
    const double second = *waiting_normal;
    waiting_normal.reset();
    return second;
  }
  const double angle = 2.0 * std::numbers::pi * uniform53();
  const double radius = std::sqrt(-2.0 * exact::log(1.0 - uniform53()));
  waiting_normal = radius * exact::sin(angle);
  return radius * exact::cos(angle);
}

template <class T> void Generator::normal_blocks(T* out, int64_t n, float mean, float std) {
  for (int64_t i = 0; i < n; ++i) out[i] = uniform24(word());
  for (int64_t i = 0; i + 16 <= n; i += 16) box_muller_16(out + i, mean, std);
  if (n % 16 == 0) return;
  T* last = out + n - 16;  // overlaps numbers that are done: they are drawn anew
  for (int i = 0; i < 16; ++i) last[i] = uniform24(word());
  box_muller_16(last, mean, std);
}

template <class T> void Generator::normal(T* out, int64_t n, double mean, double std) {
  HEED_CHECK(n >= 0, "[normal] n = ", n, " values: n must not be negative");
  HEED_CHECK(std >= 0, "[normal] std ", std, ": a standard deviation must not be negative");
  if (n >= 16) return normal_blocks(out, n, static_cast<float>(mean), static_cast<float>(std));
  for (int64_t i = 0; i < n; ++i)
    out[i] = static_cast<float>(__builtin_fma(next_normal(), std, mean));
}

template <class T> void Generator::bernoulli(T* out, int64_t n, double p) {
  HEED_CHECK(n >= 0, "[bernoulli] n = ", n, " coins: n must not be negative");
  HEED_CHECK(p >= 0 && p <= 1, "[bernoulli] p ", p, ": a probability lies between 0 and 1");
  for (int64_t i = 0; i < n; ++i) out[i] = uniform53() < p;
}

bool Generator::bernoulli(double p) {
  float coin;
  bernoulli(&coin, 1, p);
  return coin != 0;
}

void Generator::randint(int64_t* out, int64_t n, int64_t low, int64_t high) {
  HEED_CHECK(n >= 0, "[randint] n = ", n, " values: n must not be negative");
  HEED_CHECK(low < high, "[randint] low ", low, ", high ", high,
        ": no integer to draw; low must be below high, which is not drawn itself");
  // Unsigned arithmetic: the span of any two int64 fits, and adding `low` wraps to the answer.
  const uint64_t first = static_cast<uint64_t>(low), span = static_cast<uint64_t>(high) - first;
  const bool wide = span >= uint64_t{1} << 28;
  for (int64_t i = 0; i < n; ++i)
    out[i] = static_cast<int64_t>((wide ? draw64() : word()) % span + first);
}

int64_t Generator::randint(int64_t low, int64_t high) {
  int64_t value;
  randint(&value, 1, low, high);
  return value;
}

void Generator::randperm(std::span<int> order) {
  std::iota(order.begin(), order.end(), 0);
  const size_t n = order.size();
  for (size_t i = 0; i + 1 < n; ++i) std::swap(order[i], order[i + word() % (n - i)]);
}

std::vector<int> Generator::randperm(int n) {
  HEED_CHECK(n >= 0, "[randperm] n = ", n, ": n must not be negative");
  std::vector<int> order(n);
  randperm(order);
  return order;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(uint64_t seed) { default_generator().manual_seed(seed); }

void loader_order(Generator& generator, std::span<int> order, bool shuffle) {
  generator.random_i64();  // a base seed for worker processes: drawn though there are none
  if (shuffle) return Generator(generator.random_i64()).randperm(order);
  std::iota(order.begin(), order.end(), 0);
}

std::vector<int> loader_order(Generator& generator, int n, bool shuffle) {
  HEED_CHECK(n >= 0, "[loader_order] n = ", n, " samples: n must not be negative");
  std::vector<int> order(n);
  loader_order(generator, order, shuffle);
  return order;
}

template void Generator::uniform(float*, int64_t, double, double);
template void Generator::uniform(double*, int64_t, double, double);
template void Generator::normal(float*, int64_t, double, double);
template void Generator::normal(double*, int64_t, double, double);
template void Generator::bernoulli(float*, int64_t, double);
template void Generator::bernoulli(double*, int64_t, double);

}  // namespace heed
