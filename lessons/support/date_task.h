// The dates as a task to train on: batches without end, and how well and where a model looks.
// For lessons 04 and 06.
#pragma once
#include <algorithm>
#include <functional>
#include <vector>
#include "autograd/tensor.h"
#include "lessons/support/corpus.h"
#include "lessons/support/dates.h"
#include "lessons/support/writing.h"

namespace heed {
inline namespace HEED_PRECISION {

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

// ---- How well

// What is written for some lines, and with which weights: (lines, S) a step.
struct Reading {
  std::vector<Written> texts;
  std::vector<Tensor> weights;
};

// All lines, 250 at a time.
inline std::vector<Reading> read_all(const std::vector<DateLine>& lines,
                                     const std::function<Reading(const Batch&)>& read) {
  std::vector<Reading> readings;
  for (const Batch& batch : batches_of(lines, 250)) readings.push_back(read(batch));
  return readings;
}

// Of a set of lines. mass: the weight that lies on the characters that a digit is read from, in
// the mean over digits; peak: share of the digits whose largest weight lies there; uniform: the
// mass of equal weights.
struct Score {
  double right = 0, characters = 0, mass = 0, peak = 0, uniform = 0;
};

// [snippet: score]
// lines[i].spans[t]: the piece of line i that token t of its target comes from, from character
// first to last - 1; empty for a hyphen and for <eos>.
inline Score score_of(const std::vector<DateLine>& lines,
                      const std::vector<Reading>& readings) {
  Score s;
  double digits = 0, characters = 0;
  size_t line = 0;
  for (const Reading& reading : readings) {
    for (size_t b = 0; b < reading.texts.size(); ++b, ++line) {
      const auto [source, wanted] = date_example(lines[line]);
      const Written& text = reading.texts[b];
      s.right += text.ended && text.words == wanted;
      for (size_t t = 0; t < wanted.size(); ++t, ++characters)
        s.characters += t < text.words.size() && text.words[t] == wanted[t];
      for (size_t t = 0; t < wanted.size() && t < reading.weights.size(); ++t) {
        Span span = lines[line].spans[t];
        if (span.first == span.last) continue;
        const Scalar* w = reading.weights[t].data() + int64_t(b) * reading.weights[t].size(1);
        auto peak = std::max_element(w, w + source.size()) - w;
        for (int i = span.first; i < span.last; ++i) s.mass += double(w[i]);
        s.peak += span.first <= peak && peak < span.last;
        s.uniform += double(span.last - span.first) / double(source.size());
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

// Of a training run: the loss of each step, and some steps with the score of unseen lines.
struct DatesLog {
  std::vector<double> loss, step, right, mass;
};

// How a sentence of the reader's becomes numbers: character by character, in its own case.
inline Language date_language() {
  return {Level::characters,       120, false, false, date_source_vocabulary(),
          date_target_vocabulary()};
}

}  // namespace HEED_PRECISION
}  // namespace heed
