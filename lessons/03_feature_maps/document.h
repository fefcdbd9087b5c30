// The document's steps (1) to (4), each shown by numbers.
#pragma once
#include <cmath>
#include <heed.h>
#include "lessons/support/checks.h"
#include "lessons/support/compare.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace lesson_03 {
using namespace heed;

// " 0.1234 -0.5678": the first n numbers, in row-major order
inline std::string numbers(const Tensor& x, size_t n) {
  std::string text;
  std::vector<Scalar> values = x.to_vector();
  for (size_t i = 0; i < std::min(n, values.size()); ++i)
    text += formatted(" %7.4f", double(values[i]));
  return text;
}

inline void set_gamma(SelfAttention2d& block, double value) {
  NoGrad guard;
  block.gamma.fill_(value);
}

// The block and the input that the steps look at: C = 16 channels, 4 x 6 pixels.
struct Example {
  SelfAttention2d block;
  Tensor input;
  Example() : block(seeded(16)), input(randn({2, 16, 4, 6})) {}

 private:
  static SelfAttention2d seeded(int channels) {
    manual_seed(0);
    return SelfAttention2d(channels);
  }
};

// In how many pixels does the output f(x) change when pixel 0 of image 0 does?
template <class F> int reach(const F& f, const Tensor& x) {
  NoGrad guard;
  Tensor moved = x.clone();
  for (int64_t c = 0; c < x.size(1); ++c) moved.set({0, c, 0, 0}, moved.at({0, c, 0, 0}) + 1);
  Tensor change = max(pow(f(moved) - f(x), 2), {1});  // (B, H, W)
  int pixels = 0;
  for (Scalar v : change.select(0, 0).contiguous().to_vector()) pixels += v > 0;
  return pixels;
}

// (1) Distance. A 1 x 1 convolution hears of no other pixel; the block hears of all, in one
// step, wherever they are.
inline void step_1(Checks& checks) {
  Example e;
  set_gamma(e.block, 0.5);
  int by_convolution = reach([&](const Tensor& x) { return e.block.value(x); }, e.input);
  int by_block = reach([&](const Tensor& x) { return e.block(x).output; }, e.input);
  say("(1) distance: one of 24 pixels is changed; pixels of the output that change");
  say("    1 x 1 convolution %2d", by_convolution);
  say("    self-attention    %2d", by_block);
  checks.check(by_convolution == 1 && by_block == 24,
               "a change of one pixel reaches every pixel through the block");
  say();
}

// (2) Dot products against the additive score a . tanh(q + k), which has to keep a vector for
// each pair; and what the width of the keys does to softmax.
inline void step_2(Checks& checks) {
  manual_seed(0);
  Tensor q = randn({1, 64, 4}), k = randn({1, 64, 4}), a = randn({4, 1});
  Tensor dot = matmul(q, k.transpose(1, 2));             // (1, 64, 64)
  Tensor pairs = tanh(q.unsqueeze(2) + k.unsqueeze(1));  // (1, 64, 64, 4)
  Tensor additive = matmul(pairs, a).squeeze(3);         // (1, 64, 64)
  expect_shape(additive, dot.shape());
  say("(2) scores of 64 queries and 64 keys of width 4");
  say("    dot product  %5lld numbers kept", (long long)dot.numel());
  say("    additive     %5lld, and as many tanh", (long long)pairs.numel());
  say("    random queries and keys; spread: of the scores; p: mean of each row's largest");
  say("    weight; slope: mean of its p (1 - p)");
  say("           scores as they are        divided by sqrt(width)");
  say("    width  spread      p  slope      spread      p  slope");
  double slope[2] = {};
  for (int d : {4, 64, 512}) {
    q = randn({64, d}), k = randn({64, d});
    std::string row = formatted("    %5d ", d);
    for (int scaled : {0, 1}) {
      Tensor scores = matmul(q, k.transpose(0, 1)) / (scaled ? std::sqrt(double(d)) : 1);
      Tensor p = max(softmax(scores, -1), {1});
      slope[scaled] = double(mean(p * (1 - p)).item());
      row += formatted(" %6.2f  %.3f  %.3f     ", std::sqrt(double(var(scores).item())),
                       double(mean(p).item()), slope[scaled]);
    }
    say("%s", row.substr(0, row.find_last_not_of(' ') + 1).c_str());
  }
  checks.check(slope[0] < slope[1],
               "at width 512 softmax has the smaller slope without the scale");
  say();
}

// (3) A 1 x 1 convolution is a fully connected layer that is applied to each pixel.
inline void step_3(Checks& checks) {
  Example e;
  const Conv1x1& query = e.block.query;
  Tensor by_pixel = linear(e.input.permute({0, 2, 3, 1}), query.weight.view({2, 16}),
                           *query.bias);  // (B, H, W, 2)
  double apart = largest(by_pixel.permute({0, 3, 1, 2}) - query(e.input));
  say("(3) query by a 1 x 1 convolution, and by a fully connected layer with the same "
      "weights:");
  say("    largest difference %g", apart);
  checks.check(apart < 1e-6, "a 1 x 1 convolution is a fully connected layer at each pixel");
  say();
}

