// Who knows where a sentence ends: proofs that padding changes nothing, and what it costs if
// somebody does not know.
#pragma once
#include "dates_task.h"
#include "document.h"

namespace lesson_04 {

// ---- Proofs

// A batch with `more` positions of padding behind every source.
inline Batch padded_further(const Batch& batch, int more) {
  Batch longer = batch;
  longer.source_length += more;
  longer.source.assign(size_t(batch.size * longer.source_length), PAD);
  for (int b = 0; b < batch.size; ++b)
    std::copy_n(&batch.source[size_t(b * batch.source_length)], batch.source_length,
                &longer.source[size_t(b * longer.source_length)]);
  return longer;
}

// What a model says of a batch, told the right words, and what it writes itself.
struct Said {
  Tensor features;  // (B, T, 3 H + E)
  std::vector<Written> texts;
  std::vector<Tensor> gradients;  // of the loss, a parameter each
};

inline Said said_of(Seq2Seq& model, const Batch& batch) {
  std::vector<bool> told(size_t(batch.target_length), true);
  Said said{{}, read_lines(model, batch).texts, {}};
  {
    NoGrad guard;
    said.features = model(batch, told);
  }
  model.zero_grad();
  loss_of(model, batch, told).backward();
  for (const Tensor& p : model.parameters()) said.gradients.push_back(p.grad().clone());
  model.zero_grad();
  return said;
}

// The largest difference of a gradient, as a share of the largest gradient.
inline double apart(const Said& a, const Said& b) {
  double most = 0, scale = 0;
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    most = std::max(most, largest(a.gradients[i] - b.gradients[i]));
    scale = std::max(scale, largest(a.gradients[i]));
  }
  return scale < INFINITY ? most / scale : INFINITY;
}

// [snippet: proofs]
inline void prove_padding(Seq2Seq& model, const Batch& batch, Checks& checks) {
  Said as_it_is = said_of(model, batch);
  bool same = true;
  double gradients = 0;
  for (int more : {1, 2, 3, 20}) {
    Said padded = said_of(model, padded_further(batch, more));
    same = same && same_bits(as_it_is.features, padded.features) &&
           same_texts(as_it_is.texts, padded.texts);
    gradients = std::max(gradients, apart(as_it_is, padded));
  }
  say("    1, 2, 3 and 20 positions of padding more: gradients differ by %g of the largest",
      gradients);
  checks.check(same, "padding changes no bit of an output and no character that is written");
  checks.check(gradients < 1e-6, "padding changes gradients by no more than rounding");
}

inline void prove_batch(Seq2Seq& model, const std::vector<Example>& examples, Checks& checks) {
  Batch all = make_batch(examples);
  Said together = said_of(model, all);
  bool same = true;
  for (int b = 0; b < all.size; ++b) {
    Batch one = make_batch(std::span(&examples[size_t(b)], 1));
    Said alone = said_of(model, one);
    Tensor row = together.features.narrow(0, b, 1).narrow(1, 0, one.target_length);
    same = same && same_bits(row.contiguous(), alone.features) &&
           same_texts({together.texts[size_t(b)]}, alone.texts);
  }
  checks.check(same, "a batch of %d gives what %d batches of one give, bit for bit", all.size,
               all.size);
}

inline void prove_beam(const Seq2Seq& model, const Batch& batch, Checks& checks) {
  NoGrad guard;
  Translation by_greed(model, batch), by_beam(model, batch);
  checks.check(
      same_texts(greedy(by_greed, batch.size, 30), beam_search(by_beam, batch.size, 1, 30)),
      "a beam of width 1 writes what greedy decoding writes");
}
// [end]

// ---- What a missing mask costs

// For each line: what is written when it comes alone, in a batch of 64 lines of all lengths,
// and alone with 20 positions of padding.
struct Writings {
  std::vector<Written> alone, in_batch, padded;
};

inline std::vector<Written> write_all(const Seq2Seq& model, const std::vector<DateLine>& lines,
                                      size_t batch_size, int more) {
  std::vector<Written> all;
  for (const Batch& batch : batches_of(lines, batch_size))
    for (Written& text : read_lines(model, padded_further(batch, more)).texts)
      all.push_back(std::move(text));
  return all;
}

inline int right_of(const std::vector<Written>& texts, const std::vector<DateLine>& lines) {
  int right = 0;
  for (size_t i = 0; i < lines.size(); ++i)
    right += texts[i].ended && texts[i].words == date_example(lines[i]).target;
  return right;
}
inline int changed(const std::vector<Written>& a, const std::vector<Written>& b) {
  int count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += !same_texts({a[i]}, {b[i]});
  return count;
}

// A row of the table: right alone, in a batch, padded; changed in a batch, padded.
struct MaskRow {
  int alone, in_batch, batch_changed, padded, padded_changed;
};

inline MaskRow mask_row(Seq2Seq& model, Padding padding, const std::vector<DateLine>& lines) {
  Padding before = std::exchange(model.padding, padding);
  Writings w{write_all(model, lines, 1, 0), write_all(model, lines, 64, 0),
             write_all(model, lines, 1, 20)};
  model.padding = before;
  return {right_of(w.alone, lines), right_of(w.in_batch, lines), changed(w.alone, w.in_batch),
          right_of(w.padded, lines), changed(w.alone, w.padded)};
}

// Two models: one trained with all masks; one without any, on batches of all lengths, as they
// come. Each is tested in three ways.
inline void mask_table(uint64_t seed, int steps, bool claims, Checks& checks) {
  std::vector<DateLine> lines = test_date_lines(1000);
  say("What a missing mask costs: of 1,000 unseen dates, right and changed");
  say("    trained      tested              alone   in a batch   changed   +20 pads   changed");
  std::vector<MaskRow> rows;
  for (Padding training : {Padding::masked, Padding::seen_by_all}) {
    bool with = training == Padding::masked;
    manual_seed(seed);
    Seq2Seq model(sizes_for_dates());
    DatesPlan plan{.steps = steps, .padding = training, .sorted = with};
    train_on_dates(model, plan, seed, with ? "with masks" : "without masks");
    for (Padding testing :
         {Padding::masked, Padding::seen_by_attention, Padding::seen_by_all}) {
      MaskRow r = mask_row(model, testing, lines);
      say("    %-12s %-18s %6d %12d %9d %10d %9d", with ? "with masks" : "without any",
          testing == Padding::masked              ? "with masks"
          : testing == Padding::seen_by_attention ? "attention without"
                                                  : "no mask at all",
          r.alone, r.in_batch, r.batch_changed, r.padded, r.padded_changed);
      rows.push_back(r);
    }
  }
  for (int i : {0, 3})
    checks.check(rows[size_t(i)].batch_changed == 0 && rows[size_t(i)].padded_changed == 0,
                 "tested with masks, padding changes nothing (%s)",
                 i == 0 ? "trained with masks" : "trained without");
  if (!claims) return;
  for (int i : {1, 2})
    checks.check(rows[size_t(i)].alone == rows[0].alone &&
                     rows[size_t(i)].in_batch < rows[0].in_batch - 50,
                 "trained with masks, then tested without: padding costs more than 50 dates");
  checks.check(rows[5].in_batch > rows[5].alone + 20,
               "the trap: trained without masks, it does better in batches than alone");
  say();
}

}  // namespace lesson_04
