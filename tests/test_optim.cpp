// Optimizers, clipping and schedules: PyTorch's numbers after 1, 2 and 10 steps, saved state,
// and what is refused.
#include <functional>
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/random.h"
#include "layers/activation.h"
#include "layers/batch_norm.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "optim/sgd.h"
#include "tests/golden.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using namespace heed_tests;
using Parameters = Optimizer::Parameters;

namespace {

const Golden& golden() {
  static const Golden file("optim");
  return file;
}

// Makes g the gradient of p.
void set_gradient(const Tensor& p, const Tensor& g) {
  p.zero_grad();
  sum(p * g).backward();
}

// The two parameters of the golden cases, with their ten gradients.
struct Start {
  Tensor p[2], g[2];
  Start() {
    for (int i : {0, 1}) {
      p[i] = golden()["start/p" + std::to_string(i)].requires_grad_();
      g[i] = golden()["start/g" + std::to_string(i)];
    }
  }
  Parameters named() const { return {{"first", p[0]}, {"second", p[1]}}; }
  void gradients(int step) {
    for (int i : {0, 1}) set_gradient(p[i], g[i].select(0, step));
  }
};

// Ten steps of the case, compared after the 1st, 2nd and 10th.
template <class O, class Options> void check_golden(const std::string& name, Options options) {
  CAPTURE(name);
  Start start;
  O optimizer(start.named(), options);
  std::vector<double> rates;
  if (golden().has(name + "/lrs")) rates = golden().doubles(name + "/lrs");
  for (int step = 0, kept = 0; step < 10; ++step) {
    start.gradients(step);
    if (!rates.empty()) optimizer.lr = rates[size_t(step)];
    optimizer.step();
    if (step != 0 && step != 1 && step != 9) continue;
    CAPTURE(step);
    for (int i : {0, 1}) {
      Tensor expected = golden()[name + "/p" + std::to_string(i)].select(0, kept);
      CHECK(difference(start.p[i], expected) < GOLDEN_TOLERANCE);
    }
    ++kept;
  }
}

// A small network, its data, and one step of its training.
struct Trainee {
  Sequential net{Linear(3, 5), BatchNorm(5), Tanh(), Linear(5, 2)};
  Tensor x = rand({6, 3});
  void step(Optimizer& optimizer) {
    optimizer.zero_grad();
    Tensor y = net(x);
    mean(y * y).backward();
    optimizer.step();
  }
};

bool same_numbers(const Module& a, const Module& b) {
  StateDict p = a.state_dict(), q = b.state_dict();
  if (p.counters != q.counters || p.tensors.size() != q.tensors.size()) return false;
  for (size_t i = 0; i < p.tensors.size(); ++i)
    if (!same(p.tensors[i].second, q.tensors[i].second)) return false;
  return true;
}

}  // namespace

// ---- PyTorch's numbers
TEST_CASE("optim: SGD takes PyTorch's steps") {
  using Options = SGDOptions;
  check_golden<SGD>("SGD", Options{.lr = 0.1});
  check_golden<SGD>("SGD.momentum", Options{.lr = 0.1, .momentum = 0.9});
  check_golden<SGD>("SGD.nesterov", Options{.lr = 0.1, .momentum = 0.9, .nesterov = true});
  check_golden<SGD>("SGD.decay", Options{.lr = 0.1, .weight_decay = 0.05});
  check_golden<SGD>("SGD.all", Options{.lr = 0.1, .momentum = 0.9, .nesterov = true,
                                       .weight_decay = 0.05});
  check_golden<SGD>("SGD.scheduled", Options{.lr = 7, .momentum = 0.9});
}

TEST_CASE("optim: Adam takes PyTorch's steps") {
  using Options = AdamOptions;
  check_golden<Adam>("Adam", Options{.lr = 0.01});
  check_golden<Adam>("Adam.decay", Options{.lr = 0.01, .weight_decay = 0.05});
  check_golden<Adam>("Adam.options",
                     Options{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.99, .eps = 1e-3});
  check_golden<Adam>("Adam.scheduled", Options{.lr = 7});
}

TEST_CASE("optim: AdamW takes PyTorch's steps") {
  using Options = AdamWOptions;
  check_golden<AdamW>("AdamW", Options{.lr = 0.01});
  check_golden<AdamW>("AdamW.decay", Options{.lr = 0.01, .weight_decay = 0.5});
  check_golden<AdamW>("AdamW.options", Options{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.99,
                                               .eps = 1e-3, .weight_decay = 0});
}

