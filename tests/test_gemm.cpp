// The matrix multiplication against the plain triple loop, bit for bit, and against sums in
// double, so that both being wrong is caught too.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "autograd/gemm.h"
#include "autograd/parallel.h"
#include "lessons/support/hash.h"

using namespace heed;

namespace {

const Scalar NOTHING = std::numeric_limits<Scalar>::quiet_NaN();

// Where element (i, j) of a matrix is, and how much memory holds it.
struct Layout {
  int64_t row, column, size;
};
Layout plain(int64_t rows, int64_t columns) { return {columns, 1, rows * columns}; }
Layout transposed(int64_t rows, int64_t columns) { return {1, rows, rows * columns}; }
Layout spread(int64_t rows, int64_t columns) {
  return {3 * columns + 5, 3, rows * (3 * columns + 5)};
}
Layout padded(int64_t rows, int64_t columns) { return {columns + 7, 1, rows * (columns + 7)}; }

// A matrix between guard cells. What is not an element of it is NaN: reading it as a number
// spoils the result, and writing it is seen.
struct Matrix {
  static constexpr int64_t GUARD = 40;
  int64_t rows, columns;
  Layout at;
  std::vector<Scalar> memory;

  Matrix(int64_t rows_, int64_t columns_, Layout layout)
      : rows(rows_), columns(columns_), at(layout), memory(layout.size + 2 * GUARD, NOTHING) {}
  Scalar* data() { return memory.data() + GUARD; }
  const Scalar* data() const { return memory.data() + GUARD; }
  Scalar& operator()(int64_t i, int64_t j) { return data()[i * at.row + j * at.column]; }
  Scalar operator()(int64_t i, int64_t j) const { return data()[i * at.row + j * at.column]; }
  void fill(std::mt19937& words) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        (*this)(i, j) = Scalar(int32_t(words()) * 0x1p-31) + Scalar(words() % 16 * 0x1p-29);
  }
  bool same_bits(const Matrix& other) const {
    return std::memcmp(memory.data(), other.memory.data(), memory.size() * sizeof(Scalar)) == 0;
  }
};

using Multiply = decltype(gemm);
void multiply(Multiply* f, const Matrix& a, const Matrix& b, Matrix& c) {
  f(a.rows, b.columns, a.columns, a.data(), a.at.row, a.at.column, b.data(), b.at.row,
    b.at.column, c.data(), c.at.row, false, {});
}

// The largest error of c against sums in double, in units of what k roundings may do.
double error(const Matrix& a, const Matrix& b, const Matrix& c) {
  double worst = 0;
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.columns; ++j) {
      double sum = 0, size = 0;
      for (int64_t p = 0; p < a.columns; ++p) {
        const double term = double(a(i, p)) * double(b(p, j));
        sum += term;
        size += std::fabs(term);
      }
      const double unit = std::numeric_limits<Scalar>::epsilon() * (a.columns + 1) * size;
      const double off = std::fabs(c(i, j) - sum);
      if (!(off <= worst * unit)) worst = unit > 0 ? off / unit : off > 0;
    }
  return worst;
}

// gemm and the plain loop give the same memory, guards included.
std::string difference(const Matrix& a, const Matrix& b, Layout layout) {
  Matrix c(a.rows, b.columns, layout), expected = c;
  multiply(gemm, a, b, c);
  multiply(gemm_naive, a, b, expected);
  if (c.same_bits(expected)) return "";
  return std::to_string(a.rows) + " x " + std::to_string(b.columns) + " x " +
         std::to_string(a.columns);
}

// Leaves NaN in whatever memory gemm keeps between calls.
void spoil_scratch() {
  const int64_t n = 600;
  std::vector<Scalar> nan(n * n, NOTHING), c(n * n);
  gemm(n, n, n, nan.data(), 1, n, nan.data(), 1, n, c.data(), n);
  gemm(30000, 3, 9, nan.data(), 9, 1, nan.data(), 3, 1, c.data(), 3);  // made beside C
}

struct Sizes {
  int64_t m, n, k;
};

