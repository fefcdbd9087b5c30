// What the Annotated Transformer, a text with code that many have learned from, and PyTorch's
// own texts get wrong; each with the number that gives it away.
#pragma once
#include "lessons/support/heat_map.h"
#include "proofs.h"

namespace lesson_06 {

// ---- The first example

// [snippet: start_symbol]
// The training data begin with symbol 1, and 0 is padding. The demonstration then copies
// 0, 1, ..., 9, and starts the decoder with 0: rows of the embeddings that no step has moved.
inline void start_symbol(const CopyRun& trained, uint64_t seed, Checks& checks) {
  NoGrad guard;
  manual_seed(seed);
  Transformer untrained(sizes_for_copies());
  auto moved = [&](int symbol) {
    double most = 0;
    for (auto table : {&Transformer::source, &Transformer::target})
      most = std::max(
          most,
          largest(
              ((trained.model.*table).weight - (untrained.*table).weight).select(0, symbol)));
    return most;
  };
  Generator random(77);
  std::vector<int> sequences = draw_sequences(random, 1000), shifted = sequences;
  for (size_t row = 0; row < shifted.size(); row += SYMBOLS) shifted[row] = 0;
  int as_trained = rows_copied(trained.model, sequences);
  int from_0 = rows_copied(trained.model, shifted, 0);
  say("    training has moved the embeddings of 1 by %.3f, those of 0 by %g", moved(1),
      moved(0));
  say("    1,000 sequences copied: started with 1, %d right; with 0, %d", as_trained, from_0);
  checks.check(moved(0) == 0 && moved(1) > 0.1, "the symbol 0 was never trained");
  checks.check(from_0 < as_trained, "started with it, copies go wrong");
}
// [end]

// ---- Maps

// [snippet: labels]
// The maps of the decoder's look at the source have the source's tokens at their rows. But a
// row is a token that is written: here 11 of them for 16 that are read.
inline void wrong_labels(const Transformer& model, Checks& checks) {
  DateLine line{"Thu, 03 May 1979", "1979-05-03", {}};
  Example example = date_example(line);
  Tensor weights = read_lines(model, make_batch(std::span(&example, 1))).weights[0];
  HeatMap map;
  map.title = "decoder, source";
  for (char c : line.source) map.queries.push_back({c}), map.keys.push_back({c});
  map.values.assign(size_t(11 * weights.size(2)), 0);
  std::string message = message_of([&] { as_text(map); });
  say("    %s", message.c_str());
  checks.check(message.find("16") != message.npos, "11 rows do not take 16 labels");
}
// [end]

// ---- Its layer normalisation

// [snippet: normalisation]
// Divides by the unbiased deviation, with eps outside the root. And below a quotation of the
// paper, which normalises last, its code normalises first, as it says itself; each stack then
// needs one more.
inline void normalisation(Checks& checks) {
  NoGrad guard;
  Tensor x = tensor({1, 0, 0, 0}, {1, 4}), centred = x - mean(x, {1}, true);
  Tensor theirs = centred / (sqrt(var(x, {1}, /*correction=*/1, true)) + 1e-6);
  Tensor papers = LayerNorm(4, 1e-12)(x);
  say("    of 1 0 0 0 it makes %.4f ..., the paper on layer normalisation %.4f ...",
      double(theirs.at({0, 0})), double(papers.at({0, 0})));
  say("    of 512 numbers %.1f %% less than the paper", 100 * (1 - std::sqrt(511. / 512)));
  int64_t first = Transformer(sizes_for_dates(Norm::first)).parameter_count();
  int64_t last = Transformer(sizes_for_dates(Norm::last)).parameter_count();
  say("    normalised first: %lld parameters; last, as in the paper: %lld", (long long)first,
      (long long)last);
  checks.near("by the unbiased deviation", double(theirs.at({0, 0})), 1.5, 1e-4);
  checks.near("by the paper", double(papers.at({0, 0})), std::sqrt(3.), 1e-4);
  checks.check(first - last == 4 * 64, "two normalisations more, of 64 numbers twice");
}
// [end]

// ---- Its training loop

// [snippet: accumulation]
// Gradients of n small batches, here four, shall be added up to that of a large one. Its test
// `i % n == 0` takes the first step after ONE of them, and those after it are right; and the
// division by n is commented out.
inline void accumulation(Checks& checks) {
  manual_seed(0);
  Transformer model(sizes_for_copies());
  Generator random(5);
  std::vector<int> all = draw_sequences(random, 32);
  auto part = [&](int i) {
    return copy_batch({&all[size_t(i) * 80], &all[size_t(i) * 80] + 80});  // eight sequences
  };
  auto gradient = [&] { return model.out.weight.grad().clone(); };
  loss_of(model, copy_batch(all), 0.1).backward();
  Tensor whole = gradient();
  model.zero_grad();
  for (int i = 0; i < 4; ++i) (loss_of(model, part(i), 0.1) / 4).backward();
  double right = largest(gradient() - whole) / largest(whole);
  model.zero_grad();
  for (int i = 0; i < 4; ++i) loss_of(model, part(i), 0.1).backward();
  double undivided = largest(gradient()) / largest(whole);
  std::string theirs, ours;
  for (int i = 0; i < 8; ++i) {
    if (i % 4 == 0) theirs += formatted(" %d", i + 1);
    if ((i + 1) % 4 == 0) ours += formatted(" %d", i + 1);
  }
  say("    of eight small batches it takes steps after%s; right is after%s", theirs.c_str(),
      ours.c_str());
  say("    four gradients, each divided by four: off by %.0e from the large batch's; undivided:"
      " %.2f times as large",
      right, undivided);
  checks.check(theirs == " 1 5" && ours == " 4 8", "its first step has seen one of four");
  checks.check(right < 1e-5 && std::abs(undivided - 4) < 1e-3,
               "a sum is a mean only if it is divided");
}
// [end]

// [snippet: smoothing]
// Its example of label smoothing takes the logarithm of predictions that contain zeros. (It
// then draws the targets alone, so the infinite loss is not seen.) And its smoothing spreads
// over all words but the right one and padding; PyTorch's over all words.
inline void smoothing(Checks& checks) {
  NoGrad guard;
  constexpr double s = 0.4;
  Tensor p = tensor({0, 0.2, 0.7, 0.1, 0}, {5});
  Tensor target = tensor({0, s / 3, 1 - s, s / 3, s / 3}, {5});
  double theirs = 0;  // sum of t (ln t - ln p); what has t = 0 counts nothing
  for (int i = 0; i < 5; ++i) {
    double t = double(target.at({i}));
    if (t > 0) theirs += t * (double(log(target).at({i})) - double(log(p).at({i})));
  }
  Tensor logits = tensor({-9, 1.6, 2.9, 0.9, -9}, {1, 5});
  double loss =
      double(cross_entropy(logits, std::vector<int>{2}, {.label_smoothing = s}).item());
  say("    the loss of its example: %f; from logits, of which softmax makes no zeros: %.4f",
      theirs, loss);
  say("    five words, one of them padding: target of a wrong and of the right word by its rule"
      " %.4f %.4f, by PyTorch's %.4f %.4f",
      s / 3, 1 - s, s / 5, 1 - s + s / 5);
  checks.check(std::isinf(theirs) && std::isfinite(loss), "its example costs infinitely much");
}
// [end]

// ---- PyTorch's own texts

// [snippet: polarity]
// In torch.nn.Transformer True means hidden, in scaled_dot_product_attention visible. And a
// tutorial on language models said that an encoder's attention may only look back: so it is for
// its task, and not for a translator.
inline void polarity(const Transformer& model, Checks& checks) {
  NoGrad guard;
  manual_seed(0);
  Tensor x = randn({1, 6, 8}), future = 1 - causal_mask(6).tensor();  // 1: hidden
  auto ahead = [&](const Mask& mask) {
    Tensor weights = scaled_dot_product_attention(x, x, x, mask).weights;
    return double(sum(weights * future).item()) / 6;
  };
  say("    weight on later tokens, mean of six rows: the mask read as hidden %g, read as"
      " visible %.4f",
      ahead(Mask::hide(future)), ahead(Mask::keep(future)));
  checks.check(ahead(Mask::hide(future)) == 0 && ahead(Mask::keep(future)) > 0.8,
               "the other way round five rows see only what they must not, and the last none");
  std::vector<DateLine> lines = test_date_lines(500);
  int right = 0;
  size_t line = 0;
  for (const Batch& batch : batches_of(lines, 250)) {
    Mask padding = padding_mask(batch.lengths, batch.source_length);
    Tensor letters =
        model.embedded(model.source, batch.source, {batch.size, batch.source_length}, 0);
    Mask wrong = combine(padding, causal_mask(batch.source_length));
    Translation writer(model, model.decoder.read(model.encoder(letters, wrong), padding));
    for (const Written& text : greedy(writer, batch.size, batch.target_length - 1))
      right += text.ended && text.words == date_example(lines[line++]).target;
  }
  double free = score(model, lines).mean.right;
  say("    500 dates: %.1f %% right; the same model's encoder kept from looking ahead: %.1f %%",
      100 * free, right / 5.);
  checks.check(right / 500. < free - 0.05, "an encoder that may not look ahead does worse");
}
// [end]

}  // namespace lesson_06