TEST_CASE("optim: defaults are PyTorch's") {
  Start start;
  CHECK(SGD(start.named()).lr == 0.001);
  CHECK(Adam(start.named()).lr == 0.001);
  CHECK(AdamW(start.named()).lr == 0.001);
  CHECK(AdamOptions().weight_decay == 0);
  CHECK(AdamWOptions().weight_decay == 0.01);
}

// With a gradient of 1, the two means are 1 - beta^t, and the corrections undo just that.
TEST_CASE("optim: Adam's corrections are right after 5,000 steps") {
  Tensor p = zeros({1}).requires_grad_();
  Adam adam({{"p", p}}, {.lr = 1.0 / 1024});
  Tensor g = ones({1});
  for (int step = 1; step <= 5000; ++step) {
    set_gradient(p, g);
    double before = double(p.item());
    adam.step();
    double moved = before - double(p.item()), expected = 1 / 1024. / (1 + 1e-8);
    double tolerance = sizeof(Scalar) == 8 ? 1e-11 : 3e-4;
    if (std::abs(moved / expected - 1) > tolerance)
      CHECK_MESSAGE(moved == expected, "step ", step);
  }
  CHECK(double(p.item()) ==
        doctest::Approx(-5000 / 1024.).epsilon(sizeof(Scalar) == 8 ? 1e-7 : 1e-4));
}

TEST_CASE("optim: betas of 0 are the gradient's sign") {
  Tensor p = zeros({2}).requires_grad_();
  Adam adam({{"p", p}}, {.lr = 0.5, .beta1 = 0, .beta2 = 0, .eps = 0});
  for (int step = 1; step <= 3; ++step) {
    set_gradient(p, tensor({3, -0.25}));
    adam.step();
    CHECK(same(p, tensor({Scalar(-0.5 * step), Scalar(0.5 * step)})));
  }
}

TEST_CASE("optim: with a beta1 of 0 the mean is the gradient, whatever it was before") {
  Tensor p = zeros({1}).requires_grad_();
  Adam adam({{"p", p}}, {.lr = 1, .beta1 = 0, .beta2 = 0});
  for (double g : {1e9, 1.}) {
    p.zero_grad();
    p.backward(full({1}, g));
    adam.step();
  }
  CHECK(p.item() == doctest::Approx(-2));
}

// Numbers below the least normal one take a CPU many times as long. A weight that only its decay
// moves would end among them, with its means, and stay there.
TEST_CASE("optim: Adam's numbers do not stay below the least normal one") {
  Tensor p = tensor({0.5, -0.03}).requires_grad_(), g = zeros({2});
  Adam adam({{"p", p}}, {.beta2 = 0.99, .weight_decay = 1e-4});
  int slow = 0;
  for (int step = 1; step <= 40000; ++step) {
    set_gradient(p, g);
    adam.step();
    StateDict numbers = adam.state_dict();
    numbers.tensors.push_back({"p", p});
    for (const auto& [name, t] : numbers.tensors)
      for (int64_t i = 0; i < t.numel(); ++i)
        slow += std::fpclassify(t.data()[i]) == FP_SUBNORMAL;
  }
  CHECK(slow < 200);  // of 280,000
  CHECK(same(p, zeros({2})));
}

// Where eps does not outweigh it, a small gradient counts as a large one does.
TEST_CASE("optim: Adam without eps takes steps of lr for gradients of any size") {
  Tensor p = zeros({2}).requires_grad_();
  Adam adam({{"p", p}}, {.lr = 0.5, .eps = 1e-30});
  for (int step = 1; step <= 70; ++step) {
    set_gradient(p, tensor({2e-19, -2e-19}));
    adam.step();
    CHECK(double(p.at({0})) == doctest::Approx(-0.5 * step).epsilon(1e-4));
    CHECK(double(p.at({1})) == doctest::Approx(0.5 * step).epsilon(1e-4));
  }
}

