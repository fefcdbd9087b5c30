// Masks proved, bit for bit: on models that are right, and on four that are wrong on purpose.
#pragma once
#include <cmath>
#include <string>
#include "document.h"
#include "layouts.h"
#include "reverse.h"
#include "lessons/support/checks.h"

namespace lesson_02 {

// [snippet: proofs]
// The models that are right.
inline void prove(const Reverser& causal, Checks& checks) {
  manual_seed(1);
  std::vector<int> ids = draw(default_generator(), 2);
  auto reverser = [&](std::span<const int> tokens, const Shape&) {
    return causal(tokens).output;
  };
  int64_t bits = prove_causal("the reverser", reverser, ids, {2, T}, DIGITS);
  say("    prove_causal, the reverser: %d numbers, all with the same bits", int(bits));

  MultiHeadAttention heads(24, 3);
  Tensor x = randn({2, 5, 24});
  auto masked = [&](const Tensor& x) { return heads(x, x, x, causal_mask(x.size(1))).output; };
  bits = prove_causal("three heads", masked, x);
  say("    prove_causal, three heads: %d numbers", int(bits));

  auto padded = [&](const Tensor& x, std::span<const int> lengths) {
    return heads(x, x, x, padding_mask(lengths, x.size(1))).output;
  };
  const int lengths[] = {5, 2};
  int64_t padding = prove_padding("three heads", padded, x, lengths);
  int64_t batch = prove_batch("three heads", padded, x, lengths);
  say("    prove_padding: %d numbers, prove_batch: %d numbers", int(padding), int(batch));
  checks.check(bits > 0 && padding > 0 && batch > 0, "the right masks are proved");
}
// [end]

// The models that are wrong. Each must be caught.
inline void disprove(Checks& checks) {
  manual_seed(1);
  Tensor x = randn({2, 5, 24});
  auto caught = [&](const char* mistake, auto proof) {
    std::string error = error_of(proof);
    say("    %s\n    %s", mistake, error.c_str());
    checks.check(error.find(": the output of sentence") != std::string::npos, "caught: %s",
                 mistake);
  };
  // [snippet: wrong_triangle]
  auto wrong_triangle = [](const Tensor& x) {
    Mask mask = Mask::hide(causal_mask(x.size(1)).tensor());  // hides what it should show
    return scaled_dot_product_attention(x, x, x, mask).output;
  };
  caught("the wrong triangle", [&] { prove_causal("wrong triangle", wrong_triangle, x); });
  // [end]
  Linear query(24, 24), key(24, 24);
  auto filled_with = [&](double constant) {
    return [&, constant](const Tensor& x) {
      Tensor scores = matmul(query(x), key(x).transpose(1, 2)) / std::sqrt(24.);
      Tensor hidden = causal_mask(x.size(1)).tensor() == 0;
      return matmul(softmax(masked_fill(scores, hidden, constant), -1), x);
    };
  };
  caught("-1e4 in place of a mask", [&] { prove_causal("-1e4", filled_with(-1e4), x); });
  int64_t bits = prove_causal("-1e9", filled_with(-1e9), x);
  say("    -1e9 in place of a mask\n    %d numbers, all with the same bits", int(bits));
  caught("-1e9 for an input 1000 times as large",
         [&] { prove_causal("-1e9", filled_with(-1e9), x * 1000); });
  auto query_axis = [](const Tensor& x, std::span<const int> lengths) {
    Tensor may = padding_mask(lengths, x.size(1)).tensor();  // (B, 1, Tk)
    return scaled_dot_product_attention(x, x, x, Mask::keep(may.transpose(1, 2))).output;
  };
  const int lengths[] = {5, 2};
  caught("a padding mask on the queries' axis",
         [&] { prove_padding("query axis", query_axis, x, lengths); });
}

}  // namespace lesson_02
