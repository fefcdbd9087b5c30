// expect_error([&] { ... }, {"[matmul]", "(4, 3)", "(5, 2)"}): the call throws heed::Error, and
// its text holds all of these.
#pragma once
#include <doctest/doctest.h>
#include <initializer_list>
#include <string>
#include "autograd/check.h"

namespace heed_tests {

// (Apart, so that it is not compiled anew for every call.)
inline void expect_message(const std::string& text, std::initializer_list<const char*> parts) {
  for (std::string part : parts)
    CHECK_MESSAGE(text.find(part) != std::string::npos,
                  "no \"" << part << "\" in the message: " << text);
}
inline void say_no_error(const char* part) {
  FAIL_CHECK("no error where one with \"" << std::string(part) << "\" is due");
}

template <class F> void expect_error(F call, std::initializer_list<const char*> parts) {
  try {
    call();
  } catch (const heed::Error& error) { return expect_message(error.what(), parts); }
  say_no_error(*parts.begin());
}

}  // namespace heed_tests
