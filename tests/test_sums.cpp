// Long sums: rounding errors must not grow with the count of what is summed. (A plain float sum
// of 2^20 numbers of 0.1 is a hundredth too large.) Where n numbers are added one after the
// other, each addition errs by half of float's 2^-23 at most, so the sum by n 2^-24 of its size;
// the parts of a long sum add a little to that.
#include <cmath>
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include <doctest/doctest.h>

using namespace heed;

namespace {

constexpr int64_t N = 1 << 22;
constexpr double ROUNDING = 0x1p-24;
constexpr double IN_SIXTEENTHS = (65536 / 16 + 16) * ROUNDING;  // pieces of reduce16.h
constexpr double IN_A_ROW = (8192 + 16) * ROUNDING;            // of a bias's gradient
constexpr double BATCH_NORM = (256 + 16) * ROUNDING;

double error_of(double is, double wanted) { return std::abs(is / wanted - 1); }
// Numbers that no float holds exactly, all alike: their errors all have the same sign.
Tensor tenths(const Shape& shape) { return full(shape, 0.1); }

}  // namespace

TEST_CASE("sums: of a whole tensor, and along a dimension") {
  const double wanted = N * double(Scalar(0.1));
  CHECK(error_of(sum(tenths({N})).item(), wanted) < IN_SIXTEENTHS);
  CHECK(error_of(mean(tenths({N})).item(), wanted / N) < IN_SIXTEENTHS);
  CHECK(error_of(sum(tenths({N, 1}), {0}).at({0}), wanted) < IN_SIXTEENTHS);
  CHECK(error_of(sum(tenths({N, 2}), {0}).at({1}), wanted) < IN_SIXTEENTHS);
}

TEST_CASE("sums: of losses") {
  CHECK(error_of(mse_loss(tenths({N}), zeros({N})).item(), 0.01) < IN_SIXTEENTHS);
  const std::vector<int> labels(size_t(N), 0);
  CHECK(error_of(cross_entropy(tenths({N, 2}), labels).item(), std::log(2.)) < IN_SIXTEENTHS);
}

TEST_CASE("sums: of a bias's gradient") {
  for (int64_t out : {1, 200}) {  // of one thread's columns, and of several threads'
    CAPTURE(out);
    const int64_t rows = N / 16;
    Tensor weight = ones({out, 1}), bias = zeros({out}).requires_grad_();
    linear(ones({rows, 1}), weight, bias).backward(tenths({rows, out}));
    for (int64_t j = 0; j < out; ++j)
      CHECK(error_of(bias.grad().at({j}), double(rows) * double(Scalar(0.1))) < IN_A_ROW);
  }
}

TEST_CASE("sums: of batch_norm, forward and backward") {
  const int64_t rows = N / 4;
  for (int64_t C : {1, 16}) {
    CAPTURE(C);
    Tensor mean = zeros({C}), var = ones({C}), weight = ones({C}).requires_grad_(),
           bias = zeros({C}).requires_grad_();
    Tensor y = batch_norm(tenths({rows, C}), mean, var, weight, bias, true, 1, 1e-5);
    CHECK(error_of(mean.at({C - 1}), double(Scalar(0.1))) < BATCH_NORM);
    CHECK(std::abs(double(y.at({0, C - 1}))) < 0.1 * BATCH_NORM / std::sqrt(1e-5));
    y.backward(tenths({rows, C}));
    CHECK(error_of(bias.grad().at({C - 1}), double(rows) * double(Scalar(0.1))) < BATCH_NORM);
  }
}

TEST_CASE("sums: zeros appended to a row change no bit, however long it is") {
  for (int64_t n : {int64_t(100), int64_t(65536), int64_t(70001), int64_t(300000)}) {
    manual_seed(1);
    Tensor x = randn({n});
    for (int64_t more : {1, 5000, 65536, 400000}) {
      CAPTURE(n);
      CAPTURE(more);
      Tensor longer = cat({x, zeros({more})}, 0);
      CHECK(sum(longer).item() == sum(x).item());
      CHECK(sum(longer.view({n + more, 1}).expand({n + more, 2}).contiguous(), {0}).at({1}) ==
            sum(x).item());
    }
  }
}

TEST_CASE("sums: an empty list of dimensions stands for all, as in PyTorch") {
  Tensor x = tensor({1, 2, 3, 6}, {2, 2});
  CHECK(sum(x, {}).item() == 12);
  CHECK(mean(x, {}, true).shape() == Shape{1, 1});
  CHECK(max(x, {}).item() == 6);
  CHECK(var(x, {}, 0).item() == 3.5);
}
