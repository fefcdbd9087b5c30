// Lesson 05 against Keras 3.15.1: ten steps of training with and without a mask, Adam's state,
// ten epochs of fit, and every default that the lesson's front has.
#include "lessons/05_keras_attention/keras.h"
#include "tests/expect_error.h"
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
  model.compile({.optimizer = KerasSGD{.learning_rate = 0.1}, .loss = "mse",
                 .metrics = {"mae"}});
  return model;
}

double far_from(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double most = 0;
  for (size_t i = 0; i < got.size(); ++i) most = std::max(most, std::abs(got[i] - expected[i]));
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
    History history = model.fit(
        x, y, {.epochs = 2, .validation_split = name == "fit" ? 0 : 0.2, .shuffle = false,
               .verbose = 0});
    std::vector<std::string> keys = golden.names("dense/" + name + "/");
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
