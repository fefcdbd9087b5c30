// Mistakes: the document's own, and others that are often made with masks and attention. Each
// wrong version is run beside the right one, with the number that gives it away.
#pragma once
#include <cmath>
#include <limits>
#include "document.h"
#include "layouts.h"
#include "lessons/support/checks.h"
#include "lessons/support/compare.h"

namespace lesson_02 {

// One row of x, as if x had two dimensions.
inline std::string row_of(const Tensor& x, int64_t row, const char* format = " %.4f") {
  std::string text;
  Tensor rows = x.detach().reshape({-1, x.size(-1)});
  for (int64_t j = 0; j < rows.size(1); ++j) {
    double number = double(rows.at({row, j}));
    text += number == number ? formatted(format, number) : "   nan";  // its sign says nothing
  }
  return text;
}

// ---- The document's

// [snippet: prose_reversed]
// The prose says that yellow, 1, is hidden. Read so, the first token sees the future only, and
// the last one sees nothing.
inline void prose_reversed(Checks& checks) {
  Tensor mask = subsequent_mask(4);
  Tensor x = randn({1, 4, 8});
  Tensor code = scaled_dot_product_attention(x, x, x, Mask::keep(mask)).weights;
  Tensor prose = scaled_dot_product_attention(x, x, x, Mask::hide(mask)).weights;
  double code_future = 0, prose_future = 0;
  for (int i = 0; i < 4; ++i)
    for (int j = i + 1; j < 4; ++j) {
      code_future += double(code.at({0, i, j}));
      prose_future += double(prose.at({0, i, j}));
    }
  say("    the mask's 1 read as the code has it: weight on later tokens %.4f", code_future);
  say("    read as the prose has it: %.4f, and the last row sums to %.4f", prose_future,
      double(sum(prose.select(1, 3)).item()));
  checks.check(code_future == 0 && std::abs(prose_future - 3) < 1e-5,
               "read as in the prose, all weight of three rows is on later tokens");
}
// [end]

// deepcopy copies the numbers, too: four projections that start as one.
inline void equal_clones(Checks& checks) {
  Linear first(16, 16);
  std::vector<Linear> copied = clones(first, 4), drawn;
  for (int i = 0; i < 4; ++i) drawn.emplace_back(16, 16);
  double wrong = largest(copied[0].weight - copied[1].weight);
  double right = largest(drawn[0].weight - drawn[1].weight);
  say("    largest difference of two projections: copied %.4f, drawn one by one %.4f", wrong,
      right);
  checks.check(wrong == 0 && right > 0.1, "copies are equal, layers drawn one by one are not");
}

// What is split into heads is the projections' last dimension; QK^T's is the number of keys.
inline void what_is_split(Checks& checks) {
  Tensor q = randn({2, 4, 512}), scores = matmul(q, q.transpose(-2, -1));
  std::string error = error_of([&] { scores.view({2, 4, HEADS, -1}); });
  say("    Q K^T is %s; its last dimension in 8 parts:\n    %s",
      in_words(scores.shape()).c_str(), error.c_str());
  Tensor split = split_heads(q, HEADS);
  say("    the projection's last dimension in 8 parts: %s", in_words(split.shape()).c_str());
  checks.check(error != "nothing" && split.shape() == Shape{2, HEADS, 4, 64},
               "the scores cannot be split into heads, the projections can");
}

// ---- Others'

// [snippet: layer_norm]
// A layer normalisation with the unbiased deviation, and eps outside the root.
inline void unbiased_layer_norm(Checks& checks) {
  Tensor x = tensor({1, 0, 0, 0}, {1, 4});
  Tensor centred = x - mean(x, {1}, true);
  Tensor wrong = centred / (sqrt(var(x, {1}, /*correction=*/1, true)) + 1e-6);
  Tensor right = LayerNorm(4, 1e-12)(x);
  double w = double(wrong.at({0, 0})), r = double(right.at({0, 0}));
  say("    LayerNorm of 1 0 0 0 begins with %.4f by the unbiased deviation, with %.4f by the "
      "paper",
      w, r);
  checks.near("by the unbiased deviation", w, 1.5, 1e-4);
  checks.near("by the paper: the square root of 3", r, std::sqrt(3.), 1e-4);
}
// [end]

// [snippet: both_padding]
// Hidden only where query AND key are padding: what a product of the two makes. Three real
// tokens of five, all scores 0.
inline void both_padding(Checks& checks) {
  Tensor key = tensor({1, 1, 1, 0, 0}, {1, 5}), query = key.transpose(0, 1);
  Tensor scores = zeros({5, 5});
  Tensor wrong = softmax(scores - 10000 * ((1 - key) * (1 - query)), -1);
  Tensor right = masked_softmax(scores, key);
  auto on_padding = [](const Tensor& w) { return double(w.at({0, 3}) + w.at({0, 4})); };
  say("    a real query's weight on padding: %.4f if only both hide, %.4f if the key decides",
      on_padding(wrong), on_padding(right));
  checks.near("on padding, hidden where both are padding", on_padding(wrong), 0.4, 1e-6);
  checks.near("on padding, hidden where the key is", on_padding(right), 0, 0);
}
// [end]

// A sentence of length 0 in a batch: the mask hides every key.
inline void length_zero(Checks& checks) {
  const int lengths[] = {4, 0};
  Tensor may = padding_mask(lengths, 4).tensor();  // (2, 1, 4)
  Tensor scores = randn({2, 1, 4}), value = full({2, 4, 1}, 7);
  Tensor wrong = softmax(masked_fill(scores, may == 0, -1e6), -1);
  Tensor right = masked_softmax(scores, may);
  say("    length 0, -1e6: weights%s, output of padding that holds 7: %.4f",
      row_of(wrong, 1).c_str(), double(matmul(wrong, value).at({1, 0, 0})));
  say("    length 0, hidden: weights%s, output %.4f", row_of(right, 1).c_str(),
      double(matmul(right, value).at({1, 0, 0})));
  checks.near("-1e6: the padding's mean", double(matmul(wrong, value).at({1, 0, 0})), 7, 1e-5);
  checks.near("hidden: nothing", double(matmul(right, value).at({1, 0, 0})), 0, 0);
}

// Eight constants in place of a mask, and what each does
//   far:     to a row whose visible scores are -20000 and -20001, beside two hidden ones
//   row:     to a row that may see nothing
//   added:   to such a row, if the constant is added to the scores and does not replace them
inline void mask_constants(Checks& checks) {
  Tensor may = tensor({1, 1, 0, 0}, {1, 4}), none = zeros({1, 4});
  Tensor far = tensor({-20000, -20001, 3, 1}, {1, 4}), row = tensor({3, 1, 0, 2}, {1, 4});
  const double INF = std::numeric_limits<double>::infinity();
  const double LOWEST = double(std::numeric_limits<float>::lowest());
  say("    %-8s %-26s %-26s %s", "constant", "far", "row", "added");
  for (double c : {0., -1e4, -1e6, -1e9, -1e10, -9e15, LOWEST, -INF}) {
    Tensor filled = softmax(masked_fill(far, may == 0, c), -1);
    Tensor nowhere = softmax(masked_fill(row, none == 0, c), -1);
    Tensor added = softmax(row + full({1, 4}, c), -1);
    say("    %-8.2g%s  %s  %s", c, row_of(filled, 0, " %5.3f").c_str(),
        row_of(nowhere, 0, " %5.3f").c_str(), row_of(added, 0, " %5.3f").c_str());
    double hidden = double(filled.at({0, 2}) + filled.at({0, 3}));
    if (c == -1e4) checks.near("-1e4: weight on what is hidden", hidden, 1, 1e-6);
    if (c == -INF)
      checks.check(std::isnan(double(nowhere.at({0, 0}))),
                   "-inf: NaN where nothing is visible");
  }
  Tensor filled = masked_softmax(far, may), nowhere = masked_softmax(row, none);
  say("    %-8s%s  %s", "a mask", row_of(filled, 0, " %5.3f").c_str(),
      row_of(nowhere, 0, " %5.3f").c_str());
  checks.check(double(filled.at({0, 2})) == 0 && largest(nowhere) == 0,
               "a mask: 0 where hidden, and 0 in a row that sees nothing");
}

// [snippet: key_bias]
// A bias of the keys adds q . b to all scores of a query alike, and softmax takes it away.
inline void key_bias(Checks& checks) {
  Linear query(16, 16), key(16, 16), value(16, 16);
  Tensor x = randn({2, 5, 16}), c = randn({2, 5, 16});
  sum(c * scaled_dot_product_attention(query(x), key(x), value(x)).output).backward();
  double of_key = largest(key.bias->grad()), of_query = largest(query.bias->grad());
  say("    largest gradient: query bias %.4f, key bias %.1e", of_query, of_key);
  checks.check(of_query > 1e-2 && of_key < 1e-5 * of_query,
               "the key bias has no gradient, but for rounding");
}
// [end]

}  // namespace lesson_02
