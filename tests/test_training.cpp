// Lesson 01's training, step by step, against the document's own program in PyTorch 2.13.
#include <heed.h>
#include "lessons/01_masked_token/alphabet.h"
#include "lessons/support/batches.h"
#include "tests/golden.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using lesson_01::Sample;

namespace {

// The document's network under its PyTorch names, trained as the document trains it.
struct Training {
  std::vector<Sample> samples = lesson_01::document_samples(10);
  Batches batches{250, 10, true};
  Sequential net;
  Adam adam;

  static Sequential make(uint64_t seed) {
    manual_seed(seed);
    Linear first(10,
                 100);  // one after the other: the order in which arguments are made is open
    Linear second(100, 26);
    return Sequential(std::move(first), ReLU(), BatchNorm(100), std::move(second));
  }
  explicit Training(uint64_t seed)
      : net(make(seed)), adam(net.named_parameters(), {.lr = 0.001, .weight_decay = 1e-4}) {}

  // One epoch; returns the loss of each step.
  std::vector<double> epoch() {
    std::vector<double> losses;
    for (std::span<const int> batch : batches) {
      Tensor x = empty({int64_t(batch.size()), 10});
      Scalar* out = x.mutable_data();
      std::vector<int> labels;
      for (int i : batch) {
        const Sample& s = samples[size_t(i)];
        out = std::copy(s.tokens.begin(), s.tokens.end(), out);
        labels.push_back(s.label);
      }
      Tensor loss = cross_entropy(net(x), labels);
      adam.zero_grad();
      loss.backward();
      adam.step();
      losses.push_back(double(loss.item()));
    }
    return losses;
  }
};

}  // namespace

TEST_CASE("training: the document's samples, in its order") {
  Golden golden("lesson01");
  Tensor inputs = golden["inputs"];
  std::vector<int> labels = golden.ints("labels");
  std::vector<Sample> samples = lesson_01::document_samples(10);
  REQUIRE(samples.size() == 250);
  for (int64_t i = 0; i < 250; ++i) {
    const Sample& s = samples[size_t(i)];
    CHECK(s.label == labels[size_t(i)]);
    for (int64_t j = 0; j < 10; ++j) CHECK(Scalar(s.tokens[size_t(j)]) == inputs.at({i, j}));
  }
}

TEST_CASE("training: the initial weights are PyTorch's, bit for bit") {
  Golden golden("lesson01");
  auto parameters = Training(0).net.named_parameters();
  const char* names[] = {"liner_1.weight", "liner_1.bias",   "bn.weight",
                         "bn.bias",        "liner_2.weight", "liner_2.bias"};
  REQUIRE(parameters.size() == 6);
  for (size_t i = 0; i < 6; ++i)
    CHECK(same(parameters[i].second.detach(), golden[std::string("weights/") + names[i]]));
}

TEST_CASE("training: each loss of the first steps is PyTorch's") {
  const bool in_double = sizeof(Scalar) == 8;
  std::vector<double> expected =
      Golden("lesson01").doubles(in_double ? "step_losses_double" : "step_losses");
  REQUIRE(expected.size() == (in_double ? 100 : 10));
  const double tolerance = in_double ? 1e-9 : 1e-5;
  Training training(0);
  double worst = 0;
  for (size_t step = 0; step < expected.size();)
    for (double loss : training.epoch())
      if (step < expected.size()) worst = larger(worst, std::abs(loss - expected[step++]));
  MESSAGE("largest difference of a loss from PyTorch's, ", expected.size(), " steps: ", worst);
  CHECK(worst < tolerance);
}

// Later the two part company, as any two orders of summation do. What stays is the
// distribution.
TEST_CASE("training: the last loss over ten seeds is within PyTorch's own spread") {
  std::vector<double> theirs = Golden("lesson01").doubles("final_losses");
  auto mean = [](const std::vector<double>& x) {
    double sum = 0;
    for (double v : x) sum += v;
    return sum / double(x.size());
  };
  std::vector<double> ours;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Training training(seed);
    for (int epoch = 1; epoch < 200; ++epoch) training.epoch();
    ours.push_back(mean(training.epoch()));
  }
  double variance = 0;
  for (double v : theirs) variance += (v - mean(theirs)) * (v - mean(theirs)) / 9;
  MESSAGE("mean of ten seeds: ", mean(ours), "; PyTorch: ", mean(theirs),
          ", standard deviation ", std::sqrt(variance));
  CHECK(std::abs(mean(ours) - mean(theirs)) < std::sqrt(variance));
}
