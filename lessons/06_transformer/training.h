// A training run, for the dates and for the copies alike.
#pragma once
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"
#include "transformer.h"

namespace lesson_06 {

// The values are those of the dates.
struct Plan {
  int steps = 2000, batch = 32, warm_up = 100;
  double lr = 0.005, smoothing = 0.1;
  double clip = 1;  // the gradient's greatest norm; 0: any
};

// [snippet: trainer]
// The learning rate rises for `warm_up` steps, in which Adam gets to know the gradients, while
// it already falls along half a cosine, to 2 %.
inline double rate(const Plan& plan, int step) {
  return plan.lr * warm_up(step, plan.warm_up) * cosine(step, plan.steps, 0.02);
}

class Trainer {
 public:
  Trainer(Transformer& model, const Plan& plan)
      : model_(model),
        plan_(plan),
        adam_(model.named_parameters(), {.lr = plan.lr, .beta2 = 0.98, .eps = 1e-9}) {}

  // Returns the loss of the batch, before the step.
  double step(const Batch& batch) {
    Tensor loss = loss_of(model_, batch, plan_.smoothing);
    adam_.zero_grad();
    loss.backward();
    if (plan_.clip > 0) clip_grad_norm_(model_.parameters(), plan_.clip);
    adam_.lr = rate(plan_, done_++);
    adam_.step();
    return double(loss.item());
  }

 private:
  Transformer& model_;
  Plan plan_;
  Adam adam_;
  int done_ = 0;
};
// [end]

// Trains on what next() gives, a batch a step; after(step) may look at the model, the first
// step being 1. Returns the losses.
template <class Next, class After> std::vector<double> train(Transformer& model,
                                                             const Plan& plan, const char* name,
                                                             Next next, After after) {
  Trainer trainer(model, plan);
  std::vector<double> losses;
  Progress bar(name, plan.steps);
  for (int step = 1; step <= plan.steps; ++step) {
    losses.push_back(trainer.step(next()));
    bar.step(formatted("loss %.4f", losses.back()));
    after(step);
  }
  return losses;
}

}  // namespace lesson_06
