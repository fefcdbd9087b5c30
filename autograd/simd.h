// The vector type; fma, exp, log, tanh and sigmoid on it. The only file that looks at the CPU.
//
// A Vec<T> is a GCC/Clang vector of T = float or double: 64 bytes with AVX-512, 32 with AVX, 16
// elsewhere. The functions below take a vector of any width, or a plain float or double (V says
// which), and are nothing but chains of IEEE operations and fma(): an element has the same bits
// in a wide vector, in a narrow one and alone, from every compiler and on every CPU.
//
// Included by library sources only: inline vector code in a header that readers compile would
// differ with their -march.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// May be set from outside: a build with -DVECTOR_BYTES=64 is right on any machine.
#ifndef VECTOR_BYTES
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#endif

// The warning is that vectors wider than the CPU's are passed to functions in another way than
// compilers for wider CPUs would. No vector crosses from one object file into another here.
#pragma GCC diagnostic ignored "-Wpsabi"

#define ALWAYS_INLINE [[gnu::always_inline]] inline

namespace heed::simd {

template <class T, int Bytes> struct VectorOf {
  typedef T type __attribute__((vector_size(Bytes)));
};
template <class T, int Bytes = VECTOR_BYTES> using Vec = typename VectorOf<T, Bytes>::type;

// The CPU's vector registers: how many, and how wide.
#if defined(__AVX512F__)
inline constexpr int REGISTERS = 32, REGISTER_BYTES = 64;
#elif defined(__AVX__)
inline constexpr int REGISTERS = 16, REGISTER_BYTES = 32;
#elif defined(__aarch64__)
inline constexpr int REGISTERS = 32, REGISTER_BYTES = 16;
#else
inline constexpr int REGISTERS = 16, REGISTER_BYTES = 16;
#endif

template <class T> using WordOf = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

// Element<V>: what V is made of. Bits<V>: unsigned integers, one or a vector, for V's bits.
template <class V> struct Traits {
  using Element = std::remove_reference_t<decltype(std::declval<V&>()[0])>;
  using Bits = Vec<WordOf<Element>, sizeof(V)>;
};
template <> struct Traits<float> { using Element = float; using Bits = uint32_t; };
template <> struct Traits<double> { using Element = double; using Bits = uint64_t; };
template <class V> using Element = typename Traits<V>::Element;
template <class V> using Bits = typename Traits<V>::Bits;
template <class V> using Word = WordOf<Element<V>>;
template <class V> constexpr int LANES = sizeof(V) / sizeof(Element<V>);

// Through memcpy, which both compilers turn into one unaligned move.
template <class V> ALWAYS_INLINE V load(const Element<V>* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class V> ALWAYS_INLINE void store(Element<V>* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// x in every lane. Taking +0 away changes no number, so compilers drop it; adding it would turn
// -0 into +0, so they would have to keep it.
template <class V> ALWAYS_INLINE V all(Element<V> x) { return x - V{}; }

template <class V> ALWAYS_INLINE Bits<V> to_bits(V v) { return __builtin_bit_cast(Bits<V>, v); }
template <class V> ALWAYS_INLINE V from_bits(Bits<V> b) { return __builtin_bit_cast(V, b); }

// ---- fma(a, b, c) = a * b + c with one rounding: one instruction where the CPU has it ----

#define FMA_IS(T, BYTES, CALL) \
  ALWAYS_INLINE Vec<T, BYTES> fma(Vec<T, BYTES> a, Vec<T, BYTES> b, Vec<T, BYTES> c) { \
    return CALL; \
  }
#if defined(__AVX512F__)
FMA_IS(float, 64, _mm512_fmadd_ps(a, b, c))
FMA_IS(double, 64, _mm512_fmadd_pd(a, b, c))
#endif
#if defined(__FMA__)
FMA_IS(float, 32, _mm256_fmadd_ps(a, b, c))
FMA_IS(double, 32, _mm256_fmadd_pd(a, b, c))
FMA_IS(float, 16, _mm_fmadd_ps(a, b, c))
FMA_IS(double, 16, _mm_fmadd_pd(a, b, c))
#elif defined(__aarch64__)
FMA_IS(float, 16, vfmaq_f32(c, a, b))
FMA_IS(double, 16, vfmaq_f64(c, a, b))
#endif
#undef FMA_IS

// Any other width: half by half, then lane by lane, where the C library may have to do it.
template <class V> ALWAYS_INLINE V fma(V a, V b, V c) {
  if constexpr (std::is_same_v<V, float>) {
    return __builtin_fmaf(a, b, c);
  } else if constexpr (std::is_same_v<V, double>) {
    return __builtin_fma(a, b, c);
  } else if constexpr (sizeof(V) > 16) {
    struct Halves { Vec<Element<V>, sizeof(V) / 2> low, high; };
    Halves x = __builtin_bit_cast(Halves, a), y = __builtin_bit_cast(Halves, b),
           z = __builtin_bit_cast(Halves, c);
    Halves sum = {fma(x.low, y.low, z.low), fma(x.high, y.high, z.high)};
    return __builtin_bit_cast(V, sum);
  } else {
    for (int i = 0; i < LANES<V>; ++i) a[i] = fma(a[i] + 0, b[i] + 0, c[i] + 0);
    return a;
  }
}

// The larger one; NaN if either is NaN, as in PyTorch.
template <class V> ALWAYS_INLINE V max(V a, V b) { return ((a > b) | (a != a)) ? a : b; }

template <class V> ALWAYS_INLINE V sqrt(V x) {
  if constexpr (std::is_same_v<V, float>) return __builtin_sqrtf(x);
  else if constexpr (std::is_same_v<V, double>) return __builtin_sqrt(x);
  else {
    for (int i = 0; i < LANES<V>; ++i) x[i] = sqrt<Element<V>>(x[i]);
    return x;
  }
}

// Keeps v in a register from here on, where a compiler would rather read it from memory again.
template <class V> ALWAYS_INLINE void hold(V& v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  if constexpr (sizeof(V) <= REGISTER_BYTES) asm("" : "+x"(v));
#elif defined(__aarch64__)
  if constexpr (sizeof(V) <= REGISTER_BYTES) asm("" : "+w"(v));
#endif
}

// a and b with the blocks of H lanes that lie across exchanged: (a0 a1), (b0 b1) become (a0 b0),
// (a1 b1).
template <int H, class V, int... L>
ALWAYS_INLINE void exchange(V& a, V& b, std::integer_sequence<int, L...>) {
  constexpr int W = LANES<V>;
  const V first = __builtin_shufflevector(a, b, (L & H ? W + L - H : L)...);
  b = __builtin_shufflevector(a, b, (L & H ? W + L : L + H)...);
  a = first;
}

// row[i][j] becomes row[j][i]: the quarters of the square across, then those of each quarter, down to single lanes.
template <class V, int W, int H = W / 2> ALWAYS_INLINE void transpose(V (&row)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i)
    if ((i & H) == 0) exchange<H>(row[i], row[i + H], std::make_integer_sequence<int, W>{});
  if constexpr (H > 1) transpose<V, W, H / 2>(row);
}

// ---- exp, log, tanh, sigmoid: within 2 units of the last place for every number ----

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

// The same bits in an instruction or two of AVX-512. (If one of two numbers is NaN, min and max
// give the second.) maskz and -1, which is every lane, spare us GCC's warnings about its own
// header.
#if defined(__AVX512F__)
#define WITH_AVX512(T, SUFFIX) \
  ALWAYS_INLINE Vec<T, 64> at_most(Vec<T, 64> x, T high) { \
    return _mm512_maskz_min_##SUFFIX(-1, all<Vec<T, 64>>(high), x); \
  } \
  ALWAYS_INLINE Vec<T, 64> at_least(Vec<T, 64> x, T low) { \
    return _mm512_maskz_max_##SUFFIX(-1, all<Vec<T, 64>>(low), x); \
  } \
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

// ---- over arrays ----

// The first n numbers of a vector, n < LANES<V>, the others 0. In pieces of fixed size, since
// compilers make a slow loop of a copy whose length they do not know.
template <class V> ALWAYS_INLINE V load_first(const Element<V>* from, int64_t n) {
  Element<V> padded[LANES<V>] = {};
  int64_t i = 0;
#pragma GCC unroll 4
  for (int piece = LANES<V> / 2; piece > 0; piece /= 2)
    if (n & piece) {
      __builtin_memcpy(padded + i, from + i, size_t(piece) * sizeof(Element<V>));
      i += piece;
    }
  return load<V>(padded);
}
template <class V> ALWAYS_INLINE void store_first(Element<V>* to, V v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = v[i];
}

// One instruction each where the CPU has it: it touches the lanes of a mask only.
#define FIRST_ARE(T, BYTES, LOAD, STORE) \
  template <> \
  ALWAYS_INLINE Vec<T, BYTES> load_first<Vec<T, BYTES>>(const T* at, int64_t n) { \
    return LOAD; \
  } \
  template <> \
  ALWAYS_INLINE void store_first<Vec<T, BYTES>>(T* at, Vec<T, BYTES> v, int64_t n) { \
    STORE; \
  }
#if defined(__AVX512F__)
ALWAYS_INLINE unsigned first_bits(int64_t n) { return (1u << n) - 1; }
FIRST_ARE(float, 64, _mm512_maskz_loadu_ps(__mmask16(first_bits(n)), at),
          _mm512_mask_storeu_ps(at, __mmask16(first_bits(n)), v))
FIRST_ARE(double, 64, _mm512_maskz_loadu_pd(__mmask8(first_bits(n)), at),
          _mm512_mask_storeu_pd(at, __mmask8(first_bits(n)), v))
#elif defined(__AVX__)
// n times all bits set, then zeros
template <class Word> ALWAYS_INLINE __m256i first_words(int64_t n) {
  constexpr int COUNT = 32 / sizeof(Word);
  static constexpr std::array<Word, 2 * COUNT> ONES_AND_ZEROS = [] {
    std::array<Word, 2 * COUNT> words{};
    for (int i = 0; i < COUNT; ++i) words[size_t(i)] = Word(-1);
    return words;
  }();
  return __builtin_bit_cast(__m256i,
                            load<Vec<Word, 32>>(ONES_AND_ZEROS.data() + COUNT - n));
}
FIRST_ARE(float, 32, _mm256_maskload_ps(at, first_words<int32_t>(n)),
          _mm256_maskstore_ps(at, first_words<int32_t>(n), v))
FIRST_ARE(double, 32, _mm256_maskload_pd(at, first_words<int64_t>(n)),
          _mm256_maskstore_pd(at, first_words<int64_t>(n), v))
#endif
#undef FIRST_ARE

// y[i] = f(x[i]...) for i < n, f on whole vectors; y may be one of the x. The last vector of a
// long row starts early and overlaps the one before it; it is read before anything is written.
// f takes vectors: [](auto a, auto b) { return a + b; }.
template <class T, class F, class... X>
ALWAYS_INLINE void map(T* y, int64_t n, F f, const X*... x) {
  using V = Vec<T>;
  constexpr int W = LANES<V>;
  if (n >= W) {
    V last = f(load<V>(x + n - W)...);
    for (int64_t i = 0; i + W < n; i += W) store(y + i, f(load<V>(x + i)...));
    store(y + n - W, last);
  } else if (n > 0) {
    V part = f(load_first<V>(x, n)...);
    store_first(y, part, n);
  }
}

}  // namespace heed::simd
