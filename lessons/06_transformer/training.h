// A training run, for the dates and for the copies alike.
#pragma once
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"
#include "transformer.h"

namespace lesson_06 {

struct TrainerOptions {
  AdamOptions adam;
  double smoothing = 0.1;
  double clip = 1;  // the gradient's greatest norm; 0: any
};

// The values are those of the dates.
struct Plan {
  int steps = 2000, batch = 32, warm_up = 100;
  double lr = 0.005, smoothing = 0.1, clip = 1;
};

// [snippet: trainer]
// The settings of section 5.3 of the paper, but for the rate.
inline AdamOptions adam_options(double lr) { return {.lr = lr, .beta2 = 0.98, .eps = 1e-9}; }

// The learning rate's share, a product: a ramp from 0 to 1 over the first `rising` steps, in
// which Adam gets to know the gradients, times half a cosine that falls from 1 to 0.02 over all
// steps. (The paper has another curve: inverse_sqrt in optim/schedule.h.)
inline double rate(int step, int rising, int steps) {
  return warm_up(step, rising) * cosine(step, steps, 0.02);
}

class Trainer {
 public:
  Trainer(Transformer& model, const TrainerOptions& options)
      : adam(model.named_parameters(), options.adam), model_(model), options_(options) {}

  // `rate`: the learning rate's share at this step. Returns the batch's loss before the step.
  double step(const Batch& batch, double rate = 1) {
    Tensor loss = loss_of(model_, batch, options_.smoothing);
    adam.zero_grad();
    loss.backward();
    if (options_.clip > 0) clip_grad_norm_(model_.parameters(), options_.clip);
    adam.lr = options_.adam.lr * rate;
    adam.step();
    return double(loss.item());
  }

  Adam adam;

 private:
  Transformer& model_;
  TrainerOptions options_;
};
// [end]

// Trains on what next() gives, a batch a step; after(step) may look at the model, the first
// step being 1. Returns the losses.
template <class Next, class After> std::vector<double> train(Transformer& model,
                                                             const Plan& plan, const char* name,
                                                             Next next, After after) {
  Trainer trainer(model, {adam_options(plan.lr), plan.smoothing, plan.clip});
  std::vector<double> losses;
  Progress bar(name, plan.steps);
  for (int step = 1; step <= plan.steps; ++step) {
    losses.push_back(trainer.step(next(), rate(step - 1, plan.warm_up, plan.steps)));
    bar.step(formatted("loss %.4f", losses.back()));
    after(step);
  }
  return losses;
}

}  // namespace lesson_06
