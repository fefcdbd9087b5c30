// Into heads and back, as the document does it: what view, transpose and contiguous do to the
// numbers in memory, printed for one sentence of 3 tokens, 4 numbers each, 2 heads.
#pragma once
#include <sstream>
#include <string>
#include <heed.h>
#include "lessons/support/checks.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace lesson_02 {
using namespace heed;

template <class Printable> std::string in_words(const Printable& x) {
  std::ostringstream text;
  text << x;
  return text.str();
}

// What `f` throws, each line behind four blanks; "nothing" if it throws nothing.
template <class F> std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    std::string text = error.what();
    for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 5)
      text.replace(at, 1, "\n    ");
    return text;
  }
  return "nothing";
}

// Row by row as the tensor has them, and then in the order in which they lie in memory.
inline void print_layout(const char* expression, const Tensor& x) {
  std::string numbers, memory;
  for (Scalar v : x.to_vector()) numbers += formatted(" %2.0f", double(v));
  for (int64_t i = 0; i < x.numel(); ++i) memory += formatted(" %2.0f", double(x.data()[i]));
  say("    %s", expression);
  say("      shape %s, strides %s, %s", in_words(x.shape()).c_str(),
      in_words(x.strides()).c_str(), x.is_contiguous() ? "contiguous" : "not contiguous");
  say("      in its own order%s", numbers.c_str());
  say("      in memory       %s", memory.c_str());
}

// The number t d says: token t, number d of its vector.
inline void show_layouts(Checks& checks) {
  Tensor x = empty({1, 3, 4});
  for (int t = 0; t < 3; ++t)
    for (int d = 0; d < 4; ++d) x.set({0, t, d}, Scalar(10 * t + d));
  Tensor view = x.view({1, 3, 2, 2}), heads = view.transpose(1, 2);
  Tensor back = heads.transpose(1, 2);
  // What attention makes of the heads has memory of its own, head after head.
  Tensor result = heads.contiguous(), swapped = result.transpose(1, 2);
  Tensor copied = swapped.contiguous();
  print_layout("x (1, 3, 4): 12 is token 1, number 2", x);
  print_layout("x.view({1, 3, 2, 2}): two heads of two numbers each", view);
  print_layout("... .transpose(1, 2): head first, then token", heads);
  print_layout("what attention returns: new memory, head after head", result);
  print_layout("... .transpose(1, 2): token first again", swapped);
  std::string error = error_of([&] { swapped.view({1, 3, 4}); });
  say("    ... .view({1, 3, 4}) throws\n    %s", error.c_str());
  print_layout("... .contiguous().view({1, 3, 4}): a copy, in row-major order",
               copied.view({1, 3, 4}));
  checks.check(view.data() == x.data() && heads.data() == x.data() && back.is_contiguous(),
               "view and transpose copy nothing");
  checks.check(copied.data() != swapped.data() && copied.to_vector() == x.to_vector(),
               "contiguous copies, and the numbers are back in their order");
  checks.check(error.find("contiguous()") != std::string::npos,
               "view of what is not contiguous throws, and names contiguous()");
}

}  // namespace lesson_02
