// The tape: who gets which gradient, modes, versions, anomalies, errors. Memory, long graphs
// and threads: test_graph_memory.cpp.
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::expect_error;

namespace {

using Numbers = std::vector<Scalar>;

Tensor leaf(Numbers numbers) {
  return tensor(numbers, {int64_t(numbers.size())}).requires_grad_();
}
Numbers grad(const Tensor& x) { return x.grad().to_vector(); }
bool shares(const Tensor& x, const Tensor& y) { return x.storage().get() == y.storage().get(); }

// x again, as an operation of its own that calls f() in its backward step.
template <class F> Tensor probe(const Tensor& x, F f) {
  return record("probe", x.detach(), inputs(x), saved(), [f](const Tensor& g, GradOf dx) {
    f();
    dx += g;
  });
}

}  // namespace

TEST_CASE("graph: what requires a gradient") {
  Tensor x = leaf({1, 2}), k = tensor({3, 4});
  CHECK(x.requires_grad());
  CHECK(x.is_leaf());
  CHECK_FALSE(k.requires_grad());
  CHECK(k.is_leaf());
  CHECK_FALSE((k * 2).requires_grad());
  CHECK((k * 2).is_leaf());
  CHECK((x * k).requires_grad());
  CHECK_FALSE((x * k).is_leaf());
  CHECK_FALSE(x.detach().requires_grad());
  CHECK(shares(x, x.detach()));
  x.requires_grad_(false);
  CHECK_FALSE((x * k).requires_grad());
  Tensor y = leaf({1}) * 2;
  expect_error([&] { y.requires_grad_(false); }, {"[requires_grad_]", "mul", "detach()"});
  expect_error([] { Tensor().requires_grad_(); }, {"[requires_grad_]", "undefined"});
}

TEST_CASE("graph: a leaf that is frozen after the forward pass gets no gradient") {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  Tensor loss = sum(w * x) + sum(w.select(0, 1));  // the second adds its part in place
  w.requires_grad_(false);
  loss.backward();
  CHECK_FALSE(w.grad().defined());
  CHECK(grad(x) == Numbers{3, 4});
}

TEST_CASE("graph: a leaf as the root") {
  Tensor x = scalar(3).requires_grad_();
  x.backward();
  CHECK(x.grad().item() == 1);
  x.backward();
  CHECK(x.grad().item() == 2);
  Tensor v = leaf({1, 2}), g = tensor({5, 6});
  v.backward(g);
  CHECK(grad(v) == Numbers{5, 6});
  CHECK_FALSE(shares(v.grad(), g));
}

TEST_CASE("graph: a tensor that is used several times gets the sum") {
  Tensor x = leaf({2, 3});
  sum(x * x + x).backward();
  CHECK(grad(x) == Numbers{5, 7});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  Tensor s = x * 2;  // shared by three
  sum(s * s + s - s * 3).backward();
  CHECK(grad(x) == Numbers{2 * (2 * 4 - 2), 2 * (2 * 6 - 2)});
  // 60 doublings: 2^60 paths, each node visited once
  x.zero_grad();
  Tensor y = x;
  for (int i = 0; i < 60; ++i) y = y + y;
  sum(y).backward();
  CHECK(grad(x) == Numbers{Scalar(0x1p60), Scalar(0x1p60)});
}

TEST_CASE("graph: gradients of several passes add up") {
  Tensor x = leaf({1, 2});
  sum(x * 3).backward();
  Tensor held = x.grad();
  sum(x * 4).backward();
  CHECK(grad(x) == Numbers{7, 7});
  CHECK(held.to_vector() == Numbers{3, 3});  // what was handed out stays as it was
  x.zero_grad();
  Tensor y = sum(x * x);
  y.backward(true);
  y.backward(true);
  y.backward();
  CHECK(grad(x) == Numbers{6, 12});
}

