// HEED_CHECK(condition, "[op] ", values...) throws heed::Error with the message put together
// from its arguments. The message is made only when the condition fails.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace heed {

// The one exception type of the library. what() names the operation, the shapes and what is
// wrong; where there is a usual cause, a second line gives the remedy.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(message.str());
}

}  // namespace heed

#define HEED_CHECK(condition, ...) \
  do { \
    if (!(condition)) [[unlikely]] \
      ::heed::fail(__VA_ARGS__); \
  } while (false)