// ---- clipping
TEST_CASE("optim: gradients are clipped as in PyTorch") {
  for (const char* name : {"clip_norm", "clip_norm.small", "clip_value"}) {
    CAPTURE(name);
    std::vector<Tensor> p = {zeros({3, 4}).requires_grad_(), zeros({5}).requires_grad_(),
                             zeros({2}).requires_grad_()};  // the third has no gradient
    for (int i : {0, 1})
      set_gradient(p[size_t(i)], golden()[std::string(name) + "/in" + std::to_string(i)]);
    Tensor seen = p[0].grad();
    if (std::string(name) == "clip_value") {
      clip_grad_value_(p, 0.5);
    } else {
      double norm = clip_grad_norm_(p, std::string(name) == "clip_norm" ? 1 : 1000);
      double expected = golden().doubles(std::string(name) + "/norm")[0];
      CHECK(std::abs(norm - expected) < GOLDEN_TOLERANCE * expected);
    }
    for (int i : {0, 1})
      CHECK(difference(p[size_t(i)].grad(),
                       golden()[std::string(name) + "/out" + std::to_string(i)]) <
            GOLDEN_TOLERANCE);
    CHECK(same(seen, p[0].grad()));  // in place
    CHECK(!p[2].grad().defined());
  }
}

TEST_CASE("optim: clipping has the bits of plain operations, at any number of threads") {
  manual_seed(0);
  Tensor g[] = {randn({300, 700}), randn({5}), randn({200, 700})};
  double squares = 0;
  for (const Tensor& x : g) {
    Scalar part[16] = {};
    const std::vector<Scalar> numbers = x.to_vector();
    for (size_t i = 0; i < numbers.size(); ++i) part[i % 16] += numbers[i] * numbers[i];
    for (int half = 8; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) part[i] += part[i + half];
    squares += double(part[0]);
  }
  int before = get_num_threads();
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<Tensor> p;
    for (const Tensor& x : g) {
      p.push_back(zeros(x.shape()).requires_grad_());
      set_gradient(p.back(), x);
    }
    CHECK(clip_grad_norm_(p, 1) == std::sqrt(squares));
    for (size_t i = 0; i < p.size(); ++i)
      CHECK(same(p[i].grad(), g[i] * (1 / (std::sqrt(squares) + 1e-6))));
  }
  set_num_threads(before);
}

TEST_CASE("optim: clipping nothing, zeros, and by nonsense") {
  CHECK(clip_grad_norm_({}, 1) == 0);
  Tensor p = zeros({3}).requires_grad_();
  set_gradient(p, zeros({3}));
  CHECK(clip_grad_norm_({p}, 1) == 0);
  CHECK(same(p.grad(), zeros({3})));
  for (double bad : {0., -1., std::nan("")}) {
    expect_error([&] { clip_grad_norm_({p}, bad); }, {"[clip_grad_norm_]"});
    expect_error([&] { clip_grad_value_({p}, bad); }, {"[clip_grad_value_]"});
  }
}

TEST_CASE("optim: clipping a gradient that holds NaN or infinity spares no other") {
  for (double bad : {NAN, INFINITY, -INFINITY}) {
    CAPTURE(bad);
    Tensor p = zeros({2}).requires_grad_(), q = zeros({3}).requires_grad_();
    set_gradient(p, tensor({Scalar(bad), 1}));
    set_gradient(q, full({3}, 100));
    CHECK(!std::isfinite(clip_grad_norm_({p, q}, 1)));
    CHECK(std::isnan(p.grad().at({0})));  // inf / inf is NaN, too
    for (int i : {0, 1, 2}) {
      double clipped = double(q.grad().at({i}));
      CHECK((std::isnan(bad) ? std::isnan(clipped) : clipped == 0));  // as in PyTorch
    }
  }
}

// ---- schedules
TEST_CASE("optim: schedules give PyTorch's learning rates") {
  struct {
    const char* name;
    double base;
    std::function<double(int)> factor;
  } cases[] = {
      {"constant", 0.05, [](int i) { return constant(i); }},
      {"warmup", 0.05, [](int i) { return warm_up(i, 8); }},
      {"linear", 0.05, [](int i) { return linear_decay(i, 30); }},
      {"cosine", 0.05, [](int i) { return cosine(i, 40); }},
      {"cosine_floor", 0.05, [](int i) { return cosine(i, 40, 0.002 / 0.05); }},
      {"warmup_cosine", 0.06, [](int i) { return warm_up(i, 50) * cosine(i, 400); }},
      {"inverse_sqrt", 0.05, [](int i) { return inverse_sqrt(i, 8); }},
      {"noam", 1 / std::sqrt(64 * 8.), [](int i) { return inverse_sqrt(i, 8); }},
  };
  CHECK(golden().names("schedule.").size() == std::size(cases));
  for (auto& schedule : cases) {
    const std::string name = schedule.name;
    CAPTURE(name);
    std::vector<double> expected = golden().doubles("schedule." + name + "/lr");
    for (size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(schedule.base * schedule.factor(int(i)) - expected[i]) <
            1e-12 * schedule.base);
    }
  }
}

