// The handle itself: shapes and strides, what shares storage and what copies, single numbers,
// changes in place, factories, and edge values of operations that the goldens do not have.
#include "autograd/tensor.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"
#include "tests/golden.h"

#include <cmath>
#include <limits>

using namespace heed;
using heed_tests::expect_error;

namespace {

using Numbers = std::vector<Scalar>;
constexpr Scalar INF = std::numeric_limits<Scalar>::infinity();
constexpr Scalar NOT_A_NUMBER = std::numeric_limits<Scalar>::quiet_NaN();

bool shares(const Tensor& x, const Tensor& y) { return x.storage().get() == y.storage().get(); }

// dL/dx for L = sum(f(x))
template <class F> Numbers gradient(F f, Numbers x) {
  Tensor leaf = tensor(x, {int64_t(x.size())}).requires_grad_();
  sum(f(leaf)).backward();
  return leaf.grad().to_vector();
}

}  // namespace

TEST_CASE("tensor: shape, strides, size") {
  Tensor x = arange(24).view({2, 3, 4});
  CHECK(x.shape() == Shape{2, 3, 4});
  CHECK(x.strides() == Shape{12, 4, 1});
  CHECK(x.dim() == 3);
  CHECK(x.numel() == 24);
  CHECK(x.size(0) == 2);
  CHECK(x.size(-1) == 4);
  CHECK(x.is_contiguous());
  CHECK_FALSE(x.transpose(0, 1).is_contiguous());
  CHECK(ones({3, 1}).transpose(0, 1).is_contiguous());  // a size of 1 has no neighbours
  CHECK(zeros({2, 0, 3}).transpose(0, 2).is_contiguous());  // nor has anything of no numbers
  CHECK(scalar(2).dim() == 0);
  CHECK(scalar(2).numel() == 1);
  CHECK(zeros({2, 0, 3}).numel() == 0);
  CHECK_FALSE(Tensor().defined());
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  expect_error([&] { x.size(3); }, {"[size]", "dimension 3", "3 dimensions"});
  expect_error([] { zeros({2, -1}); }, {"[shape]", "(2, -1)", "negative"});
  expect_error([] { zeros({1 << 30, 1 << 30}); }, {"[shape]", "too large"});
  expect_error([] { zeros({0, 1LL << 40, 1LL << 40}); }, {"[shape]", "too large"});  // strides
  expect_error([] { zeros({1, 1, 1, 1, 1, 1, 1}); }, {"[shape]", "7 dimensions", "6"});
  CHECK_NOTHROW(expect_shape(x, {2, 3, 4}));
  expect_error([&] { expect_shape(x, {2, 3}); }, {"[expect_shape]", "(2, 3)", "(2, 3, 4)"});
}

TEST_CASE("tensor: views share storage, and see each other's changes") {
  Tensor x = arange(6).view({2, 3});
  for (const Tensor& y : {x.view({3, 2}), x.reshape({6}), x.transpose(0, 1), x.permute({1, 0}),
                          x.expand({4, 2, 3}), x.narrow(1, 1, 2), x.select(0, 1), x.squeeze(0),
                          x.unsqueeze(1), x.contiguous(), x.detach()})
    CHECK(shares(x, y));
  for (const Tensor& y : {x.clone(), x.transpose(0, 1).contiguous(), x.transpose(0, 1).clone(),
                          x.transpose(0, 1).reshape({6}), x + 0})
    CHECK_FALSE(shares(x, y));

  CHECK(x.transpose(0, 1).to_vector() == Numbers{0, 3, 1, 4, 2, 5});
  CHECK(x.narrow(1, 1, 2).to_vector() == Numbers{1, 2, 4, 5});
  CHECK(x.select(0, -1).to_vector() == Numbers{3, 4, 5});
  CHECK(x.select(1, 0).expand({3, 2}).to_vector() == Numbers{0, 3, 0, 3, 0, 3});
  CHECK(x.transpose(0, 1).clone().strides() == Shape{2, 1});
  x.transpose(0, 1).narrow(0, 1, 1).fill_(9);
  CHECK(x.to_vector() == Numbers{0, 9, 2, 3, 9, 5});
  CHECK(x.squeeze(0).shape() == Shape{2, 3});  // its size is not 1: as it was
  CHECK(x.narrow(0, 2, 0).shape() == Shape{0, 3});
  CHECK(x.narrow(0, 2, 0).to_vector().empty());
}

