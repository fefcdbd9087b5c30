// expect_error([&] { ... }, {"[matmul]", "(4, 3)", "(5, 2)"}): the call throws heed::Error, and
// its text holds all of these.
#pragma once
#include <doctest/doctest.h>
#include <initializer_list>
#include <string>
#include "autograd/check.h"

namespace heed_tests {

template <class F> void expect_error(F call, std::initializer_list<const char*> parts) {
  try {
    call();
  } catch (const heed::Error& error) {
    const std::string text = error.what();
    for (std::string part : parts)
      CHECK_MESSAGE(text.find(part) != std::string::npos,
                    "no \"" << part << "\" in the message: " << text);
    return;
  }
  FAIL_CHECK("no error where one with \"" << std::string(*parts.begin()) << "\" is due");
}

}  // namespace heed_tests