TEST_CASE("graph: only what is asked for is computed") {
  Tensor x = leaf({1, 2}), w = leaf({3, 4}), unused = leaf({5});
  int calls = 0;
  Tensor side = probe(x * 2, [&] { ++calls; });
  Tensor y = sum(x * w);
  y.backward();
  CHECK(calls == 0);
  CHECK(grad(x) == Numbers{3, 4});
  CHECK_FALSE(unused.grad().defined());
  sum(side + w.detach()).backward();
  CHECK(calls == 1);
  CHECK(grad(w) == Numbers{1, 2});
}

TEST_CASE("graph: shared gradients are copied before they are changed") {
  for (bool sum_first : {true, false}) {
    Tensor x = leaf({0, 0}), z = leaf({0, 0});
    Tensor a = x * 1, b = z * 1, s = a + b;  // s hands one gradient to both
    Tensor t = a * 3;
    (sum_first ? sum(s) + sum(t) : sum(t) + sum(s)).backward();
    CHECK(grad(x) == Numbers{4, 4});
    CHECK(grad(z) == Numbers{1, 1});
  }
  Tensor x = leaf({0, 0}), z = leaf({0, 0}), g = tensor({1, 2});
  Tensor y = x + z;
  y.retain_grad();
  y.backward(g);
  CHECK_FALSE(shares(x.grad(), g));
  CHECK_FALSE(shares(z.grad(), g));
  CHECK_FALSE(shares(y.grad(), g));
  CHECK_FALSE(shares(x.grad(), z.grad()));
  CHECK_FALSE(shares(x.grad(), y.grad()));
  x.grad().fill_(9);
  CHECK(grad(z) == Numbers{1, 2});
  CHECK(g.to_vector() == Numbers{1, 2});
}

TEST_CASE("graph: retain_grad") {
  Tensor x = leaf({2}), y = x * 3, z = y * y;
  y.retain_grad();
  Tensor last = sum(z);
  last.backward(true);
  CHECK(grad(y) == Numbers{12});
  CHECK(grad(x) == Numbers{36});
  CHECK_FALSE(z.grad().defined());
  last.backward();  // adds to both, and what y keeps is not sent down again
  CHECK(grad(y) == Numbers{24});
  CHECK(grad(x) == Numbers{72});
  expect_error([&] { last.backward(); }, {"already"});
  expect_error([&] { sum(y * y).backward(); }, {"already"});
  CHECK(grad(y) == Numbers{24});  // a pass that fails takes nothing away
  y.zero_grad();
  CHECK_FALSE(y.grad().defined());
  Tensor k = tensor({1});
  expect_error([&] { k.retain_grad(); }, {"[retain_grad]", "no graph"});
  // Two that keep one gradient do not share it.
  Tensor a = x * 1, b = a + 0;
  a.retain_grad();
  b.retain_grad();
  sum(b).backward();
  CHECK(grad(a) == grad(b));
  CHECK_FALSE(shares(a.grad(), b.grad()));
}

TEST_CASE("graph: NoGrad and detach") {
  Tensor x = leaf({2, 3});
  {
    NoGrad guard;
    CHECK_FALSE((x * x).requires_grad());
    { NoGrad inner; }
    CHECK_FALSE((x * x).requires_grad());
    CHECK(tensor({1}).requires_grad_().requires_grad());  // a leaf may be made all the same
  }
  CHECK((x * x).requires_grad());
  sum(x * x.detach()).backward();
  CHECK(grad(x) == Numbers{2, 3});
  // Backward steps record nothing, whatever operations they are made of.
  Tensor y = sum(exp(x) / x);
  y.backward();
  CHECK_FALSE(x.grad().requires_grad());
  CHECK((x * x).requires_grad());
}

TEST_CASE("graph: the errors of backward()") {
  Tensor x = leaf({1, 2});
  Tensor y = x * 2;
  expect_error([&] { y.backward(); }, {"[backward]", "(2)", "scalar", "mean(y).backward()"});
  expect_error([&] { y.backward(tensor({1, 2, 3})); }, {"[backward]", "gradient (3)", "(2)"});
  expect_error([&] { y.backward(Tensor()); }, {"[backward]", "gradient"});
  expect_error([] { scalar(1).backward(); }, {"[backward]", "requires", "requires_grad_()"});
  expect_error([] { Tensor().backward(); }, {"[backward]", "undefined"});
  CHECK_FALSE(x.grad().defined());
  Tensor loss = sum(y);
  loss.backward();
  expect_error([&] { loss.backward(); }, {"[backward]", "already", "retain_graph"});
  expect_error([&] { sum(y * 3).backward(); }, {"[backward]", "already", "retain_graph"});
  CHECK(grad(x) == Numbers{2, 2});  // the failed passes left no trace
  sum(x * 2).backward();
  CHECK(grad(x) == Numbers{4, 4});
}

