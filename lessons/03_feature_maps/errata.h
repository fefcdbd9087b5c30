// What the document gets wrong, and four mistakes that are often made with this block, each
// with the number that gives it away.
#pragma once
#include "document.h"

namespace lesson_03 {

// ---- The document's own

// [snippet: prose_and_code]
// The prose divides the scores by the root of the key's width. The code does not. The same
// weights, both ways:
inline void prose_and_code(Checks& checks) {
  Example e;
  SelfAttention2d prose = e.block;
  prose.scaled = true;
  set_gamma(e.block, 0.5), set_gamma(prose, 0.5);
  Attention as_code = e.block(e.input), as_prose = prose(e.input);
  say("    largest weight: %.4f by the code, %.4f by the prose; outputs differ by up to %.4f",
      largest(as_code.weights), largest(as_prose.weights),
      largest(as_code.output - as_prose.output));
  checks.check(largest(as_code.weights) > largest(as_prose.weights) + 0.01,
               "the code, without the scale, has sharper weights than the prose");
}
// [end]

// [snippet: few_channels]
// in_channels // 8 is 0 for fewer than 8 channels. PyTorch notices in the forward pass; here
// the block cannot be made.
inline void few_channels(Checks& checks) {
  std::string message = message_of([] { SelfAttention2d block(7); });
  say("    7 channels: %s", message.c_str());
  checks.check(message.find("7 channels") != std::string::npos,
               "a block of 7 channels is refused when it is made");
}
// [end]

// [snippet: scores_or_output]
// After the product with V, says the prose, we have the attention scores. Scores are one number
// for each pair of pixels; what we have is C numbers for each pixel: the output.
inline void scores_or_output(Checks& checks) {
  Example e;
  Walk w = walk(e.block, e.input);
  say("    numbers for each pixel: %lld scores, %lld after the product with V",
      (long long)w.scores.size(2), (long long)w.out.size(1));
  checks.check(w.scores.size(2) == 24 && w.out.size(1) == 16,
               "scores are one for each pixel, the output is one for each channel");
}
// [end]

// ---- Common ones

// [snippet: elementwise]
// q * k where bmm(q, k) is meant. With 16 channels it is refused. With 8, q is (B, N, 1) and k
// is (B, 1, N): broadcasting makes every product of a pair, which happens to be right. With as
// many pixels as q has channels the shapes agree, nothing is refused, and the result is wrong.
inline double elementwise_is_off_by(int channels, int height, int width) {
  manual_seed(0);
  SelfAttention2d block(channels);
  Walk w = walk(block, randn({2, channels, height, width}));
  return largest(w.q * w.k - w.scores);
}
inline void elementwise(Checks& checks) {
  std::string refusal = message_of([] { elementwise_is_off_by(16, 4, 6); });
  double lucky = elementwise_is_off_by(8, 4, 6), wrong = elementwise_is_off_by(32, 2, 2);
  say("    q * k, 16 channels, 4 x 6: %s", refusal.c_str());
  say("    q * k,  8 channels, 4 x 6: off by %g", lucky);
  say("    q * k, 32 channels, 2 x 2: off by %.4f, without an error", wrong);
  checks.check(refusal != "(no error)" && lucky == 0 && wrong > 0.1,
               "the product of elements is refused, right by luck, or wrong");
}
// [end]

// [snippet: swapped_names]
// "B, C, width, height = x.size()": the sizes are height and width, in this order. The block
// itself does not mind, it uses their product only. Whoever looks for pixel p in the map does.
inline int pixels_found(int height, int width) {
  int called_width = height;  // the swapped name
  int right = 0;
  for (int p = 0; p < height * width; ++p)
    right += p / called_width == p / width && p % called_width == p % width;
  return right;
}
inline void swapped_names(Checks& checks) {
  say("    height called width: %d of 36 pixels found on a 6 x 6 map, %d of 24 on 4 x 6",
      pixels_found(6, 6), pixels_found(4, 6));
  checks.check(pixels_found(6, 6) == 36 && pixels_found(4, 6) < 24,
               "swapped names show on a map that is not square, and only there");
}
// [end]

// [snippet: comment_and_shape]
// A comment says (B, C, N) beside a tensor that is (B, N, C). Nobody runs a comment.
inline void comment_and_shape(Checks& checks) {
  Example e;
  Tensor q = walk(e.block, e.input).q;
  std::string message = message_of([&] { expect_shape(q, {2, 2, 24}); });
  say("    a comment that runs: %s", message.c_str());
  checks.check(message != "(no error)", "expect_shape notices that q is not (B, C / 8, N)");
}
// [end]

// [snippet: wrong_axis]
// In the paper s_ij is the score of key i and query j, and its softmax sums over i. Where the
// queries are the rows, that is the wrong axis: then a key shares itself out, and a query gets
// more or less than one in all.
inline void wrong_axis(Checks& checks) {
  Example e;
  Walk w = walk(e.block, e.input);
  Tensor right = sum(w.attention.detach(), {-1}),
         wrong = sum(softmax(w.scores, 1).detach(), {-1});
  double least = -double(max(-wrong).item()), most = double(max(wrong).item());
  say("    softmax over the queries: rows sum to %.4f ... %.4f, over the keys: to %.4f", least,
      most, double(max(right).item()));
  checks.check(least < 0.99 && most > 1.01 && largest(right - 1) < 1e-5,
               "with softmax over the wrong axis the rows do not sum to 1");
}
// [end]

}  // namespace lesson_03
