// Lesson 05 against Keras 3.15.1: ten steps of training with and without a mask, Adam's state,
// what fit and evaluate say, and every default that the lesson's front has.
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
  std::vector<std::vector<int>> batches;

  explicit Flags(bool padded) {
    std::vector<int> order = golden.ints("order"), marked = golden.ints("marked"),
                     lengths = golden.ints("lengths"), rows;
    for (int i = 0; i < 320; ++i) rows.push_back(i * 10 + marked[size_t(i)]);
    y = index_select(x.view({3200, 10}), rows);
    for (int b = 0; b < 10; ++b)
      batches.emplace_back(order.begin() + 32 * b, order.begin() + 32 * (b + 1));
    if (!padded) return;
    for (int i = 0; i < 320; ++i)
      x.narrow(0, i, 1).narrow(1, lengths[size_t(i)], 10 - lengths[size_t(i)]).fill_(0);
  }
};

template <class... L> Model flag_model(const Golden& golden, L... layers) {
  Model model(Input({10, 10}), layers...);
  NoGrad guard;
  model.layer<KerasAttention>().att_weight->copy_(golden["weight"]);
  model.compile({.optimizer = KerasAdam{.learning_rate = 0.01}, .loss = "mse"});
  return model;
}

// The same losses as Keras prints them, by hand.
const std::map<std::string, std::vector<double>> PRINTED = {
    {"bahdanau",
     {.1404196, .1431653, .1419432, .1314416, .1335092, .1256689, .1226511, .1152112, .1173234,
      .1055239}},
    {"dot",
     {.1422572, .1467928, .1484166, .1393917, .1434038, .1370512, .1339536, .1312088, .1377827,
      .1291364}}};

}  // namespace

TEST_CASE("lesson 05: ten steps are Keras's: losses, weight, Adam's state, where it looks") {
  for (bool padded : {false, true})
    for (std::string kind : {"bahdanau", "dot"}) {
      Flags data(padded);
      std::string name = (padded ? "masked/" : "") + kind + "/";
      CAPTURE(name);
      Model model = padded ? flag_model(data.golden, Masking(), KerasAttention(kind))
                           : flag_model(data.golden, KerasAttention(kind));
      std::vector<double> losses = data.golden.doubles(name + "losses");
      double worst = 0;
      for (size_t b = 0; b < 10; ++b) {
        double loss = model.train_on_batch(index_select(data.x, data.batches[b]),
                                           index_select(data.y, data.batches[b]));
        worst = std::max(worst, std::abs(loss - losses[b]));
        if (!padded) CHECK(loss == doctest::Approx(PRINTED.at(kind)[b]).epsilon(1e-6));
      }
      MESSAGE(name, " largest difference of a loss: ", worst);
      CHECK(worst < LOSS_TOLERANCE);
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
