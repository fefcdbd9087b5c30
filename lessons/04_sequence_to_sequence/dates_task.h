// The task: dates as people write them to ISO 8601. Its batches, a training run, and how well
// and where a model looks.
#pragma once
#include <functional>
#include "lessons/support/corpus.h"
#include "lessons/support/dates.h"
#include "lessons/support/heat_map.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"
#include "training.h"

namespace lesson_04 {

inline Sizes sizes_for_dates(bool attends = true, int embedding = 32, int hidden = 64) {
  return {date_source_vocabulary().size(),
          date_target_vocabulary().size(),
          embedding,
          hidden,
          0,
          attends};
}

// [snippet: stream]
// Fresh training lines without end, each of 1 to `most` dates with even odds. Eight batches at
// a time are drawn, sorted by length, cut and shuffled, so that little of a batch is padding;
// unsorted ones have lines of all lengths.
class DateStream {
 public:
  DateStream(uint64_t seed, int batch_size, int most, bool sorted = true)
      : random_(seed), batch_size_(batch_size), most_(most), sorted_(sorted) {}

  Batch next() {
    if (at_ == batches_.size()) draw();
    return make_batch(pool_, batches_[at_++]);
  }

 private:
  void draw() {
    pool_.clear();
    for (int i = 0; i < batch_size_ * (sorted_ ? 8 : 1); ++i) {
      int dates = most_ == 1 ? 1 : int(random_.randint(1, most_ + 1));
      pool_.push_back(date_example(draw_date_line(random_, Days::training, dates)));
    }
    batches_ = similar_lengths(pool_, batch_size_, 8, random_);
    at_ = 0;
  }

  Generator random_;
  int batch_size_, most_;
  bool sorted_;
  std::vector<Example> pool_;
  std::vector<std::vector<int>> batches_;
  size_t at_ = 0;
};
// [end]

// ---- How well

// Of a set of lines. mass: the weight that lies on the characters that a digit is read from, in
// the mean over digits; peak: share of the digits whose largest weight lies there; uniform: the
// mass of equal weights.
struct Score {
  double right = 0, characters = 0, mass = 0, peak = 0, uniform = 0;
};

// What is written for some lines, and with which weights: (lines, S) a step.
struct Reading {
  std::vector<Written> texts;
  std::vector<Tensor> weights;
};

inline Reading read_lines(const Seq2Seq& model, const Batch& batch) {
  NoGrad guard;
  Translation writer(model, batch);
  std::vector<Written> texts = greedy(writer, batch.size, batch.target_length - 1);
  return {std::move(texts), std::move(writer.weights)};
}

inline std::vector<Batch> batches_of(const std::vector<DateLine>& lines, size_t size) {
  std::vector<Batch> batches;
  for (size_t at = 0; at < lines.size(); at += size) {
    std::vector<Example> examples;
    for (size_t i = at; i < std::min(at + size, lines.size()); ++i)
      examples.push_back(date_example(lines[i]));
    batches.push_back(make_batch(examples));
  }
  return batches;
}

// [snippet: score]
// lines[i].spans[t]: the piece of line i that token t of its target comes from, from character
// first to last - 1; empty for a hyphen and for <eos>.
inline Score score(const Seq2Seq& model, const std::vector<DateLine>& lines) {
  Score s;
  double digits = 0, characters = 0;
  size_t line = 0;
  for (const Batch& batch : batches_of(lines, 250)) {
    Reading reading = read_lines(model, batch);
    for (int b = 0; b < batch.size; ++b, ++line) {
      const std::vector<int> wanted = date_example(lines[line]).target;
      const Written& text = reading.texts[size_t(b)];
      s.right += text.ended && text.words == wanted;
      for (size_t t = 0; t < wanted.size(); ++t, ++characters)
        s.characters += t < text.words.size() && text.words[t] == wanted[t];
      const int length = batch.lengths[size_t(b)];
      for (size_t t = 0; t < wanted.size() && t < reading.weights.size(); ++t) {
        Span span = lines[line].spans[t];
        if (span.first == span.last) continue;
        const Scalar* w = reading.weights[t].data() + b * batch.source_length;
        auto peak = std::max_element(w, w + length) - w;
        for (int i = span.first; i < span.last; ++i) s.mass += double(w[i]);
        s.peak += span.first <= peak && peak < span.last;
        s.uniform += double(span.last - span.first) / length;
        ++digits;
      }
    }
  }
  s.right /= double(lines.size());
  s.characters /= characters;
  for (double* share : {&s.mass, &s.peak, &s.uniform}) *share /= std::max(1., digits);
  return s;
}
// [end]

// ---- A training run

struct DatesPlan {
  int steps = 600, batch = 32, most = 1;  // most: dates in a line
  double lr = 0.005, teacher_forcing = 1;
  Padding padding = Padding::masked;
  bool sorted = true;
};

// The loss of each step, and every fiftieth step the score on 200 unseen lines.
struct DatesLog {
  std::vector<double> loss, step, right, mass;
};

// [snippet: train]
inline DatesLog train_on_dates(Seq2Seq& model, const DatesPlan& plan, uint64_t seed,
                               const char* name) {
  model.padding = plan.padding;
  DateStream stream(1000 + seed, plan.batch, plan.most, plan.sorted);
  Trainer trainer(model, {{.lr = plan.lr, .beta2 = 0.98}, 1, plan.teacher_forcing});
  std::vector<DateLine> unseen = test_date_lines(200, plan.most);
  DatesLog log;
  Progress bar(name, plan.steps);
  for (int step = 0; step < plan.steps; ++step) {
    log.loss.push_back(trainer.step(stream.next(), cosine(step, plan.steps, 0.02)));
    bar.step(formatted("loss %.4f", log.loss.back()));
    if ((step + 1) % 50 != 0) continue;
    Score s = score(model, unseen);
    log.step.push_back(step + 1), log.right.push_back(s.right), log.mass.push_back(s.mass);
  }
  return log;
}
// [end]

// How a sentence of the reader's becomes numbers: character by character, in its own case.
inline Language date_language() {
  return {Level::characters,       120, false, false, date_source_vocabulary(),
          date_target_vocabulary()};
}

}  // namespace lesson_04
