// exp, log, tanh and sigmoid of the vector type: their errors, their special values, and the
// same bits in every width; fma; map; the sums in sixteen parts. `exhaustive_simd` looks at
// every float.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "autograd/reduce16.h"
#include "autograd/simd.h"
#include "autograd/simd_math.h"
#include "lessons/support/hash.h"
#include "tests/ulp.h"

using namespace heed;

namespace {

const auto EXP = [](auto v) { return simd::exp(v); };
const auto LOG = [](auto v) { return simd::log(v); };
const auto TANH = [](auto v) { return simd::tanh(v); };
const auto SIGMOID = [](auto v) { return simd::sigmoid(v); };

template <class Wide> Wide sigmoid_of(Wide x) {
  const Wide e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

template <class T> constexpr T INF = std::numeric_limits<T>::infinity();
template <class T> constexpr T NOTHING = std::numeric_limits<T>::quiet_NaN();
template <class T> constexpr T TINY = std::numeric_limits<T>::denorm_min();

// The largest error of f over all x.
template <class T, class F, class Reference>
double worst(const std::vector<T>& x, F f, Reference reference) {
  std::vector<T> y(x.size());
  simd::map(y.data(), int64_t(x.size()), f, x.data());
  double most = 0;
  for (size_t i = 0; i < x.size(); ++i) most = std::max(most, ulps(y[i], reference(x[i])));
  return most;
}

// Every 997th float, NaNs and infinities among them, and all that is near a special place.
std::vector<float> float_line() {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t(1) << 32); bits += 997)
    x.push_back(std::bit_cast<float>(uint32_t(bits)));
  for (float place :
       {0.f, TINY<float>, 0x1p-126f, 0.625f, 1.f, 2.f, 17.f, 88.722839f, 87.33654f, 103.97208f,
        3.4028235e38f, INF<float>, 0.70710678f, 1.4142135f})
    for (float sign : {1.f, -1.f})
      for (int step = -40; step <= 40; ++step)
        x.push_back(std::bit_cast<float>(std::bit_cast<uint32_t>(sign * place) + step));
  return x;
}

// Doubles: all bit patterns alike, and as many where the functions bend.
std::vector<double> double_sample(size_t count) {
  std::mt19937_64 words(1);
  std::vector<double> x;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bits = words();
    const double unit = double(bits >> 11) * 0x1p-53 * 2 - 1;
    const double spans[] = {1, 1, 4, 40, 800};
    if (i % 6 == 5)
      x.push_back(std::bit_cast<double>(bits));
    else if (i % 6 == 0)
      x.push_back(1 + unit / 2);
    else
      x.push_back(unit * spans[i % 6]);
  }
  for (double place : {0., TINY<double>, 0x1p-1022, 0.625, 1., 709.782712893384,
                       708.396418532264, 745.13321910194, 1.7976931348623157e308, INF<double>})
    for (double sign : {1., -1.})
      for (int step = -40; step <= 40; ++step)
        x.push_back(std::bit_cast<double>(std::bit_cast<uint64_t>(sign * place) + step));
  return x;
}

// The bits of the results, every NaN counted as one.
template <class T, class F> uint64_t hash_of(const std::vector<T>& x, F f, uint64_t hash) {
  std::vector<T> y(x.size());
  simd::map(y.data(), int64_t(x.size()), f, x.data());
  for (T& v : y)
    if (v != v) v = NOTHING<T>;
  return fnv1a(y.data(), y.size() * sizeof(T), hash);
}
template <class T> uint64_t hash_all(const std::vector<T>& x) {
  uint64_t hash = fnv1a(nullptr, 0);
  hash = hash_of(x, EXP, hash);
  hash = hash_of(x, LOG, hash);
  hash = hash_of(x, TANH, hash);
  return hash_of(x, SIGMOID, hash);
}

// f on vectors of `Bytes` gives what f gives for numbers one by one, all NaNs counted as equal.
template <int Bytes, class T, class F> bool as_alone(const std::vector<T>& x, F f) {
  using V = simd::Vec<T, Bytes>;
  bool equal = true;
  for (size_t i = 0; i + simd::LANES<V> <= x.size(); i += simd::LANES<V>) {
    const V v = f(simd::load<V>(&x[i]));
    for (int lane = 0; lane < simd::LANES<V>; ++lane) {
      const T one = f(x[i + lane]), other = v[lane];
      equal =
          equal && (one != one ? other != other : std::memcmp(&one, &other, sizeof one) == 0);
    }
  }
  return equal;
}

}  // namespace

