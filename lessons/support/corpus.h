// A reader's own corpus: pairs of sentences from a file, split into words or characters,
// numbered by two vocabularies, in three parts. Lessons 04 and 06 train on it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>
#include "lessons/support/examples.h"
#include "lessons/support/pairs.h"
#include "lessons/support/vocabulary.h"
#include "lessons/support/words.h"

namespace heed {

struct CorpusOptions {
  std::string pairs;        // the file to train on
  std::string valid, test;  // "": a tenth of `pairs`, at most 1,000; and none
  Level level = Level::words;
  int min_count = 2;  // a rarer word is <unk>
  int longest = 60;   // tokens in a sentence; longer pairs are left out
};

// One part: as numbers, and the target as it was written, to score against.
struct CorpusPart {
  std::vector<Example> examples;
  std::vector<std::vector<std::string>> references;
  int too_long = 0;  // pairs left out

  int fingerprint() const;  // from 0 on; equal for equal sentences
};

// How a sentence becomes numbers, and numbers a sentence. The dates of lesson 04 stay in their
// case, and have no ends: each of their characters is known.
struct Language {
  Level level = Level::words;
  int longest = 60;   // tokens in a sentence
  bool lower = true;  // are sentences lower-cased?
  bool ends = true;   // does a source stand between <bos> and <eos>?
  Vocabulary source, target;

  // Error: nothing to translate, or more than `longest` tokens. `unknown` receives the tokens
  // that training never saw; they become <unk>, or are left out where there is none.
  std::vector<int> read(const std::string& sentence, std::vector<std::string>& unknown) const;
  std::vector<std::string> words(const std::vector<int>& target_ids) const;
  std::string write(const std::vector<int>& target_ids) const;

  // For a file of weights, and back. Error: a note that is missing or makes no sense.
  std::map<std::string, std::string> notes() const;
  static Language from(const std::map<std::string, std::string>& notes,
                       const std::string& path);
};

// What stands in notes under a name. Error: nothing, or no number within [least, most].
std::string note(const std::map<std::string, std::string>& notes, const std::string& name,
                 const std::string& path);
int note(const std::map<std::string, std::string>& notes, const std::string& name, int least,
         int most, const std::string& path);
double real_note(const std::map<std::string, std::string>& notes, const std::string& name,
                 const std::string& path);

struct Corpus {
  Language language;
  CorpusPart train, valid, test;
};

// `language`: of a model that goes on with its training; with an empty vocabulary one is
// counted from the sentences to train on. Errors: as read_pairs; no pair is short enough; no
// token is frequent enough.
Corpus read_corpus(const CorpusOptions& options, const Language& language);

}  // namespace heed
