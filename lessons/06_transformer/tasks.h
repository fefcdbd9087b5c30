// The two tasks: the dates of lesson 04, and the copies of the Annotated Transformer.
#pragma once
#include <chrono>
#include "cost.h"
#include "lessons/support/date_task.h"
#include "training.h"
#include "translation.h"

namespace lesson_06 {

inline double seconds_now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// ---- Dates

inline Sizes sizes_for_dates(Norm norm = Norm::first) {
  Sizes sizes{date_source_vocabulary().size(), date_target_vocabulary().size()};
  sizes.norm = norm;
  return sizes;
}

// The weights of a step are (lines, heads, S).
inline Reading read_lines(const Transformer& model, const Batch& batch) {
  NoGrad guard;
  Translation writer(model, batch);
  std::vector<Written> texts = greedy(writer, batch.size, batch.target_length - 1);
  return {std::move(texts), std::move(writer.weights)};
}

// The same readings with the weights of one head, or with the mean of all heads.
inline std::vector<Reading> of_head(std::vector<Reading> readings, int head) {
  for (Reading& reading : readings)
    for (Tensor& w : reading.weights) w = w.select(1, head).contiguous();
  return readings;
}
inline std::vector<Reading> of_mean(std::vector<Reading> readings) {
  for (Reading& reading : readings)
    for (Tensor& w : reading.weights) w = mean(w, {1});
  return readings;
}

struct Scores {
  Score mean;  // its mass and peak are those of the mean of all heads
  std::vector<Score> heads;
};

inline Scores score(const Transformer& model, const std::vector<DateLine>& lines) {
  std::vector<Reading> readings =
      read_all(lines, [&](const Batch& batch) { return read_lines(model, batch); });
  Scores scores{score_of(lines, of_mean(readings)), {}};
  for (int head = 0; head < readings[0].weights[0].size(1); ++head)
    scores.heads.push_back(score_of(lines, of_head(readings, head)));
  return scores;
}

struct DatesRun {
  Transformer model;
  DatesLog log;
  Scores scores;       // of 2,000 unseen dates
  double seconds = 0;  // of the training
  int64_t multiply_adds = 0;
};

inline DatesRun run_dates(const Sizes& sizes, const Plan& plan, uint64_t seed) {
  manual_seed(seed);
  DatesRun run{Transformer(sizes), {}, {}};
  DateStream stream(1000 + seed, plan.batch, 1);
  std::vector<DateLine> unseen = test_date_lines(200);
  auto next = [&] {
    Batch batch = stream.next();
    run.multiply_adds += training(sizes, batch);
    return batch;
  };
  auto look = [&](int step) {
    if (step % 100 != 0) return;
    Score s = score(run.model, unseen).mean;
    run.log.step.push_back(step);
    run.log.right.push_back(s.right), run.log.mass.push_back(s.mass);
  };
  double start = seconds_now();
  run.log.loss = train(run.model, plan, "dates", next, look);
  run.seconds = seconds_now() - start;
  run.scores = score(run.model, test_date_lines(2000));
  return run;
}

// ---- Copies: ten symbols of 1 to 10, the first of them 1. The target is the source; the
// decoder is given the 1, and writes the other nine. There is no padding, and no end.

constexpr int SYMBOLS = 10;

inline Sizes sizes_for_copies(int layers = 1, int width = 32, Norm norm = Norm::first) {
  return {SYMBOLS + 1, SYMBOLS + 1, width, 4, 2 * width, layers, layers, norm};
}

// n sequences, row after row.
inline std::vector<int> draw_sequences(Generator& random, int n) {
  std::vector<int64_t> drawn(size_t(n) * SYMBOLS);
  random.randint(drawn.data(), int64_t(drawn.size()), 1, SYMBOLS + 1);
  for (size_t i = 0; i < drawn.size(); i += SYMBOLS) drawn[i] = 1;
  return {drawn.begin(), drawn.end()};
}

inline Batch copy_batch(const std::vector<int>& sequences) {
  int n = int(sequences.size()) / SYMBOLS;
  Batch batch{n, SYMBOLS, SYMBOLS - 1, sequences, std::vector<int>(size_t(n), SYMBOLS), {}, {}};
  for (auto row = sequences.begin(); row != sequences.end(); row += SYMBOLS) {
    batch.input.insert(batch.input.end(), row, row + SYMBOLS - 1);
    batch.labels.insert(batch.labels.end(), row + 1, row + SYMBOLS);
  }
  return batch;
}

// What the decoder writes from `start` on, start included, row after row.
inline std::vector<int> copies_of(const Transformer& model, const std::vector<int>& sequences,
                                  int start = 1) {
  NoGrad guard;
  Batch batch = copy_batch(sequences);
  Translation writer(model, batch);
  std::vector<int> words(size_t(batch.size), start), copies(sequences.size(), start);
  for (int place = 1; place < SYMBOLS; ++place) {
    words = argmax(writer.next(words), 1);
    for (int b = 0; b < batch.size; ++b) copies[size_t(b * SYMBOLS + place)] = words[size_t(b)];
  }
  return copies;
}

// How many rows are copied without a mistake, the first symbol left aside.
inline int rows_copied(const Transformer& model, const std::vector<int>& sequences,
                       int start = 1) {
  std::vector<int> copies = copies_of(model, sequences, start);
  int right = 0;
  for (size_t row = 0; row < copies.size(); row += SYMBOLS)
    right += std::equal(&copies[row + 1], &copies[row] + SYMBOLS, &sequences[row + 1]);
  return right;
}

struct CopyRun {
  Transformer model;
  std::vector<double> losses;
  int right = 0;             // of 1,000 fresh sequences
  std::vector<int> ordered;  // what is made of 1, 2, ..., 10
  double seconds = 0;
};

inline Plan plan_for_copies() { return {.steps = 400, .warm_up = 50}; }

inline CopyRun run_copies(const Sizes& sizes, const Plan& plan, uint64_t seed) {
  manual_seed(seed);
  CopyRun run{Transformer(sizes), {}, 0, {}};
  Generator training_data(1000 + seed), fresh(77);
  auto next = [&] { return copy_batch(draw_sequences(training_data, plan.batch)); };
  double start = seconds_now();
  run.losses = train(run.model, plan, "copies", next, [](int) {});
  run.seconds = seconds_now() - start;
  run.right = rows_copied(run.model, draw_sequences(fresh, 1000));
  std::vector<int> ordered(SYMBOLS);
  std::iota(ordered.begin(), ordered.end(), 1);
  run.ordered = copies_of(run.model, ordered);
  return run;
}

inline bool is_ordered(const std::vector<int>& copy) {
  for (int i = 0; i < SYMBOLS; ++i)
    if (copy[size_t(i)] != i + 1) return false;
  return true;
}

}  // namespace lesson_06