TEST_CASE("simd: within 2 units of the last place along the float line") {
  const std::vector<float> x = float_line();
  CHECK(worst(x, EXP, [](float v) { return std::exp(double(v)); }) <= 1.1);
  CHECK(worst(x, LOG, [](float v) { return std::log(double(v)); }) <= 1.1);
  CHECK(worst(x, TANH, [](float v) { return std::tanh(double(v)); }) <= 1.5);
  CHECK(worst(x, SIGMOID, [](float v) { return sigmoid_of(double(v)); }) <= 1.1);
}

// Where long double is no wider than double it can be no judge.
TEST_CASE("simd: within 2 units of the last place in double" *
          doctest::skip(std::numeric_limits<long double>::digits <= 53)) {
  const std::vector<double> x = double_sample(1000000);
  using Wide = long double;
  CHECK(worst(x, EXP, [](double v) { return std::exp(Wide(v)); }) <= 1.1);
  CHECK(worst(x, LOG, [](double v) { return std::log(Wide(v)); }) <= 1.1);
  CHECK(worst(x, TANH, [](double v) { return std::tanh(Wide(v)); }) <= 1.5);
  CHECK(worst(x, SIGMOID, [](double v) { return sigmoid_of(Wide(v)); }) <= 1.1);
}

TEST_CASE_TEMPLATE("simd: special values", T, float, double) {
  const T inf = INF<T>;
  CHECK(simd::exp(T(0)) == 1);
  CHECK(simd::exp(T(-0.)) == 1);
  CHECK(simd::exp(inf) == inf);
  CHECK(simd::exp(-inf) == 0);
  CHECK(simd::log(T(1)) == 0);
  CHECK(simd::log(T(0)) == -inf);
  CHECK(simd::log(T(-0.)) == -inf);
  CHECK(simd::log(inf) == inf);
  for (T x : {-TINY<T>, T(-1), -inf}) CHECK(std::isnan(simd::log(x)));
  CHECK(simd::tanh(inf) == 1);
  CHECK(simd::tanh(-inf) == -1);
  CHECK(simd::tanh(TINY<T>) == TINY<T>);
  CHECK(!std::signbit(simd::tanh(T(0))));
  CHECK(std::signbit(simd::tanh(T(-0.))));
  CHECK(simd::sigmoid(T(0)) == T(0.5));
  CHECK(simd::sigmoid(inf) == 1);
  CHECK(simd::sigmoid(-inf) == 0);
  using Word = simd::WordOf<T>;
  const Word quiet = std::bit_cast<Word>(NOTHING<T>), infinite = std::bit_cast<Word>(inf);
  const Word sign = std::bit_cast<Word>(T(-0.));
  for (Word bits : {quiet, quiet + 1, infinite + 1, infinite + 12345, sign - 1, quiet | sign,
                    (infinite + 1) | sign, ~Word(0)}) {
    const T nan = std::bit_cast<T>(bits);
    CHECK(std::isnan(simd::exp(nan)));
    CHECK(std::isnan(simd::log(nan)));
    CHECK(std::isnan(simd::tanh(nan)));
    CHECK(std::isnan(simd::sigmoid(nan)));
  }
}

TEST_CASE("simd: the same bits in every width, and alone") {
  std::vector<float> x = float_line();
  for (size_t i = 0; i < x.size() / 37; ++i) x[i] = x[i * 37];
  x.resize(x.size() / 37);
  const std::vector<double> y = double_sample(30000);
  const auto check = [](const auto& sample, auto f) {
    CHECK(as_alone<16>(sample, f));
    CHECK(as_alone<VECTOR_BYTES>(sample, f));
    CHECK(as_alone<std::min(32, VECTOR_BYTES)>(sample, f));
  };
  const auto check_all = [&](const auto& sample) {
    check(sample, EXP);
    check(sample, LOG);
    check(sample, TANH);
    check(sample, SIGMOID);
    check(sample, [](auto v) { return simd::sqrt(v); });
  };
  check_all(x);
  check_all(y);
}

TEST_CASE("simd: the same bits on every CPU and from every compiler") {
  CHECK(hash_all(float_line()) == 4644670496634467903u);
  CHECK(hash_all(double_sample(50000)) == 14736513428351308486u);
}