const int64_t SIZES[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 130};

}  // namespace

TEST_CASE("gemm: every size, all four transpositions, the bits of the plain loop") {
  std::mt19937 words(1);
  spoil_scratch();
  for (int64_t k : SIZES)
    for (int64_t m : SIZES)
      for (int64_t n : SIZES) {
        Matrix c(m, n, padded(m, n)), expected = c;
        bool first = true;
        for (auto a_layout : {plain, transposed})
          for (auto b_layout : {plain, transposed}) {
            Matrix a(m, k, a_layout(m, k)), b(k, n, b_layout(k, n));
            std::mt19937 same(uint32_t(m * 1000003 + n * 1009 + k));
            a.fill(same);
            b.fill(same);
            if (first) {
              multiply(gemm_naive, a, b, expected);
              if (m * n * k < 70000) REQUIRE(error(a, b, expected) <= 1);
              first = false;
            }
            multiply(gemm, a, b, c);
            if (!c.same_bits(expected))
              FAIL_CHECK(m, " x ", n, " x ", k, " strides of A ", a.at.row, " ", a.at.column,
                         " of B ", b.at.row, " ", b.at.column);
          }
      }
}

TEST_CASE("gemm: strided views of A and B, rows of C that lie apart") {
  std::mt19937 words(2);
  spoil_scratch();
  for (int64_t k : {1, 3, 8, 33, 300})
    for (int64_t m : {1, 2, 5, 9, 16, 40})
      for (int64_t n : {1, 3, 5, 10, 26, 49})
        for (auto a_layout : {plain, padded, spread, transposed})
          for (auto b_layout : {padded, spread, transposed})
            for (auto c_layout : {plain, padded}) {
              Matrix a(m, k, a_layout(m, k)), b(k, n, b_layout(k, n));
              a.fill(words);
              b.fill(words);
              CHECK(difference(a, b, c_layout(m, n)) == "");
            }
}

TEST_CASE("gemm: sizes that cross the blocks") {
  const Sizes shapes[] = {{300, 40, 700},  {41, 1100, 530}, {130, 70, 1030}, {8, 512, 512},
                          {1, 300, 2000},  {2000, 1, 300},  {700, 3, 515},   {3, 2100, 257},
                          {257, 259, 261}, {193, 2070, 20}, {90001, 3, 2},  {600, 700, 1300},
                          {48, 32, 400},   {130, 512, 64},  {50, 1000, 40},  {60, 1030, 200},
                          {130, 1600, 9}};
  std::mt19937 words(3);
  for (auto [m, n, k] : shapes)
    for (auto a_layout : {plain, transposed})
      for (auto b_layout : {plain, transposed}) {
        Matrix a(m, k, a_layout(m, k)), b(k, n, b_layout(k, n));
        a.fill(words);
        b.fill(words);
        CHECK(difference(a, b, plain(m, n)) == "");
      }
}

TEST_CASE("gemm: every width of a row, where the sums go on over blocks") {
  std::mt19937 words(8);
  for (int64_t m : {1, 2, 3, 4, 6, 9})
    for (int64_t n = 1; n <= 60; ++n) {
      Matrix a(m, 1030, plain(m, 1030)),
          b(1030, n, n % 2 ? plain(1030, n) : transposed(1030, n));
      a.fill(words);
      b.fill(words);
      CHECK(difference(a, b, plain(m, n)) == "");
    }
}

TEST_CASE("gemm: a row among thousands is what it is alone") {
  std::mt19937 words(9);
  const int64_t m = 2310, n = 260, k = 2048;
  Matrix a(m, k, plain(m, k)), b(k, n, plain(k, n)), c(m, n, plain(m, n));
  a.fill(words);
  b.fill(words);
  const int threads = get_num_threads();
  set_num_threads(1);
  multiply(gemm, a, b, c);
  set_num_threads(threads);
  for (int64_t i : {0, 11, 12, 47, 48, 1151, 1152, 2303, 2304, 2309}) {
    std::vector<Scalar> alone(n);
    gemm_naive(1, n, k, a.data() + i * k, k, 1, b.data(), n, 1, alone.data(), n, false);
    CHECK(std::equal(alone.begin(), alone.end(), c.data() + i * n));
  }
}

