// One training step, for the dates and for a corpus alike.
#pragma once
#include "seq2seq.h"

namespace lesson_04 {

// Teacher forcing: one coin a step for the whole batch. With probability `ratio` the decoder is
// told the right word.
inline std::vector<bool> toss_coins(int steps, double ratio) {
  std::vector<bool> forced;
  for (int t = 0; t < steps; ++t)
    forced.push_back(ratio >= 1 || (ratio > 0 && default_generator().bernoulli(ratio)));
  return forced;
}

struct TrainerOptions {
  AdamOptions adam;
  double clip = 1;             // the gradient's greatest norm
  double teacher_forcing = 1;  // the share of steps at which the decoder is told the right word
};

// [snippet: trainer]
class Trainer {
 public:
  Trainer(Seq2Seq& model, const TrainerOptions& options)
      : adam(model.named_parameters(), options.adam), model_(model), options_(options) {}

  // `rate`: the learning rate's share at this step, from a schedule. Returns the loss.
  double step(const Batch& batch, double rate = 1) {
    Tensor loss =
        loss_of(model_, batch, toss_coins(batch.target_length, options_.teacher_forcing));
    adam.zero_grad();
    loss.backward();
    clip_grad_norm_(model_.parameters(), options_.clip);
    adam.lr = options_.adam.lr * rate;
    adam.step();
    return double(loss.item());
  }

  Adam adam;

 private:
  Seq2Seq& model_;
  TrainerOptions options_;
};
// [end]

}  // namespace lesson_04