TEST_CASE("optim: schedules stay where they end, and take a length of 0") {
  CHECK(warm_up(7, 8) == 1);
  CHECK(warm_up(500, 8) == 1);
  CHECK(warm_up(0, 0) == 1);
  CHECK(cosine(41, 40, 0.1) == doctest::Approx(0.1));
  CHECK(cosine(4000, 40) == doctest::Approx(0));
  CHECK(cosine(0, 0, 0.5) == doctest::Approx(0.5));
  CHECK(linear_decay(30, 30) == 0);
  CHECK(linear_decay(99, 30, 0.25) == 0.25);
  CHECK(linear_decay(15, 30, 0.5) == 0.75);
  CHECK(linear_decay(0, 0, 0.5) == 0.5);
  CHECK(inverse_sqrt(0, 0) == 1);
  CHECK(inverse_sqrt(3, 0) == 0.5);
}

TEST_CASE("optim: a learning rate that is set counts from the next step on") {
  Tensor p = zeros({1}).requires_grad_();
  SGD sgd({{"p", p}}, {.lr = 1});
  for (int step = 0; step < 3; ++step) {
    sgd.lr = 8 * warm_up(step, 2);
    set_gradient(p, ones({1}));
    sgd.step();
  }
  CHECK(p.item() == -(4 + 8 + 8));
  sgd.lr = std::nan("");
  expect_error([&] { sgd.step(); }, {"learning rate"});
  sgd.lr = 0;
  sgd.step();
  CHECK(p.item() == -20);
}

// ---- saved state
template <class O, class Options> void check_resumes(Options options) {
  TemporaryDirectory directory;
  manual_seed(4);
  Trainee whole;
  O one(whole.net.named_parameters(), options);
  for (int i = 0; i < 5; ++i) whole.step(one);
  StateDict model = whole.net.state_dict(), state = one.state_dict();
  StateDict both;
  both.add("model", model);
  both.add("optimizer", state);
  save(directory / "both.safetensors", both);
  for (int i = 0; i < 7; ++i) whole.step(one);

  StateDict read = load(directory / "both.safetensors");
  struct {
    StateDict model, optimizer;
  } sources[] = {{model, state}, {read.part("model"), read.part("optimizer")}};
  for (auto& source : sources) {
    Trainee resumed;
    resumed.x = whole.x;
    O two(resumed.net.named_parameters(), options);
    for (int i = 0; i < 9; ++i) resumed.step(two);  // a past of its own, longer and another
    resumed.net.load_state_dict(source.model);
    two.load_state_dict(source.optimizer);
    for (int i = 0; i < 7; ++i) resumed.step(two);
    CHECK(same_numbers(resumed.net, whole.net));
    CHECK(two.state_dict().counters == one.state_dict().counters);
  }
}

TEST_CASE("optim: training goes on from a saved state as if it had not stopped, bit for bit") {
  check_resumes<SGD>(SGDOptions{.lr = 0.1});
  check_resumes<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true});
  check_resumes<Adam>(AdamOptions{.lr = 0.01, .weight_decay = 0.1});
  check_resumes<AdamW>(AdamWOptions{.lr = 0.01});
}

TEST_CASE("optim: the state has a name for every number, and is a snapshot") {
  Start start;
  Adam adam(start.named(), {.lr = 0.01});
  start.gradients(0);
  adam.step();
  StateDict state = adam.state_dict();
  std::vector<std::string> names;
  for (auto& [name, tensor] : state.tensors) names.push_back(name);
  CHECK(names == std::vector<std::string>{"exp_avg.first", "exp_avg.second", "exp_avg_sq.first",
                                          "exp_avg_sq.second"});
  CHECK(state.counters == decltype(state.counters){{"step.first", 1}, {"step.second", 1}});
  CHECK(difference(state.tensors[0].second, start.g[0].select(0, 0) * 0.1) < 1e-6);
  Tensor before = state.tensors[0].second.clone();
  start.gradients(1);
  adam.step();
  CHECK(same(state.tensors[0].second, before));
  CHECK(SGD(start.named(), {.lr = 1}).state_dict().tensors.empty());
  CHECK(SGD(start.named(), {.lr = 1, .momentum = 0.5}).state_dict().tensors[1].first ==
        "momentum_buffer.second");
}

