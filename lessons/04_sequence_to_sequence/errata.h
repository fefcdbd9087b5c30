// What the document gets wrong or leaves out, and seven mistakes that others make with such a
// model, each with the number that gives it away.
#pragma once
#include "document.h"
#include "lessons/support/bleu.h"

namespace lesson_04 {

// ---- The document's own

// [snippet: cat_as_written]
// torch.cat(hi, s0) needs a list and an axis. And along the last axis the state has to be
// repeated first, once for each position.
inline void cat_as_written(const Walk& w, Checks& checks) {
  NoGrad guard;
  Encoded source = w.model.encode(w.batch);
  std::string message = message_of([&] { cat({source.states, source.first}, -1); });
  say("    cat(h, s_0): %s", message.c_str());
  checks.check(message.find("[cat]") == 0, "states and s_0 do not fit as they are");
}
// [end]

// [snippet: no_mask]
// Without a padding mask a short sentence in a batch looks at its padding.
inline void no_mask(const Walk& w, Checks& checks) {
  NoGrad guard;
  Seq2Seq unmasked = w.model;
  unmasked.padding = Padding::seen_by_attention;
  Encoded source = unmasked.encode(w.batch);
  Tensor weights =
      (*unmasked.decoder.attention)(source.first, source.projected, source.states, source.mask)
          .weights;
  double padding = 0;
  for (int i = 6; i < 16; ++i) padding += double(weights.at({1, i}));
  say("    \"5/3/79\" in a batch of 16 positions, no mask: %.1f %% of its weight on padding",
      100 * padding);
  checks.check(padding > 0.5, "more than half of its weight lies on padding");
}
// [end]

// ---- Of others

// [snippet: deaf_weights]
// A tutorial computed the weights from the embedded word and the state alone: one number for
// each place of the longest sentence. Such weights cannot depend on what stands there.
inline void deaf_weights(Checks& checks) {
  NoGrad guard;
  manual_seed(0);
  Seq2Seq model(sizes_for_dates());
  Linear places(32 + 64, 16);  // from [embedded; state] to a score for each of 16 places
  Tensor y = model.decoder.embedding(std::vector<int>{BOS}, {1}), state = zeros({1, 64});
  auto weights = [&](const char* text, bool additive) {
    Example example = date_example({text, "", {}});
    Encoded source = model.encode(make_batch(std::span(&example, 1)));
    if (!additive) return softmax(places(cat({y, state}, 1)), 1);
    return (*model.decoder.attention)(state, source.projected, source.states).weights;
  };
  double deaf =
      largest(weights("3rd of May, 1979", false) - weights("Thu, 03 May 1979", false));
  double hears = largest(weights("3rd of May, 1979", true) - weights("Thu, 03 May 1979", true));
  say("    two dates, same word and state; weights from [word; state] differ by %g,", deaf);
  say("    additive ones by %.4f", hears);
  checks.check(deaf == 0 && hears > 0.001,
               "weights that do not see the source are the same for every source");
}
// [end]

// [snippet: gru_over_padding]
// Its successor ran the GRU over the padding: what it hands to the decoder as "the last state"
// is a state after padding.
inline void gru_over_padding(const Walk& w, Checks& checks) {
  NoGrad guard;
  Tensor right = w.model.encoder(w.batch, Padding::masked).first.select(0, 1);
  Tensor wrong = w.model.encoder(w.batch, Padding::seen_by_all).first.select(0, 1);
  double away = largest(right - wrong);
  say("    the GRU over ten positions of padding: s_0 of \"5/3/79\" is off by %.4f", away);
  checks.check(away > 0.01, "a GRU that reads padding changes the first state");
}
// [end]

// [snippet: fed_with_padding]
// A program tests its translator by feeding it padding in place of its own words.
class FedWithPadding : public Translation {
 public:
  using Translation::Translation;
  Tensor next(std::span<const int> words) override {
    std::vector<int> fed(words.size(), PAD);
    if (std::exchange(first_, false)) return Translation::next(words);  // <bos>
    return Translation::next(fed);
  }