// Two floats are a width that no CPU here has an instruction for: they are done one by one.
TEST_CASE_TEMPLATE("simd: fma keeps the sign of a zero, in every width", T, float, double) {
  const auto check = []<int Bytes>(std::integral_constant<int, Bytes>) {
    using V = simd::Vec<T, Bytes>;
    for (T a : {T(0.), T(-0.)})
      for (T c : {T(0.), T(-0.)}) {
        const V v = simd::fma(simd::all<V>(a), simd::all<V>(1), simd::all<V>(c));
        CHECK(std::signbit(v[0]) == (std::signbit(a) && std::signbit(c)));
      }
  };
  check(std::integral_constant<int, 2 * sizeof(T)>());
  check(std::integral_constant<int, 16>());
  check(std::integral_constant<int, 32>());
  check(std::integral_constant<int, 64>());
}

TEST_CASE_TEMPLATE("simd: fma rounds once, in every width", T, float, double) {
  std::mt19937_64 words(2);
  std::vector<T> a(64), b(64), c(64);
  bool once = true, twice = true;
  const auto compare = [&]<int Bytes>(std::integral_constant<int, Bytes>) {
    using V = simd::Vec<T, Bytes>;
    for (size_t i = 0; i < a.size(); i += simd::LANES<V>) {
      const V v = simd::fma(simd::load<V>(&a[i]), simd::load<V>(&b[i]), simd::load<V>(&c[i]));
      for (int lane = 0; lane < simd::LANES<V>; ++lane) {
        const T x = a[i + lane], y = b[i + lane], z = c[i + lane];
        once = once && v[lane] == std::fma(x, y, z) && simd::fma(x, y, z) == v[lane];
        twice = twice && v[lane] == x * y + z;
      }
    }
  };
  for (int round = 0; round < 200; ++round) {
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = T(int32_t(words())) * T(0x1p-31);
      b[i] = T(int32_t(words())) * T(0x1p-31);
      c[i] = -a[i] * b[i] + (words() % 2 ? TINY<T> : T(0));
    }
    compare(std::integral_constant<int, 16>{});
    compare(std::integral_constant<int, std::min(32, VECTOR_BYTES)>{});
    compare(std::integral_constant<int, VECTOR_BYTES>{});
  }
  CHECK(once);
  CHECK_FALSE(twice);  // or the numbers above would show nothing
}

TEST_CASE_TEMPLATE("simd: max lets NaN through from either side", T, float, double) {
  CHECK(simd::max(T(1), T(2)) == 2);
  CHECK(simd::max(T(2), T(1)) == 2);
  CHECK(simd::max(-INF<T>, T(-3)) == -3);
  CHECK(std::isnan(simd::max(T(1), NOTHING<T>)));
  CHECK(std::isnan(simd::max(NOTHING<T>, T(1))));
}

TEST_CASE_TEMPLATE("simd: map at every length, in place too, and nothing beyond", T, float,
                   double) {
  for (int64_t n = 0; n < 70; ++n) {
    std::vector<T> x(n + 2), y(n + 2, T(7)), z(n + 2);
    for (int64_t i = 0; i < n + 2; ++i) x[i] = z[i] = T(i) / 4;
    simd::map(
        &y[1], n, [](auto a, auto b) { return a * b + 1; }, &x[1], &z[1]);
    simd::map(
        &z[1], n, [](auto a, auto b) { return a * b + 1; }, &x[1], &z[1]);
    bool right = y[0] == 7 && y[n + 1] == 7 && z[0] == 0 && z[n + 1] == T(n + 1) / 4;
    for (int64_t i = 1; i <= n; ++i) right = right && y[i] == x[i] * x[i] + 1 && z[i] == y[i];
    CHECK(right);
  }
}

// ---- Sums in sixteen parts, against the definition ----

namespace {

template <class T, class Op> T reduce_plainly(const std::vector<T>& x, T start, Op op) {
  T part[16];
  std::fill_n(part, 16, start);
  for (size_t i = 0; i < x.size(); ++i) part[i % 16] = op(part[i % 16], x[i]);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) part[i] = op(part[i], part[i + half]);
  return part[0];
}

template <class T> std::vector<T> random_numbers(size_t n, uint64_t seed) {
  std::mt19937_64 words(seed);
  std::vector<T> x(n);
  for (T& v : x) v = T(int32_t(words())) * T(0x1p-31) * T(words() % 3 ? 1 : 1000);
  return x;
}

}  // namespace

