// What warm-up is for: copies by a deep model, normalised first or last, with the learning rate
// raised slowly or at once.
#pragma once
#include "lessons/support/checks.h"
#include "tasks.h"

namespace lesson_06 {

struct WarmUpRow {
  double right = 0, loss = 0;  // of 1,000 fresh sequences; of the last step
};

inline WarmUpRow warm_up_row(Norm norm, double lr, int warm_up, uint64_t seed) {
  Plan plan{.steps = 300, .warm_up = warm_up, .lr = lr, .clip = 0};
  CopyRun run = run_copies(sizes_for_copies(4, 64, norm), plan, seed);
  return {run.right / 1000., run.losses.back()};
}

inline void warm_up_table(uint64_t seed, int seeds, bool claims, Checks& checks) {
  say("What warm-up is for: copies, 4 + 4 layers of 64 numbers, 300 steps of 32, no clipping");
  say("    right of 1,000 fresh sequences, %%, and the last loss (knowing nothing: 2.3026)");
  say("    rate   normalised   warm-up   seed      right     loss");
  for (double lr : {1e-2, 3e-3})
    for (Norm norm : {Norm::first, Norm::last})
      for (int steps : {0, 100})
        for (int i = 0; i < seeds; ++i) {
          WarmUpRow row = warm_up_row(norm, lr, steps, seed + uint64_t(i));
          say("    %-6g %-12s %7d %6d %10.1f   %.4f", lr,
              norm == Norm::first ? "first" : "last", steps, int(seed) + i, 100 * row.right,
              row.loss);
          if (claims && lr == 1e-2 && norm == Norm::first)
            checks.check(steps ? row.right > 0.99 : row.right < 0.5,
                         "at 0.01, normalised first: %s",
                         steps ? "learned with warm-up" : "not learned without");
          if (claims && norm == Norm::last && steps == 0)
            checks.check(row.right < 0.01, "normalised last, without warm-up: not learned");
        }
  say();
}

}  // namespace lesson_06
