// The vector type; fma on it, and functions over arrays (exp and its kin: simd_math.h). In the
// library these two alone have vector code for one kind of CPU.
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
#define UNROLL _Pragma("GCC unroll 32")  // a loop of fixed length becomes straight code

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
    for (int i = 0; i < LANES<V>; ++i) a[i] = fma<Element<V>>(a[i], b[i], c[i]);
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

// Of blocks of H lanes, the second of a and the first of b change places, and so on in each pair
// of blocks: (a0 a1), (b0 b1) become (a0 b0), (a1 b1).
template <int H, class V, int... L>
ALWAYS_INLINE void exchange(V& a, V& b, std::integer_sequence<int, L...>) {
  constexpr int W = LANES<V>;
  const V first = __builtin_shufflevector(a, b, (L & H ? W + L - H : L)...);
  b = __builtin_shufflevector(a, b, (L & H ? W + L : L + H)...);
  a = first;
}

// row[i][j] becomes row[j][i]: the quarters of the square across, then those of each quarter,
// down to single lanes.
template <class V, int W, int H = W / 2> ALWAYS_INLINE void transpose(V (&row)[W]) {
  UNROLL for (int i = 0; i < W; ++i)
    if ((i & H) == 0) exchange<H>(row[i], row[i + H], std::make_integer_sequence<int, W>{});
  if constexpr (H > 1) transpose<V, W, H / 2>(row);
}

// ---- over arrays ----

// The first n numbers of a vector, n < LANES<V>, the others 0. In pieces of fixed size, since
// compilers make a slow loop of a copy whose length they do not know.
template <class V> ALWAYS_INLINE V load_first(const Element<V>* from, int64_t n) {
  Element<V> padded[LANES<V>] = {};
  int64_t i = 0;
  UNROLL for (int piece = LANES<V> / 2; piece > 0; piece /= 2)
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
