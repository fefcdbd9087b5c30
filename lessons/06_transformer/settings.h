// What can be set on the command line.
#pragma once
#include "lessons/support/own_corpus.h"
#include "tasks.h"

namespace lesson_06 {

struct Settings : CorpusSettings {
  // the lesson's own tasks
  int steps = 2000, seeds = 1;
  bool warm_up = false;
  bool claims = true;  // the numbers of the text hold for these settings only
  // a corpus
  int width = 256, heads = 8, hidden = 512, layers = 3;
  std::string norm = "first";

  Settings() { batch = 128, dropout = 0.2; }
  Norm where() const { return norm == "first" ? Norm::first : Norm::last; }
  Plan plan() const { return {.steps = steps, .lr = lr}; }
};

}  // namespace lesson_06
