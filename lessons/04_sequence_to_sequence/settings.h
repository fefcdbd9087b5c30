// What can be set on the command line; the values here are those of the dates.
#pragma once
#include "lessons/support/corpus.h"
#include "lessons/support/options.h"

namespace lesson_04 {
using namespace heed;

struct Settings : CommonSettings {
  // the model and its training
  int embedding = 32, hidden = 64, batch = 32;
  double lr = 0.005, teacher_forcing = 1;
  // the dates
  int steps = 600, seeds = 1, dates = 1;
  bool masks = false;
  // a corpus of the reader's own
  CorpusOptions corpus;
  std::string level = "words";
  int epochs = 10, beam = 5;
  double dropout = 0.5;
  // files, and sentences of the reader's own
  std::string save, load, translate;
  bool interactive = false, count = false;

  bool claims = true;  // the numbers of the text hold for these settings only

  bool talks() const { return interactive || !translate.empty(); }
};

}  // namespace lesson_04