TEST_CASE("gemm: rows and columns from last to first") {
  std::mt19937 words(10);
  for (auto [m, n, k] : {Sizes{5, 7, 3}, Sizes{20, 40, 30}, Sizes{130, 200, 300}}) {
    Matrix a(m, k, plain(m, k)), b(k, n, plain(k, n));
    a.fill(words);
    b.fill(words);
    const Scalar *a_end = a.data() + m * k - 1, *b_end = b.data() + k * n - 1;
    std::vector<Scalar> c(m * n), expected(m * n);
    for (auto [ra, ca] : {std::pair{-k, int64_t(-1)}, std::pair{int64_t(-1), -m}})
      for (auto [rb, cb] : {std::pair{-n, int64_t(-1)}, std::pair{int64_t(-1), -k}}) {
        gemm(m, n, k, a_end, ra, ca, b_end, rb, cb, c.data(), n);
        gemm_naive(m, n, k, a_end, ra, ca, b_end, rb, cb, expected.data(), n);
        CHECK(c == expected);
      }
  }
}

TEST_CASE("gemm: against sums in double, large sizes") {
  std::mt19937 words(4);
  for (auto [m, n, k] : {Sizes{100, 120, 700}, Sizes{9, 1030, 300}}) {
    Matrix a(m, k, plain(m, k)), b(k, n, transposed(k, n)), c(m, n, plain(m, n));
    a.fill(words);
    b.fill(words);
    multiply(gemm, a, b, c);
    CHECK(error(a, b, c) <= 1);
  }
}

TEST_CASE("gemm: the same bits on every CPU and from every compiler") {
  std::mt19937 words(7);
  uint64_t hash = fnv1a(nullptr, 0);
  for (auto [m, n, k] : {Sizes{10, 100, 10}, Sizes{10, 26, 100}, Sizes{67, 89, 1100}}) {
    Matrix a(m, k, plain(m, k)), b(k, n, transposed(k, n)), c(m, n, plain(m, n));
    a.fill(words);
    b.fill(words);
    multiply(gemm, a, b, c);
    hash = fnv1a(c.data(), m * n * sizeof(Scalar), hash);
  }
  CHECK(hash == (sizeof(Scalar) == 4 ? 17369474476447781291u : 14349668337274018188u));
}

TEST_CASE("gemm: onto what C holds, over all blocks, the bits of the plain loop") {
  std::mt19937 words(5);
  spoil_scratch();
  for (const Sizes& size : {Sizes{1, 1, 1},
                            {5, 7, 0},
                            {9, 26, 40},
                            {17, 3, 90},
                            {40, 16, 5},
                            {97, 33, 1100},
                            {130, 1040, 20},
                            {12, 1, 513}}) {
    const auto m = size.m, n = size.n, k = size.k;
    for (auto a_layout : {plain, transposed})
      for (auto b_layout : {plain, transposed})
        for (auto c_layout : {plain, padded}) {
          Matrix a(m, k, a_layout(m, k)), b(k, n, b_layout(k, n)), c(m, n, c_layout(m, n));
          for (Matrix* x : {&a, &b, &c}) x->fill(words);
          Matrix expected = c;
          auto onto = [&](Multiply* f, Matrix& c) {
            f(m, n, k, a.data(), a.at.row, a.at.column, b.data(), b.at.row, b.at.column,
              c.data(), c.at.row, true, {});
          };
          onto(gemm, c);
          onto(gemm_naive, expected);
          CHECK_MESSAGE(c.same_bits(expected), m, " x ", n, " x ", k);
        }
  }
}

