// Section 4 has a source of its own, own_operations_double.cpp, built in double: a slope from
// two neighbours needs sixteen digits, for float's seven drown in rounding. The rest of the
// lesson is in float, as learning is everywhere. Both link with the one libheed.a.
#pragma once
#include <string>
#include <vector>

namespace heed {

// The error that a check of a backward step finds, relative to the largest gradient.
struct Verdict {
  std::string operation;
  bool right;             // is its backward step right?
  double plain_sum;       // checked through L = the sum of the outputs
  double random_weights;  // checked through L = a sum with random weights
};

struct GradcheckResults {
  std::vector<Verdict> verdicts;
  std::string message;  // what gradcheck says of the planted error in cube
};

GradcheckResults check_own_operations(unsigned long long seed);

}  // namespace heed
