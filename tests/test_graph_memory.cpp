// The tape's memory: what it keeps alive and for how long, graphs of a million operations, what
// an exception leaves behind, and threads.
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

#include <memory>
#include <thread>

using namespace heed;
using heed_tests::expect_error;

namespace {

using Numbers = std::vector<Scalar>;

Tensor leaf(Numbers numbers) {
  return tensor(numbers, {int64_t(numbers.size())}).requires_grad_();
}
Numbers grad(const Tensor& x) { return x.grad().to_vector(); }

// x again, as an operation of its own that calls f(g) in its backward step.
template <class F> Tensor probe(const Tensor& x, F f) {
  return record("probe", x.detach(), inputs(x), saved(), [f](const Tensor& g, GradOf dx) {
    f(g);
    dx += g;
  });
}

}  // namespace

TEST_CASE("graph memory: a sum keeps neither operand alive, nor does a view") {
  Tensor x = leaf({1, 2});
  Tensor a = x * 2, b = x * 3;
  Ref<Storage> first = a.storage(), second = b.storage();
  Tensor y = a + b;
  a = b = Tensor();
  CHECK(first.unique());
  CHECK(second.unique());
  Tensor view = (x * 5).transpose(0, 0).unsqueeze(0);
  Ref<Storage> third = view.storage();
  view = view + 1;
  CHECK(third.unique());
  sum(view + y).backward();
  CHECK(grad(x) == Numbers{10, 10});
}

TEST_CASE("graph memory: a product keeps what its backward reads, and no more") {
  Tensor x = leaf({1, 2}), k = tensor({3, 4});
  Tensor inner = x * 1;
  Ref<Storage> variable = inner.storage(), constant = k.storage();
  Tensor y = inner * k;
  inner = k = Tensor();
  CHECK(variable.unique());  // k's gradient is not wanted
  CHECK_FALSE(constant.unique());
  y = Tensor();
  CHECK(constant.unique());
}

TEST_CASE("graph memory: an operation that saves its own result is no cycle") {
  Tensor x = leaf({1, 2});
  Ref<Storage> result;
  std::shared_ptr<int> guard = std::make_shared<int>();
  {
    Tensor y = exp(probe(x, [guard](const Tensor&) {}));
    result = y.storage();
    CHECK_FALSE(result.unique());
    CHECK(guard.use_count() == 2);
  }
  CHECK(result.unique());
  CHECK(guard.use_count() == 1);  // the nodes before it are gone, too
}

TEST_CASE("graph memory: saved tensors, gradients and steps die as backward() passes by") {
  for (bool retain : {false, true}) {
    Tensor x = leaf({1, 2});
    auto guard = std::make_shared<int>();
    Ref<Storage> result, gradient;
    int calls = 0;
    Tensor low = probe(x * 1, [&](const Tensor&) {
      ++calls;
      CHECK(result.unique() == !retain);
      CHECK(gradient.unique());
      CHECK(guard.use_count() == (retain ? 2 : 1));
    });
    Tensor middle = exp(low);
    result = middle.storage();
    Tensor high = probe(middle, [&, guard](const Tensor& g) { gradient = g.storage(); });
    middle = Tensor();
    Tensor loss = sum(high * 2);
    high = Tensor();
    loss.backward(retain);
    CHECK(calls == 1);
  }
}

TEST_CASE("graph memory: a result that is held does not hold what its step has read") {
  Tensor x = leaf({1, 2}), k = tensor({3, 4});
  Ref<Storage> constant = k.storage();
  Tensor product = x * k, y = sum(product);
  k = Tensor();
  CHECK_FALSE(constant.unique());
  y.backward();
  CHECK(constant.unique());
  CHECK(grad(x) == Numbers{3, 4});
}

TEST_CASE("graph memory: a million operations, forward, backward and freed") {
  constexpr int N = 1000000;
  Tensor x = scalar(1).requires_grad_(), y = x;
  for (int i = 0; i < N; ++i) y = y + 1;
  CHECK(y.item() == N + 1);
  y.backward();
  CHECK(x.grad().item() == 1);
  y = x;  // the graph of released nodes is freed
  for (int i = 0; i < N; ++i) y = -y;
  Tensor kept = y * 2;
  y = Tensor();
  kept.backward(true);
  CHECK(x.grad().item() == 3);
  kept = Tensor();  // a whole graph is freed
  y = x;
  for (int i = 0; i < N / 10; ++i)
    y = stack({y, y}, 0).select(0, 1);  // nodes of any number of inputs
  y = Tensor();                         // and one that no backward() has seen
}

TEST_CASE("graph memory: an exception in a backward step leaves everything usable") {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  bool fails = true;
  Tensor inner = x * w;
  inner.retain_grad();
  Tensor stop = probe(inner, [&](const Tensor&) {
    if (fails) fail("[probe] as planned");
  });
  Tensor loss = sum(stop * 2 + inner * 3);
  for (int i = 0; i < 2; ++i) {
    expect_error([&] { loss.backward(true); }, {"as planned"});
    CHECK(grad_enabled);
    CHECK_FALSE(x.grad().defined());
    inner.zero_grad();
  }
  fails = false;
  loss.backward(true);  // half-done gradients were dropped
  CHECK(grad(x) == Numbers{15, 20});
  CHECK(grad(w) == Numbers{5, 10});
  CHECK(grad(inner) == Numbers{5, 5});
  fails = true;
  x.zero_grad();
  expect_error([&] { loss.backward(); }, {"as planned"});
  expect_error([&] { loss.backward(); }, {"already"});  // it had begun to free the graph
  sum(x * w).backward();
  CHECK(grad(x) == Numbers{3, 4});
}

// ---- threads
TEST_CASE("graph threads: two graphs on the same numbers") {
  manual_seed(1);
  Tensor w = randn({8, 8}), data = randn({16, 8});
  auto pass = [&] {  // leaves of its own, which share w's storage
    Tensor mine = w.detach();
    mine.requires_grad_();
    for (int i = 0; i < 50; ++i) {
      Tensor h = tanh(matmul(data, mine));
      mean(h * h + relu(matmul(h, mine))).backward();
    }
    return grad(mine);
  };
  Numbers expected = pass(), first, second;
  std::thread other([&] { first = pass(); });
  second = pass();
  other.join();
  CHECK(first == expected);
  CHECK(second == expected);
}

TEST_CASE("graph threads: a graph made in one thread, used in another, freed in a third") {
  Tensor x = leaf({1, 2}), loss;
  std::thread([&] { loss = sum(exp(x) * x); }).join();
  std::thread([&] { loss.backward(true); }).join();
  Tensor again = loss;
  std::thread([last = std::move(loss)]() mutable { last = Tensor(); }).join();
  again.backward();
  Numbers got = grad(x), e = exp(x).to_vector();
  for (size_t i = 0; i < 2; ++i)  // twice d(x e^x)/dx
    CHECK(got[i] == doctest::Approx(2 * (1 + x.at({int64_t(i)})) * e[i]).epsilon(1e-6));
}

TEST_CASE("graph threads: modes belong to a thread") {
  Tensor x = leaf({1, 2});
  NoGrad guard;
  DetectAnomaly on;
  bool recorded = false, quiet = false;
  std::thread([&] {
    recorded = (x * 2).requires_grad();
    quiet = (x / 0).defined();  // an infinity, and nobody minds
  }).join();
  CHECK(recorded);
  CHECK(quiet);
  CHECK_FALSE((x * 2).requires_grad());
}
