// A lesson ends by checking its own claims: each is printed with its result, and one that fails
// makes the program exit with status 1.
#pragma once
#include <string>
#include <vector>

namespace heed {

class Checks {
 public:
  // check: held-out tokens right, 30 of 30: ok
  [[gnu::format(printf, 3, 4)]] void check(bool ok, const char* claim, ...);
  // check: mean loss of epoch 1 is 3.3225 (expected 3.3225 within 0.0001): ok
  void near(const std::string& what, double value, double expected, double within);

  // Prints the outcome. The exit status: 0 when every claim holds, otherwise 1.
  int finish() const;

 private:
  void report(bool ok, const std::string& claim);

  int count = 0;
  std::vector<std::string> failed;
};

}  // namespace heed
