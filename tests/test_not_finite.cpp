// NaN and infinity: they reach what depends on them, and nothing else.
#include <cmath>
#include <limits>
#include <sstream>
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "layers/attention.h"
#include "tests/golden.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using namespace heed_tests;

namespace {

constexpr Scalar INF = std::numeric_limits<Scalar>::infinity();
constexpr Scalar NOT_A_NUMBER = std::numeric_limits<Scalar>::quiet_NaN();

}  // namespace

TEST_CASE("not finite: detect_anomaly blames who made it, not who moves it") {
  Tensor bad = tensor({1, NOT_A_NUMBER, INF, 2}, {2, 2}), fine = ones({2, 2}).requires_grad_();
  DetectAnomaly on;
  CHECK_NOTHROW(bad.select(0, 1).unsqueeze(0).expand({3, 2}));
  CHECK_NOTHROW(bad.transpose(0, 1).contiguous().view({4}));
  CHECK(bad.transpose(0, 1).to_vector()[3] == 2);
  std::ostringstream printed;
  CHECK_NOTHROW(printed << bad << bad.transpose(0, 1));
  CHECK(printed.str().find("nan") != std::string::npos);
  expect_error([&] { bad * fine; }, {"[detect_anomaly] mul", "nan", "forward"});
  // What a mask hides, and memory that is not written yet, is nobody's business.
  Tensor shown = tensor({1, 0, 0, 1}, {2, 2});
  CHECK_NOTHROW(masked_softmax(bad.transpose(0, 1), shown));
  for (int i = 0; i < 20; ++i) {
    NoGrad guard;
    Tensor freed = empty({4, 2});
    freed.fill_(NOT_A_NUMBER);
  }
  CHECK_NOTHROW(cat({fine, fine}, 0));
  CHECK_NOTHROW(stack({fine, fine}, 0));
}

TEST_CASE("not finite: where and masked_fill only choose, so detect_anomaly blames neither") {
  Tensor x = ones({3}).requires_grad_();
  DetectAnomaly on;
  Tensor y;
  CHECK_NOTHROW(y = masked_fill(x, tensor({1, 0, 0}), -INF));
  CHECK_NOTHROW(where(tensor({1, 0, 0}), x, scalar(NOT_A_NUMBER)));
  expect_error([&] { y * 2; }, {"[detect_anomaly] mul", "inf", "forward"});
}

TEST_CASE("not finite: the gradient of a largest number that is NaN is NaN") {
  Tensor x = tensor({1, NOT_A_NUMBER, 3, 4, 7, 7}, {2, 3}).requires_grad_();
  max(x, {1}).backward(ones({2}));
  for (int64_t i : {0, 1, 2}) CHECK(std::isnan(x.grad().at({0, i})));
  CHECK(x.grad().select(0, 1).to_vector() == std::vector<Scalar>{0, 0.5, 0.5});
}

TEST_CASE("not finite: in evaluation batch_norm keeps the samples apart, backward as well") {
  for (Scalar bad : {INF, NOT_A_NUMBER}) {
    Tensor mean = zeros({1}), var = ones({1}), one = ones({1}), zero = zeros({1});
    Tensor x = tensor({1, bad, 2, 3}, {4, 1}).requires_grad_();
    batch_norm(x, mean, var, one, zero, false, 0.1, 0).backward(ones({4, 1}));
    CHECK(same(x.grad(), ones({4, 1})));
    Tensor fine = tensor({1, 5, 2, 3}, {4, 1}).requires_grad_();
    batch_norm(fine, mean, var, one, zero, false, 0.1, 0).backward(tensor({1, bad, 2, 3}, {4, 1}));
    CHECK(same(fine.grad().narrow(0, 2, 2).contiguous(), tensor({2, 3}, {2, 1})));
  }
}

TEST_CASE("not finite: relu lets NaN through, and its gradient") {
  Tensor x = tensor({NOT_A_NUMBER, 1, -1, 0}).requires_grad_();
  relu(x).backward(tensor({5, 6, 7, 8}));
  CHECK(same(x.grad(), tensor({5, 6, 0, 0})));
}

// C's pow, in long double, is the judge.
TEST_CASE("not finite: pow of large exponents, of zeros, infinities and numbers below zero") {
  const auto y = [](Scalar v, double p) { return pow(tensor({v}), p).item(); };
  for (double p : {-1030., -65., -33., 31., 32., 33., 64., 1e6, 1e8, 4294967295., 4294967296.,
                   0.25, -0.75, 1e300})
    for (Scalar v : {Scalar(-2), Scalar(-1), Scalar(-0.), Scalar(0), Scalar(1), Scalar(1.0001),
                     Scalar(2), Scalar(1.00000001), Scalar(0.999), INF, -INF, NOT_A_NUMBER}) {
      CAPTURE(v);
      CAPTURE(p);
      const Scalar right = Scalar(double(std::pow((long double)(v), (long double)(p))));
      const Scalar got = y(v, p);
      if (!std::isfinite(right) || right == 0) {
        CHECK((got == right || (got != got && right != right)));
        CHECK((got != got || std::signbit(got) == std::signbit(right)));
      } else {
        CHECK(std::abs(got / right - 1) < 16 * std::numeric_limits<Scalar>::epsilon());
      }
    }
}

TEST_CASE("not finite: fused attention takes scores of -infinity as the plain path does") {
  for (int64_t low : {1, 128, 129, 256}) {
    const int64_t Tk = 257;
    Tensor q = full({1, 1, 1, 1}, 1e20), k = zeros({1, 1, Tk, 1}), v = ones({1, 1, Tk, 1});
    k.narrow(2, 0, low).fill_(-INF);
    for (Tensor* t : {&q, &k, &v}) t->requires_grad_();
    Tensor fused = attention_output(q, k, v);
    CHECK(double(fused.item()) == doctest::Approx(1));
    sum(fused).backward();
    Tensor dv = v.grad();
    CHECK(same(dv.narrow(2, 0, low).contiguous(), zeros({1, 1, low, 1})));
    CHECK(double(dv.at({0, 0, Tk - 1, 0})) == doctest::Approx(1. / double(Tk - low)));
    CHECK(double(scaled_dot_product_attention(q, k, v).output.item()) == doctest::Approx(1));
  }
}