TEST_CASE("graph: a shape that broadcasting enlarged is summed back") {
  Tensor x = leaf({1, 2}), column = ones({3, 1}).requires_grad_(),
         number = scalar(2).requires_grad_();
  Tensor g = tensor({1, 2, 3, 4, 5, 6}, {3, 2});
  (x * column + number).backward(g);
  CHECK(grad(x) == Numbers{9, 12});
  CHECK(column.grad().shape() == Shape{3, 1});
  CHECK(grad(column) == Numbers{5, 11, 17});
  CHECK(number.grad().shape() == Shape{});
  CHECK(number.grad().item() == 21);
}

TEST_CASE("graph: gradients through views of any strides") {
  Tensor x = arange(6).view({2, 3}).requires_grad_(), g = tensor({1, 2, 3, 4, 5, 6}, {3, 2});
  x.transpose(0, 1).backward(g);
  CHECK(grad(x) == Numbers{1, 3, 5, 2, 4, 6});
  CHECK(x.grad().is_contiguous());
  x.zero_grad();
  x.backward(g.transpose(0, 1));  // a gradient that is no dense array itself
  CHECK(grad(x) == Numbers{1, 3, 5, 2, 4, 6});
  x.zero_grad();
  x.select(0, 1).backward(g.select(1, 0));
  CHECK(grad(x) == Numbers{0, 0, 0, 1, 3, 5});
}

// ---- versions: a tensor that backward needs must be what it was
TEST_CASE("graph: a saved tensor that was changed in place is found") {
  Tensor x = leaf({1, 2}), k = tensor({3, 4});
  Tensor y = sum(x * k);
  k.fill_(0);
  expect_error([&] { y.backward(); }, {"[backward] mul", "(2)", "in place", "clone()"});
  Tensor e = exp(x), loss = sum(e);
  {
    NoGrad guard;
    e.mul_(2);  // exp saved its result
  }
  expect_error([&] { loss.backward(); }, {"[backward] exp", "in place"});
  Tensor base = tensor({1, 2, 3, 4}, {2, 2}), through_view = sum(x * base.select(0, 0));
  base.set({1, 1}, 0);  // one storage has one version, in PyTorch as well
  expect_error([&] { through_view.backward(); }, {"[backward] mul", "in place"});
  Tensor w = ones({2, 2}).requires_grad_(), product = sum(matmul(x, w));
  {
    NoGrad guard;
    w.add_(w, -0.1);  // an optimizer's step before backward()
  }
  expect_error([&] { product.backward(); }, {"[backward] matmul", "(2, 2)", "in place"});
  CHECK_FALSE(w.grad().defined());
  Tensor input = ones({2, 3}), scale = ones({3}).requires_grad_(),
         normal = sum(layer_norm(input, scale, zeros({3}), 1e-5));
  input.fill_(0);  // layer_norm saved what it read
  expect_error([&] { normal.backward(); }, {"[backward] layer_norm", "in place"});
}

TEST_CASE("graph: a change of what backward does not need is no error") {
  Tensor x = leaf({1, 2}), k = tensor({3, 4});
  Tensor y = sum((x + k) * 2 - k);
  k.fill_(0);
  y.backward();
  CHECK(grad(x) == Numbers{2, 2});
  x.zero_grad();
  Tensor z = sum(x * k.clone());  // needs the copy of k; x only if k required a gradient
  k.fill_(7);
  {
    NoGrad guard;
    x.fill_(9);
  }
  z.backward();
  CHECK(grad(x) == Numbers{0, 0});
}

