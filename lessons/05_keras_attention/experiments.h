// Which kind of score can hear which question: the tasks, each with the layers that are tried
// on it, their training, and what is claimed of the result.
#pragma once
#include <optional>
#include "tasks.h"

namespace lesson_05 {

struct Bounds {
  double least, greatest;
};

struct Experiment {
  const char *task, *kind;
  std::function<Examples(Generator&, int)> draw;
  Bounds loss, mass;  // that every seed keeps
  int times = 1;      // as many epochs as the others
  bool is_long = false;
};

inline std::vector<Experiment> experiments() {
  const FlagTask flag, centred{.centred = true}, constant{.centred = true, .constant = true};
  const MiddleTask middle, one_hot{MiddleTask::one_hot}, ramp{MiddleTask::ramp};
  const AskTask ask, unmarked{.marked = false};
  return {{"flag", "bahdanau", flag, {0, 0.00005}, {0.98, 1}},
          {"flag", "dot", flag, {0, 0.0004}, {0.98, 1}},
          {"flag, centred", "bahdanau", centred, {0, 0.00015}, {0.98, 1}},
          {"flag, centred", "dot", centred, {0.2, 0.28}, {0.3, 0.5}},
          {"flag, centred, constant", "dot", constant, {0, 0.002}, {0.93, 1}},
          {"flag, centred, constant", "dot", constant, {0, 0.0005}, {0.96, 1}, 2, true},
          {"middle", "bahdanau", middle, {0.072, 0.078}, {0.095, 0.105}},
          {"middle", "dot", middle, {0.072, 0.078}, {0.095, 0.11}},
          {"middle, one-hot place", "bahdanau", one_hot, {0, 0.00003}, {0.99, 1}},
          {"middle, one-hot place", "dot", one_hot, {0, 0.00003}, {0.99, 1}},
          {"middle, ramp", "bahdanau", ramp, {0.03, 0.05}, {0.35, 0.5}, 6, true},
          {"middle, ramp", "dot", ramp, {0.06, 0.075}, {0.095, 0.12}, 6, true},
          {"ask", "bahdanau", ask, {0.061, 0.066}, {0.06, 0.08}},
          {"ask", "dot", ask, {0, 0.0003}, {0.95, 1}},
          {"ask", "with query", ask, {0, 0.03}, {0.5, 0.95}},
          {"ask, unmarked", "dot", unmarked, {0.001, 0.004}, {0.75, 0.85}},
          {"ask, unmarked", "dot", unmarked, {0, 0.001}, {0.9, 1}, 4, true}};
}

// The examples of a seed: 4000 to train on, and 1000 fresh ones.
struct Data {
  Examples train, fresh;
  Data(const Experiment& e, uint64_t seed) : Data(e, Generator(100 + seed)) {}

 private:
  Data(const Experiment& e, Generator random)
      : train(e.draw(random, 4000)), fresh(e.draw(random, 1000)) {}
};

// [snippet: train]
struct Trained {
  Model model;
  Score score;
  std::vector<double> masses = {};  // after each epoch, if asked for
};

inline Trained trained(const Experiment& e, const Data& data, uint64_t seed, int epochs,
                       double learning_rate, bool watched) {
  manual_seed(seed);
  Input input(data.train.x.shape().without(0));
  Model model = e.kind == std::string("with query") ? Model(input, BahdanauWithQuery())
                                                    : Model(input, KerasAttention(e.kind));
  model.compile({.optimizer = KerasAdam{.learning_rate = learning_rate}, .loss = "mse"});
  std::vector<double> masses;
  auto watch = [&](EpochEnd& end) { masses.push_back(score(end.model, data.fresh).mass); };
  Fit options{.epochs = epochs * e.times, .verbose = 0};
  if (watched) options.callbacks = {watch};
  model.fit(data.train.x, data.train.y, options);
  Score result = score(model, data.fresh);
  return {std::move(model), result, masses};
}
// [end]

}  // namespace lesson_05