TEST_CASE("optim: a state that does not fit is refused as a whole") {
  Start start;
  Adam adam(start.named(), {.lr = 0.01});
  start.gradients(0);
  adam.step();
  const StateDict good = adam.state_dict();
  auto refused = [&](const char* part, const std::function<void(StateDict&)>& spoil) {
    CAPTURE(part);
    StateDict bad = good;
    for (auto& [name, tensor] : bad.tensors) tensor = tensor + 1;
    for (auto& [name, count] : bad.counters) count += 10;
    spoil(bad);
    expect_error([&] { adam.load_state_dict(bad); }, {"[Adam]", part});
    StateDict now = adam.state_dict();
    CHECK(now.counters == good.counters);
    for (size_t i = 0; i < good.tensors.size(); ++i)
      CHECK(same(now.tensors[i].second, good.tensors[i].second));
  };
  refused("exp_avg_sq.second", [](StateDict& s) { s.tensors.pop_back(); });
  refused("step.first", [](StateDict& s) { s.counters.erase(s.counters.begin()); });
  refused("step.second -1", [](StateDict& s) { s.counters[1].second = -1; });
  refused("exp_avg.third", [](StateDict& s) { s.tensors[1].first = "exp_avg.third"; });
  refused("step.third", [](StateDict& s) { s.counters.emplace_back("step.third", 1); });
  refused("more than once: step.first",
          [](StateDict& s) { s.counters.emplace_back("step.first", 7); });
  refused("exp_avg.first", [](StateDict& s) { s.tensors[0].second = Tensor(); });
  refused("exp_avg_sq.first (4) for (3, 4)",
          [](StateDict& s) { s.tensors[2].second = ones({4}); });
  refused("exp_avg.first", [](StateDict& s) { s = Linear(2, 2).state_dict(); });
  refused("exp_avg.first", [&](StateDict& s) {
    s = SGD(start.named(), {.lr = 1, .momentum = 0.5}).state_dict();
  });
}

TEST_CASE("optim: a state may take part in a graph") {
  Start start;
  Adam adam(start.named(), {.lr = 0.01});
  StateDict state = adam.state_dict();
  for (auto& [name, tensor] : state.tensors) tensor = (tensor + 1).requires_grad_();
  adam.load_state_dict(state);
  StateDict now = adam.state_dict();
  for (size_t i = 0; i < state.tensors.size(); ++i)
    CHECK(same(now.tensors[i].second, state.tensors[i].second.detach()));
}

// ---- which parameters
TEST_CASE("optim: frozen parameters stay as they are, and begin at their own step 1") {
  for (bool decay : {false, true}) {
    Start start, fresh;
    AdamW adam(start.named(), {.lr = 0.1, .weight_decay = decay ? 0.5 : 0});
    start.p[0].requires_grad_(false);
    Tensor before = start.p[0].detach().clone();
    for (int step = 0; step < 3; ++step) {
      set_gradient(start.p[1], start.g[1].select(0, step));
      adam.step();
    }
    CHECK(same(start.p[0], before));
    CHECK(!same(start.p[1], fresh.p[1]));

    start.p[0].requires_grad_();
    start.gradients(3);
    adam.step();
    AdamW other({{"first", fresh.p[0]}}, {.lr = 0.1, .weight_decay = decay ? 0.5 : 0});
    set_gradient(fresh.p[0], start.g[0].select(0, 3));
    other.step();
    CHECK(same(start.p[0], fresh.p[0]));
  }
}

TEST_CASE("optim: a copy of a model with frozen layers is trained where it is not frozen") {
  Sequential net(Linear(3, 4), Linear(4, 2));
  for (auto& [name, p] : net.named_parameters()) {
    Tensor handle = p;
    if (name.starts_with("0")) handle.requires_grad_(false);
  }
  Sequential copy = net;
  SGD sgd(copy.named_parameters(), {.lr = 0.1});
  sum(copy(ones({2, 3}))).backward();
  sgd.step();
  CHECK(same(copy.parameters()[0], net.parameters()[0]));
  CHECK(!same(copy.parameters()[3], net.parameters()[3]));
}

