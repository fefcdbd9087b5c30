// Lesson 05 against Keras 3.15.1: ten steps of training with and without a mask, Adam's state,
// ten epochs of fit, and every default that the lesson's front has. Then the document's layer,
// the tasks, and what theory says of them.
#include "lessons/05_keras_attention/experiments.h"
#include "lessons/05_keras_attention/formulas.h"
#include <set>
#include "tests/golden.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_05;

namespace {

// Keras computes in float, and so it is off by 3e-7 of a loss and by 2e-6 of a weight. (An
// epsilon of Adam's in PyTorch's place is off by 8e-6 and more.)
const double LOSS_TOLERANCE = 1e-6, TOLERANCE = 1e-5;

// The golden sequences, their targets and their ten batches.
struct Flags {
  Golden golden{"lesson05"};
  Tensor x = golden["x"], y;
  std::vector<int> order = golden.ints("order");

  explicit Flags(bool padded) {
    std::vector<int> marked = golden.ints("marked"), lengths = golden.ints("lengths"), rows;
    for (int i = 0; i < 320; ++i) rows.push_back(i * 10 + marked[size_t(i)]);
    y = index_select(x.view({3200, 10}), rows);
    if (!padded) return;
    for (int i = 0; i < 320; ++i)
      x.narrow(0, i, 1).narrow(1, lengths[size_t(i)], 10 - lengths[size_t(i)]).fill_(0);
  }
  std::span<const int> batch(size_t b) const { return std::span(order).subspan(32 * b, 32); }
};

template <class... L> Model flag_model(const Golden& golden, L... layers) {
  Model model(Input({10, 10}), layers...);
  NoGrad guard;
  model.layer<KerasAttention>().att_weight->copy_(golden["weight"]);
  model.compile({.optimizer = KerasAdam{.learning_rate = 0.01}, .loss = "mse"});
  return model;
}
Model flag_model(const Golden& golden, const std::string& kind, bool padded) {
  return padded ? flag_model(golden, Masking(), KerasAttention(kind))
                : flag_model(golden, KerasAttention(kind));
}

// The losses of the ten steps as Keras shows them, written down by hand.
const std::map<std::string, std::vector<double>> SHOWN = {
    {"bahdanau",
     {.1404196, .1431653, .1419432, .1314416, .1335092, .1256689, .1226511, .1152112, .1173234,
      .1055239}},
    {"dot",
     {.1422572, .1467928, .1484166, .1393917, .1434038, .1370512, .1339536, .1312088, .1377827,
      .1291364}}};

// A model of one Dense layer that starts from 0, as the golden one does.
Model dense_model() {
  Model model(Input({2}), Dense(1));
  NoGrad guard;
  model.layer<Dense>().kernel->zero_();
  model.compile(
      {.optimizer = KerasSGD{.learning_rate = 0.1}, .loss = "mse", .metrics = {"mae"}});
  return model;
}

double far_from(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double most = 0;
  for (size_t i = 0; i < got.size(); ++i) most = larger(most, std::abs(got[i] - expected[i]));
  return most;
}

}  // namespace

TEST_CASE("lesson 05: ten steps are Keras's: losses, weight, Adam's state, where it looks") {
  for (bool padded : {false, true})
    for (std::string kind : {"bahdanau", "dot"}) {
      Flags data(padded);
      std::string name = (padded ? "masked/" : "") + kind + "/";
      CAPTURE(name);
      Model model = flag_model(data.golden, kind, padded);
      std::vector<double> losses;
      for (size_t b = 0; b < 10; ++b)
        losses.push_back(model.train_on_batch(index_select(data.x, data.batch(b)),
                                              index_select(data.y, data.batch(b))));
      double worst = far_from(losses, data.golden.doubles(name + "losses"));
      MESSAGE(name, " largest difference of a loss: ", worst);
      CHECK(worst < LOSS_TOLERANCE);
      if (!padded) CHECK(far_from(losses, SHOWN.at(kind)) < LOSS_TOLERANCE);
      auto golden = [&](const char* what) { return data.golden[name + what]; };
      CHECK(difference(model.layer<KerasAttention>().att_weight->detach(), golden("weight")) <
            TOLERANCE);
      StateDict state = model.optimizer().state_dict();
      CHECK(difference(state.tensors[0].second, golden("momentum")) < TOLERANCE);
      CHECK(difference(state.tensors[1].second, golden("velocity")) < TOLERANCE);
      CHECK(state.counters[0].second == 10);
      auto at = model.input_of<KerasAttention>(data.x.narrow(0, 0, 8));
      CHECK(difference(model.layer<KerasAttention>().attention(at.x, at.mask),
                       golden("attention")) < TOLERANCE);
    }
}