// Some chain of views, of sizes 1 to 3, of numbers that are all different.
Tensor random_view(std::mt19937& words) {
  const auto below = [&](int64_t n) { return int64_t(words() % uint32_t(n)); };
  Shape shape;
  const int64_t rank = 1 + below(3);
  for (int d = 0; d < rank; ++d) shape = shape.with(d, 1 + below(3));
  Tensor x = arange(double(numel(shape))).view(shape);
  for (int64_t steps = 1 + below(4); steps > 0; --steps) {
    const int d = int(below(x.dim())), other = int(below(x.dim()));
    const int64_t from = below(x.size(d));
    switch (below(5)) {
      case 0: x = x.transpose(d, other); break;
      case 1: x = x.narrow(d, from, 1 + below(x.size(d) - from)); break;
      case 2: x = x.dim() > 1 ? x.select(d, from) : x; break;
      case 3: x = x.dim() < 5 ? x.unsqueeze(d) : x; break;
      case 4: {
        Shape wide = x.shape();
        if (wide[d] == 1) wide[d] = 2;
        x = x.expand(wide);
      }
    }
  }
  return x;
}

TEST_CASE("tensor: a copy of any view has its numbers, in row-major order") {
  std::mt19937 words(1);
  for (int i = 0; i < 5000; ++i) {
    const Tensor x = random_view(words), copy = x.contiguous();
    CAPTURE(x.shape());
    CAPTURE(x.strides());
    REQUIRE(copy.is_contiguous());
    for (int64_t at = 0; at < x.numel(); ++at)
      CHECK(copy.data()[at] == x.data()[offset_of(at, x.dim(), x.shape(), x.strides())]);
  }
}

TEST_CASE("tensor: gradients of pieces whose last sizes are 1") {
  Tensor a = zeros({2, 1}).requires_grad_(), b = zeros({2, 1}).requires_grad_();
  sum(stack({a, b}, 1).view({2, 2}) * tensor({1, 2, 3, 4}, {2, 2})).backward();
  CHECK(a.grad().to_vector() == std::vector<Scalar>{1, 3});
  CHECK(b.grad().to_vector() == std::vector<Scalar>{2, 4});
}

TEST_CASE("tensor: single numbers") {
  Tensor x = arange(6).view({2, 3});
  CHECK(x.at({1, 2}) == 5);
  x.transpose(0, 1).set({2, 1}, 7);
  CHECK(x.at({1, 2}) == 7);
  CHECK(x.select(0, 1).select(0, 0).item() == 3);
  CHECK(x.narrow(0, 1, 1).narrow(1, 1, 1).item() == 4);
  expect_error([&] { x.at({1}); }, {"[at]", "1 index", "(2, 3)"});
  expect_error([&] { x.at({1, 3}); }, {"[at]", "index 3", "dimension 1", "(2, 3)", "0 to 2"});
  expect_error([&] { x.at({-1, 0}); }, {"[at]", "index -1", "dimension 0"});
  expect_error([&] { x.set({2, 0}, 1); }, {"[set]", "index 2", "(2, 3)"});
  expect_error([&] { x.item(); }, {"[item]", "one element", "(2, 3)"});
  expect_error([] { Tensor().item(); }, {"[item]", "undefined"});
  expect_error([] { Tensor().at({}); }, {"[at]", "undefined"});
  expect_error([] { Tensor().to_vector(); }, {"[to_vector]", "undefined"});
}

TEST_CASE("tensor: changes in place") {
  Tensor x = zeros({2, 3});
  CHECK(x.fill_(2).to_vector() == Numbers{2, 2, 2, 2, 2, 2});
  CHECK(x.add_(tensor({1, 2, 3})).to_vector() == Numbers{3, 4, 5, 3, 4, 5});
  CHECK(x.add_(tensor({1, 10}, {2, 1}), -2).to_vector() == Numbers{1, 2, 3, -17, -16, -15});
  CHECK(x.mul_(0.5).to_vector() == Numbers{0.5, 1, 1.5, -8.5, -8, -7.5});
  CHECK(x.copy_(scalar(4)).to_vector() == Numbers{4, 4, 4, 4, 4, 4});
  CHECK(x.zero_().to_vector() == Numbers(6, 0));

  Tensor square = arange(4).view({2, 2});
  square.add_(square.transpose(0, 1));  // reads what it writes
  CHECK(square.to_vector() == Numbers{0, 3, 3, 6});
  square.copy_(tensor({1, 2, 3, 4}, {2, 2}).transpose(0, 1));
  CHECK(square.to_vector() == Numbers{1, 3, 2, 4});
  square.copy_(square.transpose(0, 1));
  CHECK(square.to_vector() == Numbers{1, 2, 3, 4});

  uint32_t before = x.version();
  x.detach().add_(x).mul_(2).set({0, 0}, 1);
  CHECK(x.version() == before + 3);
}

