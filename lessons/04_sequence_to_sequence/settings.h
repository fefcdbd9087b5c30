// What can be set on the command line; the values here are those of the dates.
#pragma once
#include "lessons/support/own_corpus.h"

namespace lesson_04 {
using namespace heed;

struct Settings : CorpusSettings {
  int embedding = 32, hidden = 64;
  double teacher_forcing = 1;
  // the dates
  int steps = 600, seeds = 1, dates = 1;
  bool masks = false, count = false;

  bool claims = true;  // the numbers of the text hold for these settings only
};

}  // namespace lesson_04
