// What warm-up is for: copies by a deep model, normalised first or last, with the learning rate
// raised slowly or at once.
#pragma once
#include <algorithm>
#include "lessons/support/checks.h"
#include "tasks.h"

namespace lesson_06 {

struct WarmUpRow {
  double lr;
  Norm norm;
  int warm_up;
  uint64_t seed;
  double right = 0, loss = 0;  // of 1,000 fresh sequences; of the last step
};

inline WarmUpRow warm_up_row(double lr, Norm norm, int warm_up, uint64_t seed) {
  Plan plan{.steps = 300, .warm_up = warm_up, .lr = lr, .clip = 0};
  CopyRun run = run_copies(sizes_for_copies(4, 64, norm), plan, seed);
  WarmUpRow row{lr, norm, warm_up, seed, run.right / 1000., run.losses.back()};
  say("    %-6g %-12s %7d %6lld %10.1f   %.4f", lr, norm == Norm::first ? "first" : "last",
      warm_up, (long long)seed, 100 * row.right, row.loss);
  return row;
}

inline void warm_up_table(uint64_t first, int seeds, bool claims, Checks& checks) {
  say("What warm-up is for: copies, 4 + 4 layers of 64 numbers, 300 steps of 32, no clipping");
  say("    right of 1,000 fresh sequences, %%, and the last loss; of one that knows nothing but"
      " the");
  say("    symbols it is 2.333");
  say("    rate   normalised   warm-up   seed      right     loss");
  std::vector<WarmUpRow> rows;
  for (double lr : {1e-2, 3e-3})
    for (Norm norm : {Norm::first, Norm::last})
      for (int warm_up : {0, 100})
        for (int i = 0; i < seeds; ++i)
          rows.push_back(warm_up_row(lr, norm, warm_up, first + uint64_t(i)));
  say();
  if (!claims) return;
  auto all = [&](double lr, Norm norm, int warm_up, auto holds) {
    return std::all_of(rows.begin(), rows.end(), [&](const WarmUpRow& row) {
      bool meant = row.lr == lr && row.norm == norm && row.warm_up == warm_up;
      return !meant || holds(row.right);
    });
  };
  checks.check(all(1e-2, Norm::first, 100, [](double right) { return right > 0.99; }) &&
                   all(1e-2, Norm::first, 0, [](double right) { return right < 0.1; }),
               "normalised first, at 0.01: learned with warm-up, and not without");
  checks.check(all(1e-2, Norm::last, 0, [](double right) { return right < 0.01; }) &&
                   all(3e-3, Norm::last, 0, [](double right) { return right < 0.01; }),
               "normalised last, without warm-up: not learned");
  checks.check(all(3e-3, Norm::last, 100, [](double right) { return right < 0.9; }),
               "normalised last, with it: slower than first");
}

}  // namespace lesson_06
