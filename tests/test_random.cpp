// Random numbers against PyTorch's, bit for bit: tests/golden/random.txt is a list of calls
// with what PyTorch drew, made by make_random.py. Then what a copy is worth, words, and errors.
#include "autograd/exact_math.h"
#include "autograd/random.h"
#include "lessons/support/batches.h"
#include "lessons/support/hash.h"
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <fstream>
#include <limits>
#include <map>
#include <numbers>
#include <sstream>
#include <string>
#include <tuple>

using namespace heed;

namespace {

// What a call gave: the bits of each value and, hashed, of all of them.
struct Drawn {
  uint64_t hash = fnv1a(nullptr, 0);
  std::vector<uint64_t> bits;

  Drawn() = default;
  explicit Drawn(const std::vector<float>& values) {
    hash = fnv1a(values.data(), values.size() * sizeof(float));
    for (float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  }
  template <std::integral Int> explicit Drawn(const std::vector<Int>& values) {
    for (Int value : values) add(static_cast<uint64_t>(value));
  }
  void add(uint64_t value) {
    hash = fnv1a(&value, sizeof value, hash);
    bits.push_back(value);
  }
};

// Fills n floats, and n doubles from a copy of the generator: the same numbers, widened.
template <class Fill> Drawn floats(int64_t n, Fill fill) {
  std::vector<float> single(n);
  std::vector<double> wide(n);
  Generator copy = default_generator();
  fill(default_generator(), single.data());
  fill(copy, wide.data());
  CHECK(copy == default_generator());
  CHECK(std::vector<double>(single.begin(), single.end()) == wide);
  return Drawn(single);
}

Drawn draw_batches(int n, int batch_size, bool shuffle, bool drop_last) {
  static std::map<std::tuple<int, int, bool, bool>, Batches>
      kept;  // used again by later epochs
  Batches& batches =
      kept.try_emplace({n, batch_size, shuffle, drop_last}, n, batch_size, shuffle, drop_last)
          .first->second;
  Drawn drawn;
  int count = 0, samples = 0;
  for (std::span<const int> batch : batches) {
    ++count;
    samples += static_cast<int>(batch.size());
    drawn.add(batch.size());
    for (int index : batch) drawn.add(static_cast<uint64_t>(index));
  }
  CHECK(count == batches.size());
  CHECK(samples == batches.samples());
  return drawn;
}

// Reads the arguments of one call and makes it.
Drawn draw(const std::string& call, std::istream& in) {
  Generator& g = default_generator();
  auto next = [&]<class T>(T value) {
    REQUIRE((in >> value));
    return value;
  };
  const auto n = call == "seed" ? 0 : next(int64_t{});
  const auto values = static_cast<size_t>(n);
  if (call == "seed") {
    const uint64_t seed = next(uint64_t{});
    manual_seed(seed);
    return Drawn(std::vector{seed});
  }
  if (call == "raw" || call == "random_i64") {
    std::vector<uint64_t> words(values);
    for (uint64_t& word : words)
      word = call == "raw" ? g.draw64() : static_cast<uint64_t>(g.random_i64());
    return Drawn(words);
  }
  if (call == "uniform" || call == "normal") {
    const double a = next(double{}), b = next(double{});
    const bool flat = call == "uniform";
    return floats(n, [=](Generator& from, auto* out) {
      flat ? from.uniform(out, n, a, b) : from.normal(out, n, a, b);
    });
  }
  if (call == "normals") {
    const int64_t each = next(int64_t{});
    return floats(n * each, [=](Generator& from, auto* out) {
      for (int64_t i = 0; i < n; ++i) from.normal(out + i * each, each);
    });
  }
  if (call == "bernoulli" || call == "dropout") {
    const double given = next(double{}), p = call == "dropout" ? 1 - given : given;
    return floats(n, [=](Generator& from, auto* out) { from.bernoulli(out, n, p); });
  }
  if (call == "randint") {
    const int64_t low = next(int64_t{}), high = next(int64_t{});
    std::vector<int64_t> out(values);
    g.randint(out.data(), n, low, high);
    return Drawn(out);
  }
  if (call == "randperm") return Drawn(g.randperm(static_cast<int>(n)));
  if (call == "loader") return Drawn(loader_order(g, static_cast<int>(n), next(bool{})));
  REQUIRE(call == "batches");
  const int batch_size = next(int{});
  const bool shuffle = next(bool{}), drop_last = next(bool{});
  return draw_batches(static_cast<int>(n), batch_size, shuffle, drop_last);
}

// A generator that stands `words` words after seed 5, to compare with one that drew something.
Generator after(int words) {
  Generator g(5);
  for (int i = 0; i < words; ++i) g.word();
  return g;
}

}  // namespace

TEST_CASE("random: every call gives PyTorch's numbers and takes as many words") {
  std::ifstream file("tests/golden/random.txt");
  REQUIRE(file);
  std::string text;
  std::map<std::string, int> seen;
  int lines = 0, promised = -1;
  while (std::getline(file, text)) {
    if (text[0] == '#') continue;
    INFO(text);
    std::istringstream in(text);
    std::string call, colon;
    REQUIRE((in >> call));
    if (call == "end") {
      in >> promised;
      break;
    }
    const Drawn drawn = draw(call, in);
    uint64_t hash, next, value;
    REQUIRE((in >> colon >> std::hex >> hash >> next));
    REQUIRE(colon == ":");
    size_t i = 0;
    for (; in >> value; ++i) {
      REQUIRE(i < drawn.bits.size());
      CHECK(drawn.bits[i] == value);
    }
    CHECK(i == std::min<size_t>(6, drawn.bits.size()));
    CHECK(drawn.hash == hash);
    if (call != "seed") CHECK(default_generator().draw64() == next);
    ++lines;
    ++seen[call];
  }
  CHECK(lines == promised);  // the file is whole
  CHECK(seen.size() == 12);
  manual_seed(Generator::default_seed);
}

TEST_CASE("random: a copy continues where the original stood, the waiting normal included") {
  Generator g(7);
  float first[5], second[5];
  g.normal(first, 3);
  Generator copy = g;
  g.normal(first, 5);
  CHECK_FALSE(copy == g);
  copy.normal(second, 5);
  CHECK(copy == g);
  CHECK(std::equal(first, first + 5, second));

  // Two values more make no difference in words, but one half of a pair still waits.
  Generator odd(7), even(7);
  odd.normal(first, 1);
  even.normal(first, 2);
  CHECK_FALSE(odd == even);
  odd.manual_seed(7);
  CHECK(odd == Generator(7));
}

TEST_CASE("random: each call takes the words that random.h lists") {
  std::vector<float> out(40);
  std::vector<int64_t> integers(40);
  auto taken = [&](auto call) {
    Generator g = after(0);
    call(g);
    g.normal(out.data(), 0);
    for (int words = 0; words < 200; ++words)
      if (after(words) == g) return words;
    return -1;
  };
  CHECK(taken([&](Generator& g) { g.uniform(out.data(), 40); }) == 40);
  CHECK(taken([&](Generator& g) { g.normal(out.data(), 14); }) == 28);
  CHECK(taken([&](Generator& g) { g.normal(out.data(), 32); }) == 32);
  CHECK(taken([&](Generator& g) { g.normal(out.data(), 33); }) == 49);
  CHECK(taken([&](Generator& g) { g.randint(integers.data(), 40, 0, (1 << 28) - 1); }) == 40);
  CHECK(taken([&](Generator& g) { g.randint(integers.data(), 40, 0, 1 << 28); }) == 80);
  CHECK(taken([&](Generator& g) { g.randint(3, 8); }) == 1);
  CHECK(taken([&](Generator& g) { g.randperm(40); }) == 39);
  CHECK(taken([&](Generator& g) { g.randperm(0); }) == 0);
  CHECK(taken([&](Generator& g) { g.bernoulli(out.data(), 40, 0.0); }) == 80);
  CHECK(taken([&](Generator& g) { g.bernoulli(0.5); }) == 2);
  CHECK(taken([&](Generator& g) { g.random_i64(); }) == 2);
  CHECK(taken([&](Generator& g) { loader_order(g, 40, true); }) == 4);
  CHECK(taken([&](Generator& g) { loader_order(g, 40, false); }) == 2);
}

TEST_CASE("random: one value is the first of many") {
  Generator one(3), many(3);
  float coins[20];
  int64_t integers[20];
  many.bernoulli(coins, 20, 0.3);
  for (float coin : coins) CHECK(one.bernoulli(0.3) == (coin == 1));
  many.randint(integers, 20, -4, 9);
  for (int64_t integer : integers) CHECK(one.randint(-4, 9) == integer);
  CHECK(one == many);
}

TEST_CASE("random: few normals are scaled by one fused multiply-add, in double") {
  Generator g(4), same(4);
  const double angle = 2 * std::numbers::pi * same.uniform53();
  const double z = std::sqrt(-2 * exact::log(1 - same.uniform53())) * exact::cos(angle);
  const double std = 0.3, mean = -(z * std);  // what is left is the rounding error of z * std
  float left[1];
  g.normal(left, 1, mean, std);
  CHECK(left[0] != 0);
  CHECK(left[0] == static_cast<float>(std::fma(z, std, mean)));
}

TEST_CASE("random: unseeded programs repeat themselves; a generator of one's own is apart") {
  CHECK(Generator() == Generator(67280421310721));
  Generator own(1);
  const Generator before = default_generator();
  own.randperm(9);
  CHECK(default_generator() == before);
  manual_seed(1);
  CHECK(default_generator() == Generator(1));
  manual_seed(Generator::default_seed);
}

TEST_CASE("random: wrong arguments are refused, and nothing is drawn") {
  Generator g(5);
  float x[1];
  int64_t i[1];
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(
      g.randint(5, 5),
      "[randint] low 5, high 5: no integer to draw; low must be below high, which is not drawn "
      "itself",
      Error);
  CHECK_THROWS_WITH_AS(g.bernoulli(1.5),
                       "[bernoulli] p 1.5: a probability lies between 0 and 1", Error);
  CHECK_THROWS_WITH_AS(g.normal(x, 1, 0, -1),
                       "[normal] std -1: a standard deviation must not be negative", Error);
  CHECK_THROWS_WITH_AS(g.uniform(x, 1, 2, 1),
                       "[uniform] low 2, high 1: low must not exceed high", Error);
  CHECK_THROWS_WITH_AS(g.uniform(x, -1), "[uniform] n = -1 values: n must not be negative",
                       Error);
  CHECK_THROWS_WITH_AS(g.randperm(-2), "[randperm] n = -2: n must not be negative", Error);
  CHECK_THROWS_AS(g.uniform(x, 1, -3e38, 3e38), Error);
  CHECK_THROWS_AS(g.uniform(x, 1, nan, 1), Error);
  CHECK_THROWS_AS(g.bernoulli(x, 1, -0.1), Error);
  CHECK_THROWS_AS(g.bernoulli(x, 1, nan), Error);
  CHECK_THROWS_AS(g.bernoulli(x, -1, 0.5), Error);
  CHECK_THROWS_AS(g.normal(x, 1, 0, nan), Error);
  CHECK_THROWS_AS(g.normal(x, -1), Error);
  CHECK_THROWS_AS(g.randint(i, -1, 0, 5), Error);
  CHECK_THROWS_AS(loader_order(g, -1, true), Error);
  CHECK(g == Generator(5));
}

TEST_CASE("batches: a loop that is left early has drawn as much; bad sizes are refused") {
  manual_seed(5);
  Batches batches(10, 4, true);
  for (auto batch : batches) {
    CHECK(batch.size() == 4);
    break;
  }
  CHECK(default_generator() == after(4));
  CHECK(Batches(3, 4, false, true).size() == 0);
  CHECK_THROWS_WITH_AS(Batches(0, 4, true), "[Batches] n = 0 samples: at least one is needed",
                       Error);
  CHECK_THROWS_WITH_AS(Batches(10, 0, true), "[Batches] batch size 0: must be at least 1",
                       Error);
  manual_seed(Generator::default_seed);
}