TEST_CASE("tensor: changes in place that cannot be") {
  Tensor x = zeros({2, 3}), none;
  expect_error([&] { x.copy_(ones({2})); }, {"[copy_]", "(2)", "(2, 3)"});
  expect_error([&] { x.add_(ones({4, 2, 3})); }, {"[add_]", "(4, 2, 3)", "(2, 3)"});
  expect_error([&] { x.copy_(none); }, {"[copy_]", "undefined"});
  expect_error([&] { x.add_(none); }, {"[add_]", "undefined"});
  expect_error([&] { none.fill_(1); }, {"[fill_]", "undefined"});
  Tensor repeated = ones({3}).expand({2, 3});
  expect_error([&] { repeated.add_(x); }, {"[add_]", "(2, 3)", "expand", "clone()"});
  expect_error([&] { repeated.mul_(2); }, {"[mul_]", "(2, 3)", "expand"});

  Tensor leaf = zeros({2, 3}).requires_grad_(), inner = leaf * 2;
  for (Tensor& t : {std::ref(leaf), std::ref(inner)}) {
    expect_error([&] { t.fill_(1); }, {"[fill_]", "(2, 3)", "graph", "NoGrad"});
    expect_error([&] { t.zero_(); }, {"graph", "NoGrad"});
    expect_error([&] { t.copy_(x); }, {"[copy_]", "graph"});
    expect_error([&] { t.add_(x); }, {"[add_]", "graph"});
    expect_error([&] { t.mul_(2); }, {"[mul_]", "graph"});
    expect_error([&] { t.set({0, 0}, 1); }, {"[set]", "graph"});
  }
  CHECK(leaf.to_vector() == Numbers(6, 0));
  // What comes from a graph would lose its gradient on the way in.
  expect_error([&] { x.copy_(inner); }, {"[copy_]", "(2, 3)", "gradient", "detach()"});
  expect_error([&] { x.add_(leaf); }, {"[add_]", "(2, 3)", "gradient", "detach()"});
  CHECK_NOTHROW(x.copy_(inner.detach()));
  NoGrad guard;
  CHECK_NOTHROW(x.add_(leaf));
  CHECK_NOTHROW(leaf.fill_(1));
}

TEST_CASE("tensor: factories") {
  CHECK(zeros({2}).to_vector() == Numbers{0, 0});
  CHECK(ones({1, 2}).to_vector() == Numbers{1, 1});
  CHECK(full({2}, -1.5).to_vector() == Numbers{-1.5, -1.5});
  CHECK(eye(2).to_vector() == Numbers{1, 0, 0, 1});
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK(arange(3).to_vector() == Numbers{0, 1, 2});
  CHECK(arange(2, 3, 0.25).to_vector() == Numbers{2, 2.25, 2.5, 2.75});
  CHECK(arange(1, -2, -1).to_vector() == Numbers{1, 0, -1});
  CHECK(arange(0).shape() == Shape{0});
  CHECK(arange(0, 0.7, 0.1).numel() == 7);  // as in torch: 0.7 / 0.1 is just below 7
  CHECK(tensor({1, 2, 3}).shape() == Shape{3});
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(tensor({1, 2, 3, 4}, {2, 2}).at({1, 0}) == 3);
  CHECK(scalar(0.5).shape() == Shape{});
  expect_error([] { tensor({1, 2, 3}, {2, 2}); }, {"[tensor]", "3 numbers", "(2, 2)", "4"});
  expect_error([] { arange(0, 5, -1); }, {"[arange]", "0 to 5", "-1"});
  expect_error([] { arange(0, 5, 0); }, {"[arange]", "0 to 5", "steps of 0"});
  expect_error([] { eye(-1); }, {"(-1, -1)", "negative"});
  for (double end : {1e300, 9.3e18, double(INF)})
    expect_error([&] { arange(end); }, {"[arange]", "too many"});
#ifndef HEED_NO_POOL  // sanitizers end the program at such a request
  expect_error([] { zeros({1LL << 50}); }, {"[memory]", "1125899906842624 numbers"});
#endif
}