inline void show_shape(const char* what, const Tensor& x, const char* meaning) {
  std::ostringstream shape;
  shape << x.shape();
  say("    %-34s %-14s %s", what, shape.str().c_str(), meaning);
}

// [snippet: walk]
// (4) The document's forward pass, a line a step.
struct Walk {
  Tensor q, k, v, scores, attention, out, output;
};

inline Walk walk(const SelfAttention2d& block, const Tensor& input) {
  int64_t B = input.size(0), height = input.size(2), width = input.size(3);
  Walk w;
  w.q = block.query(input).view({B, -1, height * width}).permute({0, 2, 1});
  w.k = block.key(input).view({B, -1, height * width});
  w.v = block.value(input).view({B, -1, height * width});
  w.scores = matmul(w.q, w.k);
  w.attention = softmax(w.scores, -1);
  w.out = matmul(w.v, w.attention.permute({0, 2, 1}));
  w.output = block.gamma * w.out.view(input.shape()) + input;
  return w;
}
// [end]

inline void show(const Walk& w, const Tensor& input) {
  show_shape("input", input, "B, C, H, W");
  show_shape("q = query(input).view.permute", w.q, "B, N, C / 8");
  show_shape("k = key(input).view", w.k, "B, C / 8, N");
  show_shape("v = value(input).view", w.v, "B, C, N");
  show_shape("scores = bmm(q, k)", w.scores, "B, N, N");
  show_shape("attention = softmax(scores)", w.attention, "B, N, N: each row sums to 1");
  show_shape("out = bmm(v, attention.permute)", w.out, "B, C, N");
  show_shape("output = gamma * out.view + input", w.output, "B, C, H, W");
  say("    pixel 0, scores     %s ...", numbers(w.scores, 6).c_str());
  say("    pixel 0, attention  %s ...", numbers(w.attention, 6).c_str());
  say("    channel 0, out      %s ...", numbers(w.out, 6).c_str());
  say("    channel 0, input    %s ...", numbers(input, 6).c_str());
  say("    channel 0, output   %s ...", numbers(w.output, 6).c_str());
}

// The largest gradient of each parameter, for a loss that weighs every number of the output at
// random, as gradcheck does.
inline std::vector<double> gradients(SelfAttention2d& block, const Tensor& input,
                                     double gamma) {
  set_gamma(block, gamma);
  block.zero_grad();
  manual_seed(1);
  sum(randn(input.shape()) * block(input).output).backward();
  std::vector<double> sizes;
  for (const Tensor& p : block.parameters()) sizes.push_back(largest(p.grad()));
  return sizes;
}

// While gamma is 0 the loss does not depend on what query, key and value do. And the key's bias
// adds the same number to all scores of a row, which softmax does not see.
inline void first_gradients(Example& e, Checks& checks) {
  std::vector<double> at_start = gradients(e.block, e.input, 0),
                      later = gradients(e.block, e.input, 0.5);
  say("    the largest gradient of     gamma = 0   gamma = 0.5");
  auto named = e.block.named_parameters();
  bool zeros = true;
  for (size_t i = 0; i < named.size(); ++i) {
    say("      %-24s %10.1e    %10.1e", named[i].first.c_str(), at_start[i], later[i]);
    zeros = zeros && (named[i].first == "gamma") == (at_start[i] != 0);
  }
  checks.check(zeros, "while gamma is 0 only gamma has a gradient, all others are exactly 0");
  checks.check(named[3].first == "key.bias" && later[3] < 1e-4 * later[1],
               "the key's bias has no gradient but rounding, the query's bias has one");
}

// (4) The module: shapes, the identity at the start, gradients, another shape.
inline void step_4(Checks& checks) {
  Example e;
  say("(4) the module with 16 channels on an input of 4 x 6 pixels, seed 0");
  checks.check(same_bits(e.block(e.input).output, e.input),
               "with gamma = 0 the block gives back its input, bit for bit");
  say("    with gamma = 0.5:");
  set_gamma(e.block, 0.5);
  Walk w = walk(e.block, e.input);
  show(w, e.input);
  Tensor output = w.output;
  checks.check(same_bits(output, e.block(e.input).output),
               "the steps above and SelfAttention2d agree bit for bit");
  Tensor turned = e.block(e.input.transpose(2, 3).contiguous()).output.transpose(2, 3);
  checks.check(largest(turned - output) < 1e-5,
               "the image turned on its side (6 x 4) gives the output turned on its side");
  first_gradients(e, checks);
  say();
}

}  // namespace lesson_03
