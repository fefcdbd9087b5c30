// The command line of a reader's own corpus: what can be set, and what makes no sense.
#pragma once
#include <algorithm>
#include <filesystem>
#include "lessons/support/corpus.h"
#include "lessons/support/files.h"
#include "lessons/support/options.h"

namespace heed {

struct CorpusSettings : CommonSettings {
  int batch = 32;
  double lr = 0.005;
  CorpusOptions corpus;
  std::string level = "words";
  int epochs = 10, beam = 5;
  double dropout = 0.5;
  // files, and sentences of the reader's own
  std::string save, load, translate;
  bool interactive = false;

  bool talks() const { return interactive || !translate.empty(); }
  bool only_talks() const { return !load.empty() && corpus.pairs.empty(); }
};

// --batch and --lr are not among them: each lesson has its own words for those.
inline void add_corpus_options(Options& options, CorpusSettings& s, const char* dropout) {
  options.add("--pairs", s.corpus.pairs, "FILE",
              "a corpus of your own: lines of source, tab, target");
  options.add("--valid", s.corpus.valid, "FILE", "pairs: to validate with, else a tenth");
  options.add("--test", s.corpus.test, "FILE", "pairs: to test on");
  options.add("--level", s.level, std::vector<std::string>{"words", "characters"},
              "pairs: what a token is");
  options.add("--min-count", s.corpus.min_count, {1, 1000000}, "pairs: a rarer token is <unk>");
  options.add("--longest", s.corpus.longest, {1, 10000},
              "pairs: tokens in a sentence; longer pairs are left out");
  options.add("--epochs", s.epochs, {0, 100000}, "pairs: times through them, in all");
  options.add("--dropout", s.dropout, {0, 0.99}, dropout);
  options.add("--beam", s.beam, {1, 100}, "pairs: beginnings that are kept");
  options.add("--save", s.save, "FILE", "weights, settings and vocabulary; after each epoch");
  options.add("--load", s.load, "FILE", "what --save has written");
  options.add("--translate", s.translate, "TEXT", "a text of your own, after the training");
  options.add("--interactive", s.interactive, "the same, line by line");
}

// Options that make no sense together. `of_lesson`: those of the lesson's own tasks;
// `of_pairs`: what a lesson adds to those of a corpus.
inline void refuse_contradictions(const Options& options, const CorpusSettings& s,
                                  const std::vector<const char*>& of_lesson,
                                  std::vector<const char*> of_pairs = {}) {
  const bool own_tasks = s.corpus.pairs.empty() && s.load.empty();
  for (const char* name : of_lesson)
    HEED_CHECK(own_tasks || !options.given(name), "[", name,
               "] is for the lesson's own tasks, not for --pairs or --load");
  of_pairs.insert(of_pairs.end(), {"--valid", "--test", "--level", "--min-count", "--longest",
                                   "--epochs", "--dropout", "--beam"});
  for (const char* name : of_pairs)
    HEED_CHECK(!s.corpus.pairs.empty() || !options.given(name), "[", name,
               "] is for a corpus of your own: --pairs FILE is missing");
  HEED_CHECK(s.load.empty() || s.talks() || !s.corpus.pairs.empty(),
             "[--load] nothing to do with ", s.load,
             ": add --translate TEXT, --interactive, or --pairs FILE to go on training");
  HEED_CHECK(s.save.empty() || s.load.empty() || !s.corpus.pairs.empty(),
             "[--save] nothing is trained: --pairs FILE is missing");
}

// Error: an option that a run does not read, which has `what` and reads no others but `read`.
inline void refuse_unread(const Options& options, const char* what,
                          std::vector<std::string> read) {
  read.insert(read.end(), {what, "--threads", "--out"});
  for (const std::string& name : options.all_given())
    HEED_CHECK(std::find(read.begin(), read.end(), name) != read.end(), "[", name,
               "] does nothing beside ", what, ": leave one of the two out");
}

// Before long work: can the file be written at its end, and is it none of the corpus?
inline void check_save(const CorpusSettings& s) {
  if (!s.save.empty()) check_can_be_written(s.save);
  for (const std::string& text : {s.corpus.pairs, s.corpus.valid, s.corpus.test}) {
    std::error_code no_such_file;
    HEED_CHECK(!std::filesystem::equivalent(s.save, text, no_such_file), "[--save] ", text,
               " is the corpus itself");
  }
}

// Error: an option asks for what a loaded model is not, and cannot become.
template <class Value> void check_as_loaded(const Options& options, const CorpusSettings& s,
                                            const char* name, const Value& asked_for,
                                            const Value& is) {
  HEED_CHECK(!options.given(name) || asked_for == is, "[", name, "] ", asked_for, ", but ",
             s.load, " has ", is, "\n  without --load a new model is trained");
}

// The same of all that is not the model's size.
inline void check_as_loaded(const Options& options, const CorpusSettings& s,
                            const Language& language, double dropout) {
  if (s.corpus.pairs.empty()) return;
  HEED_CHECK(language.ends, "[--load] ", s.load,
             " has been trained on dates\n  without --load a new model is trained");
  check_as_loaded(options, s, "--dropout", s.dropout, dropout);
  check_as_loaded(options, s, "--longest", s.corpus.longest, language.longest);
  HEED_CHECK(!options.given("--min-count"), "[--min-count] ", s.corpus.min_count, ", but ",
             s.load, " has its words\n  without --load a new model is trained");
  check_as_loaded(options, s, "--level", s.level,
                  std::string(language.level == Level::words ? "words" : "characters"));
}

}  // namespace heed