TEST_CASE("tensor: random factories draw from the default generator, in order") {
  manual_seed(3);
  Tensor a = rand({2, 3}), b = randn({4}), c = uniform({2}, -2, 2), d = normal({3}, 1, 0.5);
  Generator same(3);
  Numbers x(6), y(4), z(2), w(3);
  same.uniform(x.data(), 6);
  same.normal(y.data(), 4);
  same.uniform(z.data(), 2, -2, 2);
  same.normal(w.data(), 3, 1, 0.5);
  CHECK(a.to_vector() == x);
  CHECK(b.to_vector() == y);
  CHECK(c.to_vector() == z);
  CHECK(d.to_vector() == w);
}

TEST_CASE("tensor: fresh numbers are NaN in test builds") {
  for (Scalar x : empty({3}).to_vector()) CHECK(x != x);
}

TEST_CASE("tensor: empty tensors go through") {
  Tensor none = zeros({0, 3});
  CHECK((none + 1).shape() == Shape{0, 3});
  CHECK((none * ones({1, 3})).shape() == Shape{0, 3});
  CHECK(exp(none.transpose(0, 1)).shape() == Shape{3, 0});
  CHECK(sum(none).item() == 0);
  CHECK(sum(none, {0}).to_vector() == Numbers{0, 0, 0});
  CHECK(sum(none, {1}).shape() == Shape{0});
  CHECK(max(none, {1}).shape() == Shape{0});
  CHECK(argmax(none, 1).empty());
  CHECK(softmax(none, 1).shape() == Shape{0, 3});
  CHECK(softmax(none, 0).shape() == Shape{0, 3});
  CHECK(log_softmax(zeros({3, 0}), 1).shape() == Shape{3, 0});
  CHECK(matmul(none, ones({3, 2})).shape() == Shape{0, 2});
  CHECK(matmul(ones({2, 0}), ones({0, 2})).to_vector() == Numbers(4, 0));  // sums of nothing
  CHECK(linear(none, ones({2, 3}), ones({2})).shape() == Shape{0, 2});
  CHECK(cat({none, ones({2, 3})}, 0).shape() == Shape{2, 3});
  CHECK(stack({none, none}, 0).shape() == Shape{2, 0, 3});
  CHECK(index_select(ones({4, 3}), std::vector<int>{}).shape() == Shape{0, 3});
  CHECK(none.view({3, 0}).shape() == Shape{3, 0});
  CHECK(zeros({2, 0, 3}).transpose(0, 2).view({0}).shape() == Shape{0});
  CHECK(none.expand({2, 0, 3}).shape() == Shape{2, 0, 3});
  CHECK(matmul(ones({2, 3, 0}), ones({0, 4})).to_vector() == Numbers(24, 0));

  Tensor y = ones({2, 0}).requires_grad_();  // its strides are 0, but nothing repeats
  CHECK(cat({y, y}, 1).shape() == Shape{2, 0});
  sum(y.narrow(1, 0, 0)).backward();
  CHECK(y.grad().shape() == Shape{2, 0});
  CHECK(zeros({2, 0}).fill_(1).numel() == 0);

  Tensor x = ones({0, 3}).requires_grad_(), w = ones({2, 3}).requires_grad_();
  sum(relu(linear(x, w)) * 2).backward();
  CHECK(x.grad().shape() == Shape{0, 3});
  CHECK(w.grad().to_vector() == Numbers(6, 0));
}

TEST_CASE("tensor: batch_norm of no images") {
  Tensor mean = zeros({3}), var = ones({3}), x = zeros({0, 3, 5});
  CHECK(batch_norm(x, mean, var, ones({3}), zeros({3}), false).shape() == x.shape());
}

TEST_CASE("tensor: cross_entropy of large logits") {
  const int label[] = {0};
  for (double x : {1e4, 1e8, -1e8}) {
    Tensor loss = cross_entropy(full({1, 2}, x), label);
    CHECK(std::fabs(loss.item() - Scalar(std::log(2))) < 1e-7);
    CHECK(cross_entropy(full({1, 2}, x), label, {.label_smoothing = 0.1}).item() == loss.item());
  }
  const Scalar rare = cross_entropy(tensor({16, 0}, {1, 2}), label).item();
  CHECK(std::fabs(rare / 1.1253517e-7 - 1) < 0.1);
}