TEST_CASE("lesson 05: ten epochs of fit without a shuffle are Keras's") {
  for (bool padded : {false, true})
    for (std::string kind : {"bahdanau", "dot"}) {
      Flags data(padded);
      Model model = flag_model(data.golden, kind, padded);
      History history =
          model.fit(index_select(data.x, data.order), index_select(data.y, data.order),
                    {.epochs = 10, .shuffle = false, .verbose = 0});
      std::string name = (padded ? "masked/" : "") + kind + "/epochs";
      CAPTURE(name);
      CHECK(far_from(history["loss"], data.golden.doubles(name)) < LOSS_TOLERANCE);
    }
}

// 40 samples in batches of 32 and 8: a batch counts by its size, and its loss is taken before
// its step; what is held out is the end of the data.
TEST_CASE("lesson 05: the history of fit, what is held out, and evaluate are Keras's") {
  Golden golden("lesson05");
  Tensor x = golden["dense/x"], y = golden["dense/y"];
  for (std::string name : {"fit", "split"}) {
    CAPTURE(name);
    Model model = dense_model();
    History history = model.fit(x, y,
                                {.epochs = 2,
                                 .validation_split = name == "fit" ? 0 : 0.2,
                                 .shuffle = false,
                                 .verbose = 0});
    CHECK(history.history.size() == (name == "fit" ? 2 : 4));
    for (auto& [key, values] : history.history)
      CHECK(far_from(values, golden.doubles("dense/" + name + "/" + key)) < LOSS_TOLERANCE);
    Logs logs = model.evaluate(x, y, {.verbose = 0});
    CHECK(far_from({logs["loss"], logs["mae"]}, golden.doubles("dense/" + name + "/evaluate")) <
          LOSS_TOLERANCE);
    CHECK(difference(model.layer<Dense>().kernel->detach(),
                     golden["dense/" + name + "/kernel"]) < LOSS_TOLERANCE);
    CHECK(difference(model.layer<Dense>().bias->detach(), golden["dense/" + name + "/bias"]) <
          LOSS_TOLERANCE);
  }
}

// ---- Defaults in which Keras and PyTorch differ, one by one

TEST_CASE("lesson 05: Adam's epsilon is Keras's, and where Keras has it") {
  KerasAdam adam;
  CHECK(adam.learning_rate == 0.001);
  CHECK(adam.beta_1 == 0.9);
  CHECK(adam.beta_2 == 0.999);
  CHECK(adam.epsilon == 1e-7);
  // The first step is lr g / (|g| + epsilon / sqrt(1 - beta_2)); in PyTorch, / (|g| + eps).
  for (auto [g, keras, pytorch] : {std::tuple(1e-6, 0.2403, 0.9091), {1e-3, 0.9968, 0.9999}}) {
    Tensor p = zeros({1}).requires_grad_(), q = zeros({1}).requires_grad_();
    AdamOfKeras ours({{"p", p}}, {.learning_rate = 1});
    Adam theirs({{"q", q}}, {.lr = 1, .eps = 1e-7});
    sum(p * g).backward(), ours.step();
    sum(q * g).backward(), theirs.step();
    CHECK(-double(p.item()) == doctest::Approx(keras).epsilon(1e-4));
    CHECK(-double(q.item()) == doctest::Approx(pytorch).epsilon(1e-4));
  }
}

TEST_CASE("lesson 05: a name stands for an optimizer with Keras's defaults") {
  Model model(Input({2}), Dense(1));
  model.compile({.optimizer = "adam", .loss = "mse"});
  CHECK(model.optimizer().lr == 0.001);
  model.compile({.optimizer = "sgd", .loss = "mse"});
  CHECK(model.optimizer().lr == 0.01);  // PyTorch: 0.001
}

