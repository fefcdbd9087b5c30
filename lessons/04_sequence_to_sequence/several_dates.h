// Lines of one to three dates: what attention buys when there is more to read than a vector
// holds.
#pragma once
#include "experiment.h"
#include "lessons/support/checks.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/weights.h"

namespace lesson_04 {

inline void say_rows(const Outcome& o, bool attends, uint64_t seed) {
  std::string right, mass;
  for (const Score& s : o.scores) {
    right += formatted(" %8.1f", 100 * s.right);
    mass += formatted(" %8.3f", s.mass);
  }
  say("      seed %lld, %-15s%s", (long long)seed, attends ? "attention" : "without",
      right.c_str());
  if (attends) say("        its mass             %s", mass.c_str());
}

inline void check_rows(const Outcome& o, bool attends, uint64_t seed, int most,
                       Checks& checks) {
  const double without[] = {0.75, 0.05, 0.01};
  for (int d = 0; d < most; ++d) {
    double right = o.scores[size_t(d)].right;
    checks.check(attends ? right >= 0.98 : right < without[d],
                 "seed %lld, %d date%s, %s %g %%", (long long)seed, d + 1, d ? "s" : "",
                 attends ? "attention: at least" : "without: below",
                 attends ? 98. : 100 * without[d]);
  }
}

inline void draw_dates(const Settings& settings, const std::vector<Outcome>& outcomes) {
  LineChart chart{"Lines of several dates", "dates in a line", "right", {}, 0., 1.};
  for (size_t i : {0, 1}) {
    Series series{i == 0 ? "with attention" : "without", {}, {}};
    for (const Score& s : outcomes[i].scores) {
      series.y.push_back(s.right);
      series.x.push_back(double(series.y.size()));
    }
    chart.series.push_back(series);
  }
  print(chart);
  write_svg(chart, settings.out + "/dates.svg");
}

// Lines of 1 to `most` dates, with attention and without: one vector cannot hold several.
inline int several_dates(const Settings& settings) {
  const int most = settings.dates;
  std::vector<std::vector<DateLine>> tests;
  std::string header;
  for (int dates = 1; dates <= most + 2; ++dates) {
    tests.push_back(test_date_lines(500, dates));
    header += formatted(" %8s", formatted("%d%s", dates, dates > most ? "*" : "").c_str());
  }
  say("Trained on lines of 1 to %d dates, %d steps; right of 500 unseen lines, %%", most,
      settings.steps);
  say("    dates in a line          %s", header.c_str());
  std::vector<Outcome> outcomes;
  for (int i = 0; i < settings.seeds; ++i)
    for (bool attends : {true, false}) {
      uint64_t seed = settings.seed + uint64_t(i);
      outcomes.push_back(run(settings, attends, seed, settings.hidden + (attends ? 0 : 5),
                             tests, attends ? "with attention" : "without"));
      say_rows(outcomes.back(), attends, seed);
    }
  say("    * more dates than in any line of the training");
  say();
  draw_dates(settings, outcomes);
  say();
  Checks checks;
  std::vector<const Module*> models;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (settings.claims)
      check_rows(outcomes[i], i % 2 == 0, settings.seed + i / 2, most, checks);
    models.push_back(&outcomes[i].model);
  }
  int status = checks.finish();
  say_weights(models);
  return status;
}

}  // namespace lesson_04