TEST_CASE("graph: a step may run a backward() of its own, but not through the same graph") {
  Tensor w = leaf({1, 1}), x = (w * 2) * 3, inner = sum(x * x);
  auto step_through = [&](const Tensor& loss) {
    return record("user_op", x.detach() * 2, inputs(x), saved(),
                  [loss](const Tensor&, GradOf) { loss.backward(true); });
  };
  Tensor y = sum(step_through(inner)) + sum(w * 100);
  expect_error([&] { y.backward(true); }, {"[backward]", "same graph", "detach()"});
  w.zero_grad();
  Tensor apart = leaf({1, 2});
  Tensor fine = sum(w * 100) + sum(step_through(sum(apart * apart)));
  fine.backward(true);
  CHECK(grad(w) == Numbers{100, 100});
  CHECK(grad(apart) == Numbers{2, 4});
  sum(x).backward();  // all is as it was
  CHECK(grad(w) == Numbers{106, 106});
}

// ---- detect_anomaly
TEST_CASE("graph: detect_anomaly names the operation that made a NaN or infinity") {
  Tensor x = tensor({1, -1, 4}, {3, 1}).requires_grad_();
  {
    DetectAnomaly on;
    expect_error([&] { log(x) * 2; }, {"[detect_anomaly] log", "nan", "forward", "(3, 1)"});
    expect_error([&] { exp(x * 1e5); }, {"[detect_anomaly] exp", "inf", "forward", "(3, 1)"});
    expect_error([] { ones({2}) / 0; }, {"[detect_anomaly] div", "inf", "(2)"});  // no graph
    expect_error([] { cat({ones({1}), ones({1}) * 3e38 * 3e38 * 1e300}, 0); }, {"mul", "inf"});
  }
  CHECK_NOTHROW(log(x));
  Tensor zero = zeros({2}).requires_grad_();
  Tensor loss = sum(sqrt(zero * 1) * 3);
  {
    DetectAnomaly on;
    expect_error([&] { loss.backward(); }, {"[detect_anomaly] sqrt", "inf", "backward", "(2)"});
  }
  zero.zero_grad();
  sum(sqrt(zero)).backward();  // without it, the infinity goes through
  CHECK(zero.grad().at({0}) > 1e30);
  // It stands where it arises, not where it is passed on, and in any input of the operation.
  zero.zero_grad();
  Tensor one = ones({2}).requires_grad_();
  loss = sum(relu(one / (zero * 1)));
  DetectAnomaly on;
  expect_error([&] { loss.backward(); }, {"[detect_anomaly] div", "backward", "(2)"});
  // Also where a step adds to a gradient that is there.
  const double large = 10 * std::sqrt(double(std::numeric_limits<Scalar>::max()));
  Tensor a = full({1, 1}, large), b = full({1, 1}, 1 / large).requires_grad_();
  loss = sum(matmul(a, b) * large);
  expect_error([&] { loss.backward(); }, {"[detect_anomaly] matmul", "inf", "backward"});
}

TEST_CASE("graph: detect_anomaly does not blame a step for what an earlier backward() left") {
  Tensor x = zeros({2}).requires_grad_();
  sum(sqrt(x)).backward();
  Tensor loss = sum(x * 2);
  DetectAnomaly on;
  CHECK_NOTHROW(loss.backward());
}

// ---- operations of one's own
TEST_CASE("graph: record() makes an operation of one's own") {
  auto cube = [](const Tensor& x) {
    return record("cube", pow(x.detach(), 3), inputs(x), saved(x),
                  [](const Tensor& g, GradOf dx, const Tensor& x) { dx += g * x * x * 3; });
  };
  Tensor x = leaf({1, -2});
  Tensor y = cube(x * 2);
  CHECK(y.to_vector() == Numbers{8, -64});
  CHECK(to_string(y).find("grad_fn=<cube>") != std::string::npos);
  sum(y).backward();
  CHECK(grad(x) == Numbers{24, 96});
  NoGrad guard;
  CHECK_FALSE(cube(x).requires_grad());
}
