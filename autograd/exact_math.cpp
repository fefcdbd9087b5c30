// Each function shrinks its argument to a small interval, exactly or in two parts (hi + lo,
// about twice the digits), adds up the Taylor series there, and undoes the shrinking. The
// coefficients are those of the school book; no table and no fitted polynomial is needed.
#include "autograd/exact_math.h"

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "autograd/check.h"

namespace heed::exact {

namespace {

double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

// A number in two parts: its value is hi + lo, where lo is below half a unit of hi's last
// place.
struct Two {
  double hi, lo;
};

// a + b without error (Knuth).
Two sum(double a, double b) {
  const double s = a + b, b_part = s - a;
  return {s, (a - (s - b_part)) + (b - b_part)};
}

Two add(Two a, Two b) {
  const Two s = sum(a.hi, b.hi);
  return sum(s.hi, s.lo + (a.lo + b.lo));
}

Two multiply(Two a, Two b) {
  const double p = a.hi * b.hi;
  return sum(p, fma(a.hi, b.hi, -p) + (a.hi * b.lo + a.lo * b.hi));
}

Two divide(Two a, Two b) {
  const double q = a.hi / b.hi;
  return sum(q, (fma(-q, b.hi, a.hi) + (a.lo - q * b.lo)) / b.hi);
}

// The nearest integer for |x| < 2^51: a double near 1.5 * 2^52 has no room for a fraction.
double nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

// 2^k for -1022 <= k <= 1023.
double power_of_two(int k) {
  return std::bit_cast<double>(static_cast<uint64_t>(k + 1023) << 52);
}

// Exact up to 22!.
constexpr double factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }

// The coefficients c(0), c(1), ... of a series, made by the compiler.
template <size_t n, class Term> constexpr std::array<double, n> series_of(Term c) {
  std::array<double, n> values{};
  for (size_t i = 0; i < n; ++i) values[i] = c(static_cast<int>(i));
  return values;
}

// c[0] + c[1] x + c[2] x^2 + ...
template <size_t n> double evaluate(const std::array<double, n>& c, double x) {
  double y = c[n - 1];
  for (size_t i = n - 1; i-- > 0;) y = fma(y, x, c[i]);
  return y;
}

// ln 2 and pi / 2 in parts. The first parts are short, so that they stay exact when multiplied
// by a whole number of 11 bits (ln 2: the exponent) or 20 bits (pi / 2: up to |x| = 1e6).
constexpr double ln2_hi = 0x1.62e42fefa38p-1, ln2_lo = 0x1.ef35793c76730p-45;
constexpr double half_pi_1 = 0x1.921fb544p0, half_pi_2 = 0x1.0b4611a6p-34,
                 half_pi_3 = 0x1.3198a2e037073p-69;

// x = quadrant * pi/2 + rest, |rest| <= pi/4.
struct Angle {
  Two rest;
  int quadrant;  // 0 to 3
};

Angle reduce(double x, const char* name) {
  HEED_CHECK(x >= -1e6 && x <= 1e6, "[", name, "] angle ", x, ": must be within -1e6 and 1e6");
  const double k = nearest(x * 0x1.45f306dc9c883p-1);       // times 2 / pi
  const Two rest = sum(x - k * half_pi_1, -k * half_pi_2);  // exact so far
  return {sum(rest.hi, rest.lo - k * half_pi_3), static_cast<int>(static_cast<int64_t>(k) & 3)};
}

// sin(r) = r - r^3/3! + r^5/5! - ... + r^17/17!; for |r| <= pi/4 the rest is below 2^-63 r.
double sin_series(Two r) {
  static constexpr auto c = series_of<8>([](int i) {  //
    return (i % 2 ? 1 : -1) / factorial(2 * i + 3);
  });
  const double square = r.hi * r.hi;
  return r.hi + (r.hi * square * evaluate(c, square) + r.lo * (1 - 0.5 * square));
}

// cos(r) = 1 - r^2/2! + r^4/4! - ... - r^18/18!
double cos_series(Two r) {
  static constexpr auto c = series_of<8>([](int i) {  //
    return (i % 2 ? -1 : 1) / factorial(2 * i + 4);
  });
  const double square = r.hi * r.hi;
  const Two start = sum(1, -0.5 * square);
  return start.hi + (start.lo + (square * square * evaluate(c, square) - r.hi * r.lo));
}

// e^(x.hi + x.lo): x = k ln 2 + r, |r| <= ln(2)/2, and e^x = 2^k e^r.
double exp_of(Two x) {
  if (x.hi != x.hi) return x.hi;
  if (x.hi > 710) return std::numeric_limits<double>::infinity();
  if (x.hi < -746) return 0;
  static constexpr auto c = series_of<13>([](int i) { return 1 / factorial(i + 2); });
  const double k = nearest(x.hi * 0x1.71547652b82fep0);  // times 1 / ln 2
  const Two r = sum(x.hi - k * ln2_hi, x.lo - k * ln2_lo);
  const Two start = sum(1, r.hi);
  const double y = start.hi + (start.lo + (r.lo + r.hi * r.hi * evaluate(c, r.hi)));
  // In two steps: 2^k itself may be too large or too small for a double when the result is not.
  const int whole = static_cast<int>(k), half = whole / 2;
  return y * power_of_two(half) * power_of_two(whole - half);
}

// ln(x) in two parts, for a finite x > 0: x = 2^k m with m in [sqrt(1/2), sqrt(2)), and
// ln(m) = 2 (s + s^3/3 + s^5/5 + ...) with s = (m - 1) / (m + 1), |s| < 0.172.
Two log_of(double x) {
  const bool tiny = x < std::numeric_limits<double>::min();
  const uint64_t bits = std::bit_cast<uint64_t>(tiny ? x * 0x1p54 : x);
  double k = static_cast<double>(static_cast<int>(bits >> 52) - 1023 - (tiny ? 54 : 0));
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000);
  if (m > 0x1.6a09e667f3bcdp0) {  // sqrt(2)
    m *= 0.5;
    k += 1;
  }

