// Why the document's layer looks better than the right one: five ways to answer, and the loss
// that a formula gives each of them before any training.
//
// y is uniform on 0 ... 1 and has nothing to do with x. So whatever the prediction p is,
//   expected loss = var y + E(p - 1/2)^2 = 1/12 + E(p - 1/2)^2
// and if p is a mean of n uniform numbers, E(p - 1/2)^2 is its variance, 1 / (12 n).
#pragma once
#include "errata.h"

namespace lesson_05 {

struct Answer {
  const char* name;
  double expected;  // E(p - 1/2)^2
};
// n = 100: it averages all T D numbers. n = 10: each of its D outputs is a mean over T steps.
constexpr Answer ANSWERS[] = {{"document's", 1. / 1200},
                              {"bahdanau", 1. / 120},
                              {"dot", 1. / 120},
                              {"plain mean", 1. / 120}};

struct Outcome {
  std::vector<double> losses;  // of each epoch
  double excess = 0;           // E(p - 1/2)^2 on fresh inputs
  double squares = 0;          // mean over fresh inputs of the sum of the squared weights
};

inline double mean_square(const Tensor& x) {
  double sum = 0;
  for (Scalar v : x.to_vector()) sum += double(v) * double(v);
  return sum / double(x.numel());
}

// The loss of always answering 1/2.
inline double loss_of_a_half(const UniformData& data) { return mean_square(data.y - 0.5); }

// Trains the model, and asks it and its layer about fresh inputs. weights(x): (B, n)
template <class Weights>
Outcome fitted(Model model, const UniformData& data, int epochs, Weights weights) {
  Outcome o;
  o.losses = model.fit(data.x, data.y, {.epochs = epochs, .verbose = 0})["loss"];
  NoGrad guard;
  o.excess = mean_square(model(data.fresh) - 0.5);
  o.squares = double(mean(sum(pow(weights(model, data.fresh), 2), {1})).item());
  return o;
}

inline Outcome outcome_of(const std::string& name, const UniformData& data, uint64_t seed,
                          int epochs) {
  if (name == "plain mean") {
    std::vector<double> losses(size_t(epochs), mean_square(mean(data.x, {1}) - data.y));
    return {losses, mean_square(mean(data.fresh, {1}) - 0.5), 1. / T};
  }
  manual_seed(seed);
  if (name != "document's")
    return fitted(document_model(name), data, epochs, [](Model& m, const Tensor& x) {
      return m.layer<KerasAttention>().attention(x);
    });
  Model model(Input({10, 10}), DocumentAttention(true));
  model.compile({.optimizer = "adam", .loss = broadcasting_mse});
  return fitted(std::move(model), data, epochs, [](Model& m, const Tensor& x) {
    return m.layer<DocumentAttention>().weights(x);
  });
}

// All that one seed gives.
struct FiveWays {
  double half;                    // the loss of always 1/2
  std::vector<Outcome> outcomes;  // one an answer

  FiveWays(uint64_t seed, int epochs) {
    UniformData data(seed);
    half = loss_of_a_half(data);
    for (const Answer& answer : ANSWERS)
      outcomes.push_back(outcome_of(answer.name, data, seed, epochs));
  }
  // How much more than always 1/2 an answer loses in its last epoch.
  double more(size_t answer) const { return outcomes[answer].losses.back() - half; }
  bool near(double loss, double excess) const {
    for (size_t a = 0; a < outcomes.size(); ++a)
      if (!(std::abs(more(a) - ANSWERS[a].expected) < loss) ||
          !(std::abs(outcomes[a].excess - ANSWERS[a].expected) < excess))
        return false;
    return true;
  }
};

}  // namespace lesson_05
