#include "lessons/support/checks.h"
#include <cstdarg>
#include <cstdio>
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {

void Checks::check(bool ok, const char* claim, ...) {
  char text[500];
  va_list arguments;
  va_start(arguments, claim);
  std::vsnprintf(text, sizeof text, claim, arguments);
  va_end(arguments);
  report(ok, text);
}

void Checks::near(const std::string& what, double value, double expected, double within) {
  bool ok = value >= expected - within && value <= expected + within;  // a NaN is not near
  report(ok, formatted("%s is %.6g (expected %.6g within %.2g)", what.c_str(), value, expected,
                       within));
}

void Checks::report(bool ok, const std::string& claim) {
  ++count;
  if (!ok) failed.push_back(claim);
  say("check: %s: %s", claim.c_str(), ok ? "ok" : "FAILED");
}

int Checks::finish() const {
  if (failed.empty()) {
    say("all %d checks hold", count);
    return 0;
  }
  say("%d of %d checks FAILED:", static_cast<int>(failed.size()), count);
  for (const std::string& claim : failed) say("  %s", claim.c_str());
  return 1;
}

}  // namespace heed