TEST_CASE("gemm: a batch is its products, one after the other") {
  std::mt19937 words(7);
  spoil_scratch();
  const int64_t count = 3;  // below each other in one matrix of A, of B and of C
  for (const Sizes& size :
       {Sizes{16, 16, 16}, {8, 8, 8}, {1, 20, 128}, {20, 20, 16}, {20, 1, 7}, {30, 3, 9},
        {7, 70, 12}, {100, 33, 5}, {5, 9, 1200}, {1, 40, 300}, {4, 300, 130}, {130, 150, 140},
        {4, 5, 0}}) {
    const auto m = size.m, n = size.n, k = size.k;
    for (auto a_layout : {plain, transposed})
      for (auto b_layout : {plain, transposed})
        for (auto c_layout : {plain, padded})
          for (bool shared : {false, true}) {  // one B for all, and onto what C holds
            Matrix a(count * m, k, a_layout(count * m, k));
            Matrix b(count * k, n, b_layout(count * k, n));
            Matrix c(count * m, n, c_layout(count * m, n));
            for (Matrix* x : {&a, &b, &c}) x->fill(words);
            Matrix expected = c, plain_loop = c;
            const GemmBatch next{count, m * a.at.row, shared ? 0 : k * b.at.row, m * c.at.row};
            const auto multiply = [&](Multiply* f, Matrix& c, int64_t at, GemmBatch batch) {
              f(m, n, k, a.data() + at * next.a, a.at.row, a.at.column, b.data() + at * next.b,
                b.at.row, b.at.column, c.data() + at * next.c, c.at.row, shared, batch);
            };
            for (int64_t at = 0; at < count; ++at) multiply(gemm_naive, expected, at, {});
            multiply(gemm_naive, plain_loop, 0, next);
            multiply(gemm, c, 0, next);
            CHECK_MESSAGE(c.same_bits(expected), m, " x ", n, " x ", k);
            CHECK(plain_loop.same_bits(expected));
          }
  }
}

TEST_CASE("gemm: nothing to sum gives zeros, nothing to fill does nothing") {
  Matrix a(3, 0, plain(3, 0)), b(0, 5, plain(0, 5)), c(3, 5, padded(3, 5));
  multiply(gemm, a, b, c);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 5; ++j) CHECK(c(i, j) == 0);
  CHECK(std::isnan(c.data()[5]));
  CHECK(std::isnan(c.data()[-1]));
  gemm(0, 5, 2, nullptr, 1, 1, nullptr, 1, 1, nullptr, 1);
  gemm(5, 0, 2, nullptr, 1, 1, nullptr, 1, 1, nullptr, 1);
}

TEST_CASE("gemm: NaN and infinity go where the sum takes them, and nowhere else") {
  for (int64_t n : {10, 26, 40}) {
    std::mt19937 words(5);
    Matrix a(7, 9, plain(7, 9)), b(9, n, plain(9, n)), c(7, n, plain(7, n));
    a.fill(words);
    b.fill(words);
    a(2, 3) = NOTHING;
    b(4, n - 1) = std::numeric_limits<Scalar>::infinity();
    multiply(gemm, a, b, c);
    for (int64_t i = 0; i < 7; ++i)
      for (int64_t j = 0; j < n; ++j) {
        if (i == 2)
          CHECK(std::isnan(c(i, j)));
        else
          CHECK(std::isfinite(c(i, j)) == (j != n - 1));
      }
  }
}

TEST_CASE("gemm: the same bits at 1, 2, 3 and 8 threads") {
  const int threads = get_num_threads();
  std::mt19937 words(6);
  for (auto [m, n, k] : {Sizes{401, 523, 300}, Sizes{9, 3001, 260}, Sizes{3001, 9, 260},
                         Sizes{1000, 1000, 20}}) {
    Matrix a(m, k, plain(m, k)), b(k, n, transposed(k, n)), one(m, n, plain(m, n));
    a.fill(words);
    b.fill(words);
    set_num_threads(1);
    multiply(gemm, a, b, one);
    for (int t : {2, 3, 8}) {
      set_num_threads(t);
      Matrix c(m, n, plain(m, n));
      multiply(gemm, a, b, c);
      CHECK(c.same_bits(one));
    }
  }
  set_num_threads(threads);
}