TEST_CASE("optim: a parameter without a gradient is named, and nothing has moved") {
  Start start, before;
  Adam adam(start.named(), {.lr = 0.1});
  set_gradient(start.p[0], start.g[0].select(0, 0));
  expect_error([&] { adam.step(); },
               {"[Adam]", "second", "no gradient", "backward()", "requires_grad_(false)"});
  CHECK(same(start.p[0], before.p[0]));
  CHECK(adam.state_dict().counters[0].second == 0);
  adam.zero_grad();
  expect_error([&] { adam.step(); }, {"first"});
}

TEST_CASE("optim: parameters that no model owns any more are noticed and named") {
  Linear layer(2, 2);
  SGD sgd(layer.named_parameters(), {.lr = 0.1});
  sum(layer(ones({1, 2}))).backward();
  layer = Linear(2, 2);
  expect_error([&] { sgd.step(); }, {"[SGD]", "weight", "no model", "assigned"});

  Linear moved(2, 2);  // but a model may move
  SGD other(moved.named_parameters(), {.lr = 0.1});
  Linear home = std::move(moved);
  sum(home(ones({1, 2}))).backward();
  Tensor before = home.weight.detach().clone();
  other.step();
  CHECK(!same(home.weight, before));
}

TEST_CASE("optim: what cannot be trained is refused by name") {
  expect_error([] { SGD({}, {.lr = 0.1}); }, {"[SGD] no parameters"});
  expect_error([] { Adam(ReLU().named_parameters()); }, {"[Adam] no parameters"});
  Tensor leaf = ones({2, 3}).requires_grad_(), constant = ones({2}), inner = leaf * 2;
  Tensor turned = ones({2, 3}).transpose(0, 1).requires_grad_();
  auto refused = [&](const Parameters& p, const char* part) {
    expect_error([&] { AdamW optimizer(p); }, {part});
  };
  for (const Tensor& bad : {constant, inner, turned, Tensor()}) {
    refused({{"good", leaf}, {"bad", bad}}, "[AdamW] bad");
  }
  refused({{"a", leaf}, {"b", leaf}}, "[AdamW] b");
  refused({{"a", leaf}, {"a", ones({1}).requires_grad_()}}, "[AdamW] a");
}

TEST_CASE("optim: nonsense among the options is refused") {
  Start start;
  const double NOT = std::nan(""), INF = std::numeric_limits<double>::infinity();
  auto sgd = [&](const SGDOptions& o, const char* part) {
    expect_error([&] { SGD s(start.named(), o); }, {"[SGD]", part});
  };
  auto adam = [&](const AdamOptions& o, const char* part) {
    expect_error([&] { Adam a(start.named(), o); }, {"[Adam]", part});
  };
  auto adamw = [&](const AdamWOptions& o, const char* part) {
    expect_error([&] { AdamW a(start.named(), o); }, {"[AdamW]", part});
  };
  for (double bad : {-0.1, NOT, INF}) {
    sgd({.lr = bad}, "learning rate");
    adam({.lr = bad}, "learning rate");
    adamw({.lr = bad}, "learning rate");
    sgd({.weight_decay = bad}, "weight_decay");
    adam({.weight_decay = bad}, "weight_decay");
    adamw({.weight_decay = bad}, "weight_decay");
    adam({.eps = bad}, "eps");
  }
  for (double bad : {-0.1, 1., NOT}) {
    sgd({.momentum = bad}, "momentum");
    adam({.beta1 = bad}, "beta");
    adam({.beta2 = bad}, "beta");
  }
  sgd({.nesterov = true}, "nesterov");
  CHECK_NOTHROW(SGD(start.named(), {.lr = 0}));
}

// ---- the graph
TEST_CASE("optim: a step between forward and backward is noticed") {
  Tensor p = ones({2}).requires_grad_();
  SGD sgd({{"p", p}}, {.lr = 0.1});
  set_gradient(p, ones({2}));
  Tensor y = sum(p * p);
  sgd.step();
  expect_error([&] { y.backward(); }, {"changed in place"});
}

TEST_CASE("optim: zero_grad() drops gradients; without it they add up") {
  Tensor p = zeros({1}).requires_grad_();
  SGD sgd({{"p", p}}, {.lr = 1});
  for (int i = 0; i < 2; ++i) sum(p * 3).backward();
  CHECK(p.grad().item() == 6);
  sgd.step();
  CHECK(p.item() == -6);
  CHECK(p.grad().defined());
  sgd.zero_grad();
  CHECK(!p.grad().defined());
}
