// One model, trained from one seed, and its scores.
#pragma once
#include "dates_task.h"
#include "settings.h"

namespace lesson_04 {

struct Outcome {
  Seq2Seq model;
  DatesLog log;
  std::vector<Score> scores;  // of lines of one date, of two, ...
};

inline DatesPlan plan_of(const Settings& settings) {
  return {.steps = settings.steps,
          .batch = settings.batch,
          .most = settings.dates,
          .lr = settings.lr,
          .teacher_forcing = settings.teacher_forcing};
}

inline Outcome run(const Settings& settings, bool attends, uint64_t seed, int hidden,
                   const std::vector<std::vector<DateLine>>& tests, const char* name) {
  manual_seed(seed);
  Outcome result{Seq2Seq(sizes_for_dates(attends, settings.embedding, hidden)), {}, {}};
  result.log = train_on_dates(result.model, plan_of(settings), seed, name);
  for (const std::vector<DateLine>& lines : tests)
    result.scores.push_back(score(result.model, lines));
  return result;
}

}  // namespace lesson_04
