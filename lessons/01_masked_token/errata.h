// Three mistakes that are often made with a network like this one, each with the number that
// gives it away.
#pragma once
#include <cmath>
#include <heed.h>
#include "lessons/support/checks.h"
#include "lessons/support/terminal.h"

namespace lesson_01 {
using namespace heed;

// [snippet: softmax_twice]
// cross_entropy contains the softmax. With another one before it, even a network that is
// certain of the right letter is charged -ln(e / (e + 25)): its "logits" are 1 and twenty-five
// times 0.
inline void softmax_twice(Checks& checks) {
  Tensor certain = zeros({1, 26});
  certain.set({0, 3}, 1000);
  int label[] = {3};
  double once = double(cross_entropy(certain, label).item());
  double twice = double(cross_entropy(softmax(certain, 1), label).item());
  say("    softmax twice: a certain and right answer costs %.4f instead of %.4f", twice, once);
  checks.near("loss below which softmax twice cannot fall", twice, 2.3221, 0.00005);
  checks.near("the right loss of a certain answer", once, 0, 0);
}
// [end]

// [snippet: l2_is_not_adamw]
// A parameter of 1 that the loss does not pull at. Decay should shrink it by lr * decay a step.
// Adam adds decay to the gradient and then divides by the gradient's size: a step of lr,
// whatever the decay.
template <class Optimizer> double after_one_step(double weight_decay) {
  Tensor p = ones({1}).requires_grad_();
  Optimizer optimizer({{"p", p}}, {.lr = 0.001, .weight_decay = weight_decay});
  sum(p * 0).backward();
  optimizer.step();
  return double(p.item());
}
inline void l2_is_not_adamw(Checks& checks) {
  say("    decay without gradient, 1 after one step at lr 0.001:");
  for (double decay : {1e-4, 1e-2}) {
    double l2 = after_one_step<Adam>(decay), decoupled = after_one_step<AdamW>(decay);
    say("      weight_decay %-6g  Adam (L2) %.7f  AdamW %.7f", decay, l2, decoupled);
    checks.check(
        std::abs(l2 - 0.999) < 1e-6 && std::abs(decoupled - (1 - 0.001 * decay)) < 1e-7,
        "with weight_decay %g Adam moves by lr, AdamW by lr * weight_decay", decay);
  }
}
// [end]

// [snippet: two_variances]
// BatchNorm divides by the root of the biased variance, and stores the unbiased one for later.
inline void two_variances(Checks& checks) {
  BatchNorm norm(1, /*eps=*/0, /*momentum=*/1);  // stored are the last batch's statistics
  Tensor x = tensor({-1, 1}, {2, 1});
  double training = double(norm(x).at({1, 0}));
  norm.eval();
  double eval = double(norm(x).at({1, 0}));
  say("    BatchNorm on the batch -1, 1: the 1 becomes %.4f in training, %.4f in eval mode",
      training, eval);
  say("      (variance 1 = 2 / 2 in training; %.0f = 2 / (2 - 1) is what was stored)",
      double(norm.running_var.item()));
  checks.near("BatchNorm of 1 in training", training, 1, 1e-6);
  checks.near("BatchNorm of 1 in eval mode", eval, 1 / std::sqrt(2.), 1e-6);
}
// [end]

}  // namespace lesson_01
