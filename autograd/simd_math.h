// exp, log, tanh and sigmoid, within 2 units of the last place for every number, and with the same
// bits in vectors of any width and alone. Like simd.h, for library sources only.
#pragma once
#include "autograd/simd.h"

namespace heed::simd {

// Minimax polynomials (Remez), the highest power first; each function says of what.
template <class T> struct Coefficients;
template <> struct Coefficients<float> {
  static constexpr float EXP[] = {0x1.9f0898p-13f, 0x1.6d8d06p-10f, 0x1.111270p-7f,
                                  0x1.55548ep-5f,  0x1.555554p-3f,  0x1p-1f};
  static constexpr float LOG[] = {0x1.31e3a6p-2f, 0x1.995eb4p-2f, 0x1.55557ap-1f};
  static constexpr float TANH[] = {-0x1.756238p-8f, 0x1.520b2ap-6f, -0x1.b83854p-5f,
                                   0x1.11070ap-3f, -0x1.555532p-2f};
  static constexpr float LN2_HIGH = 0x1.63p-1f, LN2_LOW = -0x1.bd0106p-13f;
  static constexpr float EXP_MIN = -104, EXP_MAX = 89;  // 0 below, infinite above
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr float ZERO = 0x1.8p23f, SHIFT = ZERO + 2 * BIAS;
  static constexpr float ROOT = 0.70710678118654752440f;
};
template <> struct Coefficients<double> {
  static constexpr double EXP[] = {
      0x1.1e3d2e5313eb4p-29, 0x1.af6be7f3ec3cdp-26, 0x1.27e5b4456e90cp-22,
      0x1.71ddf020c602bp-19, 0x1.a01a01368fe4cp-16, 0x1.a01a01b37e3a8p-13,
      0x1.6c16c16c3048bp-10, 0x1.111111110ec5dp-7, 0x1.5555555555503p-5,
      0x1.555555555555bp-3, 0x1p-1};
  static constexpr double LOG[] = {
      0x1.2f07058ed31f9p-3, 0x1.39a19336514e8p-3, 0x1.7466405be4666p-3, 0x1.c71c5202b2cd4p-3,
      0x1.24924941f8d1cp-2, 0x1.999999997fd37p-2, 0x1.5555555555592p-1};
  static constexpr double TANH[] = {
      0x1.9450a1465bba7p-18, -0x1.f9ca9de50499dp-16, 0x1.7fdc642747918p-14,
      -0x1.f101051bf3f4cp-13, 0x1.3509d8dd9eb64p-11, -0x1.7d9bfe8b16eefp-10,
      0x1.d6d355ed60ac3p-9, -0x1.226e32b1d6a8bp-7, 0x1.664f486fbb30fp-6,
      -0x1.ba1ba1b9cc20ap-5, 0x1.1111111110bd9p-3, -0x1.5555555555552p-2};
  static constexpr double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
  static constexpr double EXP_MIN = -746, EXP_MAX = 710;
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr double ZERO = 0x1.8p52, SHIFT = ZERO + 2 * BIAS;
  static constexpr double ROOT = 0.70710678118654752440;
};

template <class V, int N> ALWAYS_INLINE V polynomial(const Element<V> (&c)[N], V x) {
  V sum = all<V>(c[0]);
  for (int i = 1; i < N; ++i) sum = fma(sum, x, all<V>(c[i]));
  return sum;
}

// The nearest number on this side of a bound; NaN compares false and goes through.
template <class V> ALWAYS_INLINE V at_most(V x, Element<V> high) {
  return x > high ? all<V>(high) : x;
}
template <class V> ALWAYS_INLINE V at_least(V x, Element<V> low) {
  return x < low ? all<V>(low) : x;
}

// v 2^n, given shifted = n + SHIFT. Adding ZERO = 1.5 * 2^MANTISSA to a number rounds it to an
// integer, kept in the low bits. SHIFT makes that integer n + 2 BIAS > 0, of which the halves
// are biased exponents: 2^n is two factors, so that a result too small for a full mantissa is
// rounded once, by the last product.
template <class V> ALWAYS_INLINE V scale(V v, V shifted) {
  using C = Coefficients<Element<V>>;
  Bits<V> both = to_bits(shifted) - to_bits(all<V>(C::ZERO)), half = both >> 1;
  V a = from_bits<V>(half << C::MANTISSA), b = from_bits<V>((both - half) << C::MANTISSA);
  return v * a * b;
}

// x = 2^exponent mantissa with mantissa in [sqrt 1/2, sqrt 2), for finite x > 0.
template <class V> struct Split { V mantissa, exponent; };
template <class V> ALWAYS_INLINE Split<V> split(V x) {
  using T = Element<V>;
  using C = Coefficients<T>;
  constexpr Word<V> ONE = Word<V>(C::BIAS) << C::MANTISSA;
  constexpr Word<V> FRACTION = (Word<V>(1) << C::MANTISSA) - 1;
  constexpr T TINY = std::numeric_limits<T>::min(), SCALE = T(Word<V>(1) << C::MANTISSA);
  V scaled = x < TINY ? x * SCALE : x, moved = x < TINY ? all<V>(-C::MANTISSA) : V{};
  Bits<V> root = to_bits(all<V>(C::ROOT));
  Bits<V> bits = to_bits(scaled) + (ONE - root);
  // The exponent as a number: put below the leading bit of 2^MANTISSA, then that taken away.
  Bits<V> exponent = (bits >> C::MANTISSA) | to_bits(all<V>(SCALE));
  return {from_bits<V>((bits & FRACTION) + root),
          from_bits<V>(exponent) - (SCALE + C::BIAS) + moved};
}

// The same bits in an instruction or two. Where one of two numbers is NaN, min and max give the
// second. maskz and -1, which is every lane, spare us GCC's warnings about its own header.
#define BOUNDS(T, BYTES, MIN, MAX) \
  ALWAYS_INLINE Vec<T, BYTES> at_most(Vec<T, BYTES> x, T high) { \
    const Vec<T, BYTES> bound = all<Vec<T, BYTES>>(high); \
    return MIN; \
  } \
  ALWAYS_INLINE Vec<T, BYTES> at_least(Vec<T, BYTES> x, T low) { \
    const Vec<T, BYTES> bound = all<Vec<T, BYTES>>(low); \
    return MAX; \
  }
#if defined(__SSE2__)
BOUNDS(float, 16, _mm_min_ps(bound, x), _mm_max_ps(bound, x))
BOUNDS(double, 16, _mm_min_pd(bound, x), _mm_max_pd(bound, x))
#endif
#if defined(__AVX__)
BOUNDS(float, 32, _mm256_min_ps(bound, x), _mm256_max_ps(bound, x))
BOUNDS(double, 32, _mm256_min_pd(bound, x), _mm256_max_pd(bound, x))
#endif
#if defined(__AVX512F__)
#define WITH_AVX512(T, SUFFIX) \
  BOUNDS(T, 64, _mm512_maskz_min_##SUFFIX(-1, bound, x), _mm512_maskz_max_##SUFFIX(-1, bound, x)) \
  ALWAYS_INLINE Vec<T, 64> scale(Vec<T, 64> v, Vec<T, 64> shifted) { \
    Vec<T, 64> n = shifted - all<Vec<T, 64>>(Coefficients<T>::SHIFT); \
    return _mm512_maskz_scalef_##SUFFIX(-1, v, n); \
  } \
  ALWAYS_INLINE Split<Vec<T, 64>> split(Vec<T, 64> x) { \
    Vec<T, 64> m = _mm512_maskz_getmant_##SUFFIX(-1, x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); \
    Vec<T, 64> n = _mm512_maskz_getexp_##SUFFIX(-1, x); \
    auto above = m >= 2 * Coefficients<T>::ROOT; \
    return {above ? m * T(0.5) : m, above ? n + 1 : n}; \
  }
WITH_AVX512(float, ps)
WITH_AVX512(double, pd)
#undef WITH_AVX512
#endif
#undef BOUNDS

// e^x = value + rest for EXP_MIN <= x <= EXP_MAX or NaN; rest is what rounding took from value.
// x = n ln 2 + r with |r| <= ln 2 / 2, and e^r = 1 + r + r^2 EXP(r).
template <class V> struct Power { V value, rest; };
template <class V> ALWAYS_INLINE Power<V> exp_with_rest(V x) {
  using C = Coefficients<Element<V>>;
  V shifted = fma(x, all<V>(Element<V>(1.44269504088896340736)), all<V>(C::SHIFT));
  V n = shifted - all<V>(C::SHIFT);
  V r = fma(n, all<V>(-C::LN2_LOW), fma(n, all<V>(-C::LN2_HIGH), x));
  V s = fma(polynomial(C::EXP, r), r * r, r), p = 1 + s;
  return {scale(p, shifted), scale(s - (p - 1), shifted)};
}
template <class V> ALWAYS_INLINE V exp(V x) {
  using C = Coefficients<Element<V>>;
  return exp_with_rest(at_least(at_most(x, C::EXP_MAX), C::EXP_MIN)).value;
}

// x = 2^n m, f = m - 1, s = f / (2 + f); then log m = 2 artanh s = 2 s + s z LOG(z) with
// z = s^2, put together as f - (f^2/2 - s (f^2/2 + z LOG(z))).
template <class V> ALWAYS_INLINE V log(V x) {
  using T = Element<V>;
  using C = Coefficients<T>;
  constexpr T INF = std::numeric_limits<T>::infinity();
  auto [m, n] = split(x);
  V f = m - 1, s = f / (2 + f), z = s * s, half = f * f * T(0.5);
  V low = fma(n, all<V>(C::LN2_LOW), s * fma(z, polynomial(C::LOG, z), half));
  V y = fma(n, all<V>(C::LN2_HIGH), f - (half - low));
  y = x == INF ? x : y;
  V outside = x == 0 ? all<V>(-INF) : all<V>(std::numeric_limits<T>::quiet_NaN());
  return x > 0 ? y : outside;
}

// On |x|, with the sign of x put back. Below 5/8: x + x z TANH(z) with z = x^2; from there on:
// 1 - 2 / (e^2x + 1).
template <class V> ALWAYS_INLINE V tanh(V x) {
  using T = Element<V>;
  using C = Coefficients<T>;
  Bits<V> sign = to_bits(x) & to_bits(all<V>(T(-0.)));
  V size = from_bits<V>(to_bits(x) ^ sign), z = x * x;
  V small = fma(polynomial(C::TANH, z) * z, size, size);
  V large = 1 - 2 / (exp_with_rest(at_most(size + size, C::EXP_MAX)).value + 1);
  return from_bits<V>(to_bits(size < T(0.625) ? small : large) | sign);
}

// 1 / (1 + e^-x) for x >= 0, e^x / (1 + e^x) below, so that e^-|x| never overflows. Rounding
// power, sum and quotient would add up to more than 2 units; what they lost is put back.
template <class V> ALWAYS_INLINE V sigmoid(V x) {
  using T = Element<V>;
  V negative = from_bits<V>(to_bits(x) | to_bits(all<V>(T(-0.))));
  Power<V> e = exp_with_rest(at_least(negative, Coefficients<T>::EXP_MIN));
  V sum = 1 + e.value, sum_rest = (1 - sum) + e.value + e.rest, inverse = 1 / sum;
  V top = x < 0 ? e.value : all<V>(1), top_rest = x < 0 ? e.rest : V{};
  V y = top * inverse;
  V missing = fma(-y, sum, top) + (top_rest - y * sum_rest);
  return fma(missing, inverse, y);
}

}  // namespace heed::simd