TEST_CASE("lesson 05: weights start as in Keras") {
  manual_seed(0);
  Tensor w = random_normal({1000, 1000});
  CHECK(std::abs(mean(w).item()) < 0.0005);
  CHECK(std::sqrt(double(var(w).item())) == doctest::Approx(0.05).epsilon(0.01));
  KerasAttention attention;
  attention.build_once({7, 200});
  CHECK(attention.att_weight->shape() == Shape{200, 200});
  CHECK(std::sqrt(double(var(*attention.att_weight).item())) ==
        doctest::Approx(0.05).epsilon(0.02));

  Dense dense(50);
  dense.build_once({200});
  CHECK(dense.kernel->shape() == Shape{200, 50});  // (in, out), PyTorch: (out, in)
  double bound = std::sqrt(6. / 250), largest = double(max(*dense.kernel).item());
  CHECK(largest < bound);
  CHECK(largest > 0.99 * bound);
  CHECK(same(dense.bias->detach(), zeros({50})));  // PyTorch draws it
}

namespace {

// Writes down which samples come, by their first number.
class Diary : public Layer {
 public:
  std::optional<Parameter> weight;
  FIELDS(weight)
  std::vector<std::vector<int>>* seen;
  explicit Diary(std::vector<std::vector<int>>* seen) : seen(seen) {}
  std::string type() const override { return "Diary"; }
  void build(const Shape&) override { weight.emplace(ones({1})); }
  Shape compute_output_shape(const Shape& input) const override { return input; }
  Tensor call(const Tensor& x, const Tensor&) override {
    std::vector<Scalar> numbers = x.to_vector();
    seen->emplace_back(numbers.begin(), numbers.end());
    if (training) seen->back().push_back(-1);
    return x * *weight;
  }
};

std::vector<std::vector<int>> diary_of(const Fit& options) {
  std::vector<std::vector<int>> seen;
  Model model(Input({1}), Diary(&seen));
  model.compile({.optimizer = KerasSGD{.learning_rate = 0}, .loss = "mse"});
  seen.clear();
  manual_seed(0);
  model.fit(arange(10).view({10, 1}), zeros({10, 1}), options);
  return seen;
}

}  // namespace