 private:
  bool first_ = true;
};

inline void fed_with_padding(const Seq2Seq& trained, Checks& checks) {
  NoGrad guard;
  std::vector<DateLine> lines = test_date_lines(500);
  int right = 0;
  for (size_t i = 0; i < 500; i += 250) {
    std::vector<DateLine> part(&lines[i], &lines[i] + 250);
    Batch batch = batches_of(part, 250)[0];
    FedWithPadding writer(trained, batch);
    std::vector<Written> texts = greedy(writer, 250, 10);
    for (size_t b = 0; b < 250; ++b)
      right += texts[b].ended && texts[b].words == date_example(part[b]).target;
  }
  double own = score(trained, lines).right;
  say("    500 dates, fed with its own words: %.1f %% right; fed with padding: %.1f %%",
      100 * own, right / 5.);
  checks.check(right / 500. < own - 0.05, "a decoder that is fed padding does worse");
}
// [end]

// [snippet: mean_over_batches]
// A mean over batches of the mean over their words depends on how the batches are cut: words of
// a short batch count for more.
inline void mean_over_batches(const Seq2Seq& trained, Checks& checks) {
  NoGrad guard;
  std::vector<DateLine> lines = test_date_lines(100);
  for (const DateLine& line : test_date_lines(100, 3)) lines.push_back(line);  // harder
  double by_batch[2], by_word[2];
  for (int i : {0, 1}) {
    double sum = 0, words = 0, means = 0, batches = 0;
    for (const Batch& batch : batches_of(lines, i == 0 ? 50 : 150)) {
      double n = double(words_in(batch));
      double loss = double(
          loss_of(trained, batch, std::vector<bool>(size_t(batch.target_length), true)).item());
      sum += n * loss, words += n, means += loss, batches += 1;
    }
    by_batch[i] = exact::exp(means / batches), by_word[i] = exact::exp(sum / words);
  }
  say("    perplexity of 200 lines in batches of 50 and of 150:");
  say("      mean over batches %8.3f and %8.3f", by_batch[0], by_batch[1]);
  say("      mean over words   %8.3f and %8.3f", by_word[0], by_word[1]);
  checks.check(std::abs(by_batch[0] / by_batch[1] - 1) > 0.05 &&
                   std::abs(by_word[0] / by_word[1] - 1) < 1e-4,
               "the mean over batches depends on the batches, that over words does not");
}
// [end]

// [snippet: last_token]
// BLEU of texts whose last token is cut off, as if it were <eos>. A text that reached the limit
// has none.
inline void last_token(Checks& checks) {
  std::vector<std::vector<std::string>> references, whole, cut;
  for (const char* text :
       {"a man in a red hat", "two dogs run", "a girl in a blue dress sings"}) {
    references.push_back(split(text, Level::words));
    whole.push_back(references.back());
    cut.push_back(references.back());
    cut.back().pop_back();
  }
  double right = corpus_bleu(whole, references).score;
  double wrong = corpus_bleu(cut, references).score;
  say("    three perfect texts, not ended by <eos>: BLEU %.3f; last token cut off: %.3f", right,
      wrong);
  checks.check(right > 0.999 && wrong < 0.9, "cutting a word that is no <eos> costs BLEU");
}
// [end]

// [snippet: attention_bias]
// The post that the document follows left the attention's bias out of the notebook's model.
inline void attention_bias(Checks& checks) {
  AdditiveAttention with(512, 1024, 512);
  int64_t without = with.parameter_count() - with.query.bias->numel();
  say("    attention of 512 numbers: %lld parameters with its bias, %lld without",
      (long long)with.parameter_count(), (long long)without);
  checks.check(with.parameter_count() - without == 512, "the bias has 512 parameters");
}
// [end]

// [snippet: two_grus]
// Two GRUs go by the name: the reset gate before the product with the state's weights, or
// after. And which of z and 1 - z keeps the state differs between two papers of one year; that
// is only a name: with the weights of z negated it is the same function.
inline void two_grus(Checks& checks) {
  NoGrad guard;
  manual_seed(0);
  GRUCell after(8, 16), before = after, negated = after, candidate = after;
  before.reset = Reset::before_product;
  // rows 16 to 31 of each weight and bias are those of z, between r's and n's
  for (Tensor p : negated.parameters()) p.narrow(0, 16, 16).mul_(-1);  // now 1 - z
  candidate.bias_ih.narrow(0, 16, 16).fill_(-1000);                    // z = 0: n alone
  Tensor x = randn({4, 8}), h = randn({4, 16});
  double apart = largest(after(x, h) - before(x, h));
  // (1 - z) n + z h and z n + (1 - z) h are together n + h
  double same = largest(after(x, h) + negated(x, h) - (candidate(x, h) + h));
  say("    reset before or after the product: outputs differ by %.4f; z for 1 - z: %.0e", apart,
      same);
  checks.check(apart > 0.001 && same < 1e-6,
               "the two resets differ; z and 1 - z are two names for one thing");
}
// [end]

}  // namespace lesson_04