namespace {

// Memory of which the first `size` bytes may be touched; the next one ends the program.
class Edge {
 public:
  explicit Edge(size_t size)
      : page_(size_t(sysconf(_SC_PAGESIZE))),
        start_(static_cast<char*>(mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        size_(size) {
    REQUIRE(start_ != MAP_FAILED);
    REQUIRE(mprotect(start_ + page_, page_, PROT_NONE) == 0);
  }
  ~Edge() { munmap(start_, 2 * page_); }
  template <class T> T* numbers() const { return reinterpret_cast<T*>(start_ + page_ - size_); }

 private:
  size_t page_;
  char* start_;
  size_t size_;
};

template <class V> void check_first_lanes() {
  using T = simd::Element<V>;
  constexpr int W = simd::LANES<V>;
  for (int n = 0; n < W; ++n) {
    Edge source(size_t(n) * sizeof(T)), target(size_t(n) * sizeof(T));
    for (int i = 0; i < n; ++i) source.numbers<T>()[i] = T(i + 1);
    V v = simd::load_first<V>(source.numbers<T>(), n);
    for (int i = 0; i < W; ++i) {
      const T lane = v[i];
      CHECK(lane == (i < n ? T(i + 1) : T(0)));
    }
    simd::store_first(target.numbers<T>(), v, n);
    CHECK(std::memcmp(source.numbers<T>(), target.numbers<T>(), size_t(n) * sizeof(T)) == 0);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("simd: the first lanes are read and written at the edge of memory", T, float,
                   double) {
  check_first_lanes<simd::Vec<T, 16>>();
  check_first_lanes<simd::Vec<T, 32>>();
  check_first_lanes<simd::Vec<T, 64>>();
}

TEST_CASE_TEMPLATE("reduce16: the sums of the definition, bit for bit", T, float, double) {
  for (int64_t n = 0; n < 150; ++n) {
    const std::vector<T> x = random_numbers<T>(n, 3), y = random_numbers<T>(n, 4);
    std::vector<T> products(n), more = x;
    for (int64_t i = 0; i < n; ++i) products[i] = x[i] * y[i];
    const T sum = simd::sum16(x.data(), n);
    CHECK(sum == reduce_plainly(x, T(0), std::plus<T>()));
    CHECK(simd::dot16(x.data(), y.data(), n) == reduce_plainly(products, T(0), std::plus<T>()));
    CHECK(simd::max16(x.data(), n) ==
          reduce_plainly(x, -INF<T>, [](T a, T b) { return std::max(a, b); }));
    more.resize(n + 37);  // with zeros
    CHECK(simd::sum16(more.data(), n + 37) == sum);
    CHECK(simd::sum16_of(
              n, [](auto v) { return v + 1; }, x.data()) -
              sum ==
          doctest::Approx(double(n)).epsilon(1e-4));
  }
}

TEST_CASE_TEMPLATE("reduce16: sums down the columns are sums of the columns", T, float,
                   double) {
  for (int64_t n : {0, 1, 3, 16, 17, 40})
    for (int64_t width : {1, 3, 8, 31, 200}) {
      const int64_t stride = width + 3;
      const std::vector<T> x = random_numbers<T>(n * stride, 5);
      std::vector<T> y(width + 1, T(7)), column(n);
      simd::sum16_rows(x.data(), n, stride, y.data(), width);
      bool equal = y[width] == 7;
      for (int64_t j = 0; j < width; ++j) {
        for (int64_t i = 0; i < n; ++i) column[i] = x[i * stride + j];
        equal = equal && y[j] == simd::sum16(column.data(), n);
      }
      CHECK(equal);
    }
}

TEST_CASE_TEMPLATE("reduce16: NaN is the largest wherever it stands", T, float, double) {
  for (int64_t n : {1, 7, 16, 45})
    for (int64_t at = 0; at < n; ++at) {
      std::vector<T> x = random_numbers<T>(n, 6);
      x[at] = NOTHING<T>;
      CHECK(std::isnan(simd::max16(x.data(), n)));
      CHECK(std::isnan(simd::sum16(x.data(), n)));
    }
  CHECK(simd::max16<T>(nullptr, 0) == -INF<T>);
  CHECK(simd::sum16<T>(nullptr, 0) == 0);
}