TEST_CASE("lesson 05: fit's defaults and the order of samples are Keras's") {
  Fit defaults;
  CHECK(defaults.epochs == 1);
  CHECK(defaults.batch_size == 32);
  CHECK(defaults.validation_split == 0);
  CHECK(defaults.shuffle);
  CHECK(defaults.verbose == 1);
  CHECK(Run().batch_size == 32);
  CHECK(Run().verbose == 1);

  using Days = std::vector<std::vector<int>>;
  // In order; a last batch that is not full is kept. (-1: in training.)
  CHECK(diary_of({.batch_size = 4, .shuffle = false, .verbose = 0}) ==
        Days{{0, 1, 2, 3, -1}, {4, 5, 6, 7, -1}, {8, 9, -1}});
  // Held out is the end, whatever the shuffle, and it is not trained on.
  Days split = diary_of({.batch_size = 4, .validation_split = 0.2, .verbose = 0});
  REQUIRE(split.size() == 3);
  CHECK(split[2] == std::vector<int>{8, 9});
  std::vector<int> first = split[0];
  first.pop_back();
  first.insert(first.end(), split[1].begin(), split[1].end() - 1);
  CHECK(first != std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  std::sort(first.begin(), first.end());
  CHECK(first == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  // Each epoch has an order of its own.
  Days two = diary_of({.epochs = 2, .verbose = 0});
  REQUIRE(two.size() == 2);
  CHECK(two[0] != two[1]);
}

TEST_CASE("lesson 05: held out is what Keras rounds it to") {
  CHECK(training_share(1000, 0.2) == 800);
  CHECK(training_share(10, 0.1) == 9);
  CHECK(training_share(7, 0.5) == 3);
  CHECK(training_share(5, 0) == 5);
  for (double share : {1e-20, 0.999, 1.0, -0.1, std::nan("")})
    CHECK_THROWS_AS(training_share(5, share), Error);
}

// ---- The document's layer

TEST_CASE("lesson 05: ten steps of the document's layer are Keras's, broadcast and all") {
  Flags data(false);
  Model model(Input({10, 10}), DocumentAttention(true));
  model.compile({.optimizer = KerasAdam{.learning_rate = 0.01}, .loss = broadcasting_mse});
  {
    NoGrad guard;
    model.layer<DocumentAttention>().att_weight->copy_(data.golden["weight"]);
  }
  std::vector<double> losses;
  for (size_t b = 0; b < 10; ++b)
    losses.push_back(model.train_on_batch(index_select(data.x, data.batch(b)),
                                          index_select(data.y, data.batch(b))));
  CHECK(far_from(losses, data.golden.doubles("document/losses")) < LOSS_TOLERANCE);
}

TEST_CASE("lesson 05: the formulas hold for means of so many numbers") {
  UniformData data(7);
  CHECK(data.x.shape() == Shape{1000, 10, 10});
  CHECK(data.y.shape() == Shape{1000, 10});
  CHECK(data.fresh.shape() == Shape{20000, 10, 10});
  CHECK(mean_square(mean(data.fresh, {1, 2}) - 0.5) ==
        doctest::Approx(ANSWERS[0].expected).epsilon(0.03));
  CHECK(mean_square(mean(data.fresh, {1}) - 0.5) ==
        doctest::Approx(ANSWERS[1].expected).epsilon(0.02));
  CHECK(loss_of_a_half(data) == doctest::Approx(1. / 12).epsilon(0.03));
  FiveWays ways(7, 1);
  CHECK(ways.outcomes[3].squares == 0.1);
  CHECK(ways.outcomes[0].squares < 0.011);
  CHECK(ways.near(0.01, 0.01));
  CHECK(!ways.near(1e-9, 0.01));
  CHECK(!ways.near(0.01, 1e-9));
}

// ---- The tasks

namespace {

void check_answers(const Examples& data, int64_t D) {
  int64_t n = data.x.size(0);
  REQUIRE(data.x.shape() == Shape{n, 10, D});
  REQUIRE(data.y.shape() == Shape{n, D});
  for (int64_t i = 0; i < n; ++i)
    CHECK(same(data.x.select(0, i).select(0, data.where[size_t(i)]).contiguous(),
               data.y.select(0, i).contiguous()));
}

}  // namespace

TEST_CASE("lesson 05: flag marks one step, anywhere, and asks for it") {
  for (bool centred : {false, true})
    for (bool constant : {false, true}) {
      Generator random(3);
      Examples data = FlagTask{centred, constant}(random, 300);
      check_answers(data, 10);
      std::vector<int> counts(10);
      for (int where : data.where) ++counts[size_t(where)];
      CHECK(*std::min_element(counts.begin(), counts.end()) > 10);
      CHECK(double(sum(data.x.narrow(2, 9, 1)).item()) == 300);
      CHECK(double(sum(data.y.narrow(1, 9, 1)).item()) == 300);
      Tensor numbers = data.x.narrow(2, 0, 8);
      CHECK(double(max(numbers).item()) > 0.99);
      double least = -double(max(-numbers).item());
      CHECK((centred ? least < -0.99 : least >= 0));
      CHECK(same(data.x.narrow(2, 8, 1).contiguous(), ones({300, 10, 1})) == constant);
    }
}

TEST_CASE("lesson 05: middle asks for step 4, which may know its place") {
  Generator random(3);
  Examples plain = MiddleTask()(random, 20),
           one_hot = MiddleTask{MiddleTask::one_hot}(random, 20),
           ramp = MiddleTask{MiddleTask::ramp}(random, 20);
  check_answers(plain, 10), check_answers(one_hot, 20), check_answers(ramp, 11);
  CHECK(plain.where == std::vector<int>(20, 4));
  for (int64_t t = 0; t < 10; ++t) {
    CHECK(same(one_hot.x.select(1, t).narrow(1, 10, 10).contiguous(),
               eye(10).narrow(0, t, 1).expand({20, 10}).contiguous()));
    CHECK(ramp.x.at({7, t, 10}) == Scalar(t) / 9);
  }
}

TEST_CASE("lesson 05: ask repeats one of nine keys in its last step") {
  for (bool marked : {true, false}) {
    Generator random(3);
    Examples data = AskTask{marked}(random, 200);
    check_answers(data, 16);
    for (int64_t i = 0; i < 200; ++i) {
      std::set<int> keys;
      int question = argmax(data.x.select(0, i).narrow(0, 9, 1).narrow(1, 0, 9), 1)[0];
      for (int64_t t = 0; t < 9; ++t) {
        int key = argmax(data.x.select(0, i).narrow(0, t, 1).narrow(1, 0, 9), 1)[0];
        keys.insert(key);
        CHECK((key == question) == (t == data.where[size_t(i)]));
        CHECK(data.x.at({i, t, 9}) == 0);
      }
      CHECK(keys.size() == 9);
      CHECK(data.x.at({i, 9, 9}) == marked);
    }
    CHECK(double(sum(data.x.narrow(2, 0, 9)).item()) == 2000);
  }
}

// Weights that are put together by hand have the loss that the formula gives.
TEST_CASE("lesson 05: what theory says of equal weights, and of a layer that hears no query") {
  Generator random(3);
  Examples middle = MiddleTask()(random, 20000);
  CHECK(double(mse_loss(mean(middle.x, {1}), middle.y).item()) ==
        doctest::Approx(loss_of_a_plain_mean()).epsilon(0.01));
  Examples ask = AskTask()(random, 20000);
  for (double w : {0., 0.1, 16. / 44, 0.6}) {
    Tensor weights = full({10}, (1 - w) / 9);
    weights.set({9}, Scalar(w));
    CHECK(double(mse_loss(matmul(weights, ask.x), ask.y).item()) ==
          doctest::Approx(loss_without_a_query(w)).epsilon(0.01));
    CHECK(loss_without_a_query(w) >= loss_without_a_query(BEST_ON_QUESTION));
  }
  CHECK(loss_without_a_query(BEST_ON_QUESTION) == doctest::Approx(0.0631).epsilon(0.001));
}

TEST_CASE("lesson 05: the score counts what it says") {
  Generator random(3);
  Examples data = AskTask()(random, 100);
  Model model(Input({10, 16}), KerasAttention("dot"));
  model.compile({.optimizer = "adam", .loss = "mse"});
  {
    NoGrad guard;
    model.layer<KerasAttention>().att_weight->zero_();
  }
  Score equal = score(model, data);  // of equal weights the first is the largest
  CHECK(equal.mass == doctest::Approx(0.1));
  CHECK(equal.top == std::count(data.where.begin(), data.where.end(), 0) / 100.);
  CHECK(equal.loss == doctest::Approx(double(mse_loss(mean(data.x, {1}), data.y).item())));
  {
    NoGrad guard;  // keys look for their like, and the question not for itself
    Tensor weight = 30 * eye(16);
    weight.set({9, 9}, -60);
    model.layer<KerasAttention>().att_weight->copy_(weight * (1 - (arange(16) > 9)));
  }
  Score sharp = score(model, data);
  CHECK(sharp.mass > 0.999);
  CHECK(sharp.top == 1);
  CHECK(sharp.loss < 1e-6);
}

TEST_CASE("lesson 05: a query in Bahdanau's score makes it depend on the last step") {
  manual_seed(0);
  BahdanauWithQuery with;
  KerasAttention without("bahdanau");
  with.build_once({4, 3}), without.build_once({4, 3});
  Tensor x = randn({2, 4, 3}), y = x.clone();
  y.narrow(1, 3, 1).fill_(5);
  NoGrad guard;
  auto first_two = [](const Tensor& weights) {  // how they share what they have
    return weights.narrow(1, 0, 2) / sum(weights.narrow(1, 0, 2), {1}, true);
  };
  with.att_weight->mul_(20), without.att_weight->mul_(20);
  CHECK(difference(first_two(without.attention(x)), first_two(without.attention(y))) < 1e-5);
  CHECK(difference(first_two(with.attention(x)), first_two(with.attention(y))) > 0.01);
}
