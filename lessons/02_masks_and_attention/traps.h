// The task over many seeds, and what goes wrong if one thing is changed.
#pragma once
#include <string>
#include <vector>
#include "reverse.h"
#include "lessons/support/checks.h"

namespace lesson_02 {

// Means and worst values over seeds; shares, 0 to 1.
struct Row {
  // worst_*: the least of the seeds, or the greatest loss
  double exact = 0, worst_exact = 1, worst_digits = 1, mass = 0, worst_mass = 1,
         worst_query = 1, worst_largest = 1, worst_best_head = 1, worst_loss = 0;
  double places[T] = {}, masses[T] = {};
};

// Trains and scores one model for each seed, 0 to seeds - 1, each from its own start.
inline Row over_seeds(const Run& run, int seeds) {
  Row row;
  for (int seed = 0; seed < seeds; ++seed) {
    manual_seed(uint64_t(seed));
    Reverser model(run);
    train(model, run.steps);
    Score s = score(model, uint64_t(seed));
    row.exact += s.exact / seeds, row.worst_exact = std::min(row.worst_exact, s.exact);
    row.mass += s.mass / seeds, row.worst_mass = std::min(row.worst_mass, s.mass);
    row.worst_digits = std::min(row.worst_digits, s.digits);
    row.worst_query = std::min(row.worst_query, s.worst_query());
    row.worst_largest = std::min(row.worst_largest, s.largest);
    row.worst_best_head = std::min(row.worst_best_head, s.best_head);
    row.worst_loss = std::max(row.worst_loss, s.loss);
    for (int i = 0; i < T; ++i)
      row.places[i] += s.places[i] / seeds, row.masses[i] += s.masses[i] / seeds;
  }
  return row;
}

// One line a run; the columns are those of Row.
inline void print_header() {
  say("    %-28s %6s %8s %6s %6s %7s %7s %7s %7s %7s", "", "exact", "(worst)", "digits", "weight",
      "(worst)", "query", "largest", "head", "loss");
}
inline Row print_row(const char* name, const Run& run, int seeds) {
  Row r = over_seeds(run, seeds);
  say("    %-28s %6.2f (%6.2f) %6.2f %6.2f (%5.2f) %7.2f %7.2f %7.2f %7.4f", name,
      100 * r.exact, 100 * r.worst_exact, 100 * r.worst_digits, 100 * r.mass,
      100 * r.worst_mass, 100 * r.worst_query, 100 * r.worst_largest, 100 * r.worst_best_head,
      r.worst_loss);
  return r;
}

inline void print_places(const char* what, const double (&places)[T]) {
  std::string text;
  for (double p : places) text += formatted(" %5.1f", 100 * p);
  say("    %s%s", what, text.c_str());
}

// The task as it is, with fewer steps, and under the causal mask.
inline void task_table(int seeds, Checks& checks) {
  say("The task over %d seeds, %%: mean (worst); digits, query, largest, head, loss: the worst",
      seeds);
  print_header();
  Row main = print_row("the task", {}, seeds);
  print_row("300 steps", {.steps = 300}, seeds);
  print_row("200 steps", {.steps = 200}, seeds);
  Row causal = print_row("causal mask", {.sight = Sight::causal}, seeds);
  say("    causal mask, place by place, mean over seeds:");
  print_places("right ", causal.places);
  print_places("weight", causal.masses);
  checks.check(main.worst_exact == 1, "all sequences reversed, in every seed");
  checks.check(main.worst_mass >= 0.97, "at least 97 %% of the weight on the anti-diagonal");
  checks.check(main.worst_largest == 1, "the largest weight always on the anti-diagonal");
  say();
}

// Each line differs from the task in what it says.
inline void trap_table(int seeds) {
  say("Traps: one thing changed, %d seeds", seeds);
  print_header();
  const std::vector<std::pair<const char*, Run>> runs = {
      {"embedding N(0, 1)", {.std = 1}},
      {"same, lr 0.003, 4000 steps", {.steps = 4000, .lr = 0.003, .std = 1}},
      {"embedding N(0, 0.25^2)", {.std = 0.25}},
      {"lr 0.003", {.lr = 0.003}},
      {"lr 0.003, 1600 steps", {.steps = 1600, .lr = 0.003}},
      {"lr 0.01", {.lr = 0.01}},
      {"lr 0.03", {.lr = 0.03}},
      {"lr 0.2", {.lr = 0.2}},
      {"no warm-up", {.warm_up = 0}},
      {"dropout 0.1", {.dropout = 0.1}},
      {"2 heads", {.heads = 2}},
      {"4 heads", {.heads = 4}},
      {"no positions", {.positions = false}},
      {"no residual", {.residual = false}},
      {"four equal clones", {.equal_start = true}},
      {"copy", {.copy = true}},
      {"copy, causal mask", {.copy = true, .sight = Sight::causal}},
      {"copy, itself hidden", {.copy = true, .sight = Sight::earlier}},
  };
  for (const auto& [name, run] : runs) print_row(name, run, seeds);
  Row r = print_row("same, no residual",
                    {.copy = true, .sight = Sight::earlier, .residual = false}, seeds);
  say("    copy, itself hidden, no residual: right, place by place, mean over seeds:");
  print_places("", r.places);
  say();
}

}  // namespace lesson_02
