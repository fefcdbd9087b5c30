// The task: dates as people write them to ISO 8601. A training run, and its score.
#pragma once
#include "lessons/support/date_task.h"
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

// ---- How well

inline Reading read_lines(const Seq2Seq& model, const Batch& batch) {
  NoGrad guard;
  Translation writer(model, batch);
  std::vector<Written> texts = greedy(writer, batch.size, batch.target_length - 1);
  return {std::move(texts), std::move(writer.weights)};
}

inline Score score(const Seq2Seq& model, const std::vector<DateLine>& lines) {
  return score_of(lines, read_all(lines, [&](const Batch& b) { return read_lines(model, b); }));
}

// ---- A training run

struct DatesPlan {
  int steps = 600, batch = 32, most = 1;  // most: dates in a line
  double lr = 0.005, teacher_forcing = 1;
  Padding padding = Padding::masked;
  bool sorted = true;
};

// Every fiftieth step the score on 200 unseen lines is taken.
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

}  // namespace lesson_04