  static constexpr auto c = series_of<11>([](int i) { return 2.0 / (2 * i + 5); });
  const Two s = divide({m - 1, 0}, sum(m, 1));
  const Two square = multiply(s, s);
  // 2/3 + 2/5 s^2 + 2/7 s^4 + ...; the small number is what 2/3 lacks as a double.
  const Two tail = sum(2.0 / 3, square.hi * evaluate(c, square.hi) + 0x1.5555555555555p-55);
  const Two log_m = add({2 * s.hi, 2 * s.lo}, multiply(s, multiply(square, tail)));
  return add({k * ln2_hi, k * ln2_lo}, log_m);
}

}  // namespace

double sin(double x) {
  if (x == 0) return x;  // keeps the sign of -0
  const Angle angle = reduce(x, "sin");
  const double y = angle.quadrant % 2 ? cos_series(angle.rest) : sin_series(angle.rest);
  return angle.quadrant < 2 ? y : -y;
}

double cos(double x) {
  const Angle angle = reduce(x, "cos");
  const double y = angle.quadrant % 2 ? sin_series(angle.rest) : cos_series(angle.rest);
  return angle.quadrant == 0 || angle.quadrant == 3 ? y : -y;
}

double exp(double x) { return exp_of({x, 0}); }

double log(double x) {
  if (x == 0) return -std::numeric_limits<double>::infinity();
  if (!(x > 0)) return std::numeric_limits<double>::quiet_NaN();
  if (x > std::numeric_limits<double>::max()) return x;
  return log_of(x).hi;
}

double pow(double x, double y) {
  constexpr double largest = std::numeric_limits<double>::max();
  HEED_CHECK(x > 0 && x <= largest && y >= -largest && y <= largest, "[pow] ", x,
             " to the power ", y, ": wants a finite base above 0 and a finite exponent");
  const Two log_x = log_of(x);
  const double rough = log_x.hi * y;
  if (!(rough > -746 && rough < 710)) return exp(rough);  // 0 or infinity
  return exp_of(multiply(log_x, {y, 0}));
}

}  // namespace heed::exact