TEST_CASE("tensor: masked_softmax does the same in each of many rows") {
  Tensor x = tensor({5, -INF}, {1, 2}).expand({35, 2});
  for (Scalar shown : {0, 1, -1}) {
    Tensor y = masked_softmax(x, tensor({0, shown}, {2}));
    for (int64_t i = 1; i < y.size(0); ++i)
      CHECK(heed_tests::same(y.select(0, i), y.select(0, 0)));
  }
}

TEST_CASE("tensor: infinities and NaN") {
  Tensor x = tensor({-INF, INF, NOT_A_NUMBER, 0});
  Numbers up = relu(x).to_vector(), held = clamp(x, -1, 1).to_vector();
  CHECK(up[0] == 0);
  CHECK(up[1] == INF);
  CHECK(std::isnan(up[2]));
  CHECK(held[0] == -1);
  CHECK(held[1] == 1);
  CHECK(std::isnan(held[2]));
  CHECK((x == 0).to_vector() == Numbers{0, 0, 0, 1});
  CHECK((x > 0).to_vector() == Numbers{0, 1, 0, 0});
  CHECK((x < 0).to_vector() == Numbers{1, 0, 0, 0});
  CHECK(argmax(x, 0) == std::vector<int>{2});
  CHECK(std::isnan(max(x).item()));
  CHECK(max(tensor({-INF, -INF})).item() == -INF);
  // What a mask hides does not come through, whatever it is.
  CHECK(masked_fill(x, tensor({1, 1, 1, 0}), 5).to_vector() == Numbers{5, 5, 5, 0});
  CHECK(where(tensor({0, 0, 0, 1}), x, scalar(5)).to_vector() == Numbers{5, 5, 5, 0});
}

// Expected: torch.pow(torch.tensor([-2., 0., inf, -inf, nan]), p)
TEST_CASE("tensor: pow at its edges") {
  auto same = [](double p, const Numbers& expected) {
    CAPTURE(p);
    Numbers y = pow(tensor({-2, 0, INF, -INF, NOT_A_NUMBER}), p).to_vector();
    for (size_t i = 0; i < y.size(); ++i) {
      CAPTURE(i);
      CHECK((y[i] == expected[i] || (std::isnan(y[i]) && std::isnan(expected[i]))));
    }
  };
  Scalar nan = NOT_A_NUMBER;
  same(0, {1, 1, 1, 1, 1});
  same(1, {-2, 0, INF, -INF, nan});
  same(2, {4, 0, INF, INF, nan});
  same(3, {-8, 0, INF, -INF, nan});
  same(5, {-32, 0, INF, -INF, nan});
  same(-1, {-0.5, INF, 0, 0, nan});
  same(-2, {0.25, INF, 0, 0, nan});
  same(0.5, {nan, 0, INF, nan, nan});
  same(1.5, {nan, 0, INF, INF, nan});
  same(-1.5, {nan, INF, 0, 0, nan});
  for (double p : {double(INF), -double(INF), double(nan)})
    expect_error([&] { pow(zeros({1}), p); }, {"[pow]", "exponent"});
}

TEST_CASE("tensor: gradients at edges are PyTorch's") {
  CHECK(gradient([](auto& x) { return pow(x, 0); }, {0, 2}) == Numbers{0, 0});
  CHECK(gradient([](auto& x) { return pow(x, 1); }, {0, 2}) == Numbers{1, 1});
  CHECK(gradient([](auto& x) { return pow(x, 2); }, {0, -3}) == Numbers{0, -6});
  CHECK(gradient([](auto& x) { return pow(x, 1.5); }, {0, 4}) == Numbers{0, 3});
  CHECK(gradient([](auto& x) { return sqrt(x); }, {0, 4}) == Numbers{INF, 0.25});
  CHECK(gradient([](auto& x) { return log(x); }, {0, 4}) == Numbers{INF, 0.25});
  // A choice lets nothing through to what was not chosen, not even 0 * infinity.
  CHECK(gradient([](auto& x) { return where(x > 0, sqrt(x), scalar(1)); }, {4, 16}) ==
        Numbers{0.25, 0.125});
  Numbers masked = gradient([](auto& x) { return masked_fill(x * INF, x < 9, 0); }, {1, 2});
  CHECK(std::isnan(masked[0]));  // 0 * infinity: in PyTorch, too
}
