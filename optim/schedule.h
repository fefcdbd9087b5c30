// Schedules: by what factor a learning rate is multiplied at step 0, 1, 2, ...
//   optimizer.lr = 0.06 * warm_up(step, 50) * cosine(step, 400);
#pragma once
#include <algorithm>
#include <cmath>
#include "autograd/exact_math.h"

namespace heed {

inline double constant(int) { return 1; }

// Rises in equal steps and stays at 1 from the last of them on: 1/n, 2/n, ..., 1, 1, ...
inline double warm_up(int step, int steps) {
  return steps <= 0 ? 1 : std::min(1., double(step + 1) / steps);
}

// From 1 to `end` in equal steps; stays there.
inline double linear_decay(int step, int steps, double end = 0) {
  double done = steps <= 0 ? 1 : std::min(1., double(step) / steps);
  return 1 - (1 - end) * done;
}

// From 1 to `end` along half a cosine; stays there. Loshchilov and Hutter 2017, equation 5.
inline double cosine(int step, int steps, double end = 0) {
  constexpr double PI = 3.14159265358979323846;
  double done = steps <= 0 ? 1 : std::min(1., double(step) / steps);
  return end + (1 - end) * 0.5 * (1 + exact::cos(PI * done));
}

// Rises for `warm_up_steps` and then falls with the square root of the step; 1 at its peak.
// Vaswani et al. 2017, equation 3, without the factor for the width.
inline double inverse_sqrt(int step, int warm_up_steps) {
  double t = step + 1, w = std::max(1, warm_up_steps);
  return std::min(t / w, std::sqrt(w / t));
}

}  // namespace heed
