// The document's steps (1) to (5), each shown by numbers: a model of E = 32, H = 64 that has
// not been trained, and three dates of different lengths.
#pragma once
#include "dates_task.h"
#include "lessons/support/checks.h"
#include "lessons/support/compare.h"

namespace lesson_04 {

inline void say_shape(const char* what, const Tensor& x, const char* letters) {
  say("    %-34s %-13s %s", what, shape_of(x).c_str(), letters);
}

struct Walk {
  Seq2Seq model;
  Batch batch;
  Walk() : model(seeded()), batch(make_batch(examples())) {}

  static std::vector<Example> examples() {
    std::vector<Example> all;
    for (const char* text : {"3rd of May, 1979", "5/3/79", "Thu, 03 May 1979"})
      all.push_back(date_example({text, "1979-05-03", {}}));
    return all;
  }

 private:
  static Seq2Seq seeded() {
    manual_seed(0);
    return Seq2Seq(sizes_for_dates());
  }
};

// (1) The encoder. "Every hidden state of the last layer" and "the last one of each layer".
inline void step_1(const Walk& w, Checks& checks) {
  NoGrad guard;
  const Encoder& encoder = w.model.encoder;
  Tensor x = encoder.embedding(w.batch.source, {w.batch.size, w.batch.source_length});
  GRUOutput read = encoder.gru(x, w.batch.lengths);
  say("(1) the encoder reads three dates of 16, 6 and 16 characters");
  say_shape("embedded", x, "B, S, E");
  say_shape("encoder_output", read.output, "B, S, 2 H: both directions");
  say_shape("hidden", read.hidden, "2, B, H: the last state of each");
  Tensor end = read.output.select(0, 1).select(0, 5),
         padding = read.output.select(0, 1).select(0, 6);
  Tensor forwards = read.hidden.select(0, 0).select(0, 1);
  checks.check(same_bits(end.narrow(0, 0, 64), forwards) && largest(padding) == 0,
               "\"5/3/79\": the last state is that of its sixth character; padding has none");
  say();
}

// [snippet: concatenated]
// The document's form of the score: one Linear over state and key side by side. Its weight is
// [W_s W_h], so it is the same sum; but here it is done anew at each step, for each key.
inline Tensor concatenated_weights(const AdditiveAttention& attention, const Tensor& state,
                                   const Tensor& keys, const Mask& mask) {
  int64_t B = keys.size(0), S = keys.size(1), H = state.size(1);
  Tensor s = state.unsqueeze(1).expand({B, S, H});
  Tensor weight = cat({attention.query.weight, attention.key.weight}, 1);
  Tensor energy = tanh(linear(cat({s, keys}, 2), weight, *attention.query.bias));  // (B, S, A)
  return attention_weights(attention.score(energy).view({B, 1, S}), mask).squeeze(1);
}
// [end]

// (2) The weights.
inline void step_2(const Walk& w, Checks& checks) {
  NoGrad guard;
  Encoded source = w.model.encode(w.batch);
  const AdditiveAttention& attention = *w.model.decoder.attention;
  Tensor whole = concatenated_weights(attention, source.first, source.states, source.mask);
  Tensor split = attention(source.first, source.projected, source.states, source.mask).weights;
  say("(2) the weights: softmax of v . tanh(W_s s + W_h h) over the source");
  say_shape("W_h h, a vector a character", source.projected, "B, S, A");
  say_shape("weights", split, "B, S");
  say("    cat(h, s) through one Linear, or W_h h once and W_s s at each step: they differ");
  say("    by at most %.0e", largest(whole - split));
  // multiply-adds of the first Linear, for a source of 20 characters and 11 steps
  int64_t S = 20, T = 11, H = 64, A = 64;
  int64_t at_each_step = T * S * (H + 2 * H) * A, once = S * 2 * H * A + T * H * A;
  say("    multiply-adds for 20 characters read and 11 written: %lld, or %lld: 1/%.1f",
      (long long)at_each_step, (long long)once, double(at_each_step) / double(once));
  checks.check(largest(whole - split) < 1e-6, "the concatenated form gives the same weights");
  double sum = 0, hidden = 0;
  for (int i = 0; i < w.batch.source_length; ++i)
    (i < 6 ? sum : hidden) += double(split.at({1, i}));
  checks.check(std::abs(sum - 1) < 1e-6 && hidden == 0,
               "\"5/3/79\": its six weights sum to 1, those of its padding are exactly 0");
  say();
}

// (3) The context.
inline void step_3(const Walk& w, Checks& checks) {
  NoGrad guard;
  Encoded source = w.model.encode(w.batch);
  Attention read =
      (*w.model.decoder.attention)(source.first, source.projected, source.states, source.mask);
  Tensor by_hand = zeros({128});
  for (int i = 0; i < 6; ++i)
    by_hand.add_(source.states.select(0, 1).select(0, i), double(read.weights.at({1, i})));
  say("(3) the context, c = a_1 h_1 + ... + a_m h_m");
  say_shape("context", read.output, "B, 2 H");
  checks.check(largest(by_hand - read.output.select(0, 1)) < 1e-6,
               "\"5/3/79\": the context is the weighted sum of its six states");
  say();
}

// (4) One step of the decoder.
inline void step_4(const Walk& w, Checks& checks) {
  NoGrad guard;
  Encoded source = w.model.encode(w.batch);
  std::vector<int> words(3, BOS);
  Step step = w.model.decoder(words, source.first, source);
  Tensor logits = w.model.decoder.out(step.features);
  say("(4) the decoder, one step");
  say_shape("input = cat(context, embedded)", empty({3, 128 + 32}), "B, 2 H + E");
  say_shape("s_t = rnn(input, s_t-1)", step.state, "B, H");
  say_shape("features = cat(s_t, context, ...)", step.features, "B, 3 H + E");
  say_shape("pre = Linear(features)", logits, "B, words");
  Tensor all = w.model(w.batch, std::vector<bool>(size_t(w.batch.target_length), true));
  say_shape("all steps", all, "B, T, 3 H + E");
  checks.check(same_bits(all.select(1, 0), step.features),
               "the first of all steps is this one, bit for bit");
  say();
}

// (5) Two things to mind.
inline void step_5(const Walk& w, Checks& checks) {
  NoGrad guard;
  Encoded source = w.model.encode(w.batch);
  say("(5) s_0 = tanh(Linear([last forwards; last backwards]))");
  say_shape("last", source.last, "B, 2 H");
  say_shape("s_0", source.first, "B, H");
  // A model that is certain and right: logits 0 but for 1,000 at the label.
  Tensor logits = zeros({1, 15});
  logits.set({0, 7}, 1000);
  std::vector<int> label = {7};
  double once = double(cross_entropy(logits, label).item());
  double twice = double(cross_entropy(softmax(logits, 1), label).item());
  say("    certain and right, of 15 characters: loss %.4f; with a softmax before it %.4f", once,
      twice);
  checks.near("least loss after two softmaxes, ln(1 + 14 / e)", twice,
              exact::log(1 + 14 / exact::exp(1.)), 1e-6);
  say();
}

}  // namespace lesson_04
