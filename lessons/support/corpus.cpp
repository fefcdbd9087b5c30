#include "lessons/support/corpus.h"
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include "autograd/check.h"
#include "autograd/random.h"
#include "lessons/support/hash.h"

namespace heed {
namespace {

using Tokens = std::vector<std::string>;

bool fits(const Tokens& tokens, int longest) {
  return !tokens.empty() && tokens.size() <= size_t(longest);
}

// The pairs of a file as tokens, but for those that are too long.
struct Texts {
  std::vector<Tokens> sources, targets;
  int too_long = 0;
};

Texts read_texts(const std::string& path, const Language& language) {
  Texts texts;
  for (const Pair& pair : read_pairs(path)) {
    Tokens source = split(lower_case(pair.source), language.level);
    Tokens target = split(lower_case(pair.target), language.level);
    if (!fits(source, language.longest) || !fits(target, language.longest)) {
      ++texts.too_long;
      continue;
    }
    texts.sources.push_back(std::move(source));
    texts.targets.push_back(std::move(target));
  }
  HEED_CHECK(!texts.sources.empty(), "[pairs] ", path, ": all ", texts.too_long,
             " pairs have more than ", language.longest, " tokens; see --longest");
  return texts;
}

std::vector<int> numbers(const Tokens& tokens, const Vocabulary& vocabulary) {
  std::vector<int> ids;
  for (const std::string& token : tokens) {
    int id = vocabulary.find(token);
    ids.push_back(id < 0 ? UNK : id);
  }
  return ids;
}

std::vector<int> between_ends(std::vector<int> ids) {
  ids.insert(ids.begin(), BOS);
  ids.push_back(EOS);
  return ids;
}

CorpusPart part_of(const Texts& texts, const std::vector<int>& chosen,
                   const Language& language) {
  CorpusPart part;
  for (int i : chosen) {
    const Tokens &source = texts.sources[size_t(i)], &target = texts.targets[size_t(i)];
    part.examples.push_back(
        {between_ends(numbers(source, language.source)), numbers(target, language.target)});
    part.references.push_back(target);
  }
  return part;
}

std::vector<int> all_of(size_t n) {
  std::vector<int> all(n);
  for (size_t i = 0; i < n; ++i) all[i] = int(i);
  return all;
}

CorpusPart read_part(const std::string& path, const Language& language) {
  Texts texts = read_texts(path, language);
  CorpusPart part = part_of(texts, all_of(texts.sources.size()), language);
  part.too_long = texts.too_long;
  return part;
}

// A tenth, at most 1,000 and at least one, taken out of `rest`. Always the same: a model whose
// training goes on must not have been trained on it, whatever its --seed.
std::vector<int> take_tenth(std::vector<int>& rest) {
  Generator random(0);
  size_t n = rest.size(), wanted = std::min<size_t>(1000, std::max<size_t>(1, n / 10));
  std::vector<int> shuffled = random.randperm(int(n)), taken;
  for (size_t i = 0; i < wanted; ++i) taken.push_back(rest[size_t(shuffled[i])]);
  std::sort(taken.begin(), taken.end());
  std::vector<int> left;
  std::set_difference(rest.begin(), rest.end(), taken.begin(), taken.end(),
                      std::back_inserter(left));
  rest = left;
  return taken;
}

// Of the texts to train on. `side`, for the message: source or target.
Vocabulary vocabulary_of(const std::vector<Tokens>& texts, const std::vector<int>& chosen,
                         const CorpusOptions& options, const char* side) {
  std::vector<Tokens> some;
  for (int i : chosen) some.push_back(texts[size_t(i)]);
  Vocabulary vocabulary = count_vocabulary(some, options.min_count);
  HEED_CHECK(vocabulary.size() > UNK + 1, "[pairs] ", options.pairs, ", ", side,
             ": no token is there ", options.min_count, " times; see --min-count");
  return vocabulary;
}

}  // namespace

// ---- notes

std::string note(const std::map<std::string, std::string>& notes, const std::string& name,
                 const std::string& path) {
  auto found = notes.find(name);
  HEED_CHECK(found != notes.end(), "[load] ", path, ": says nothing about its ", name,
             "\n  only files that a lesson has saved can be loaded here");
  return found->second;
}

int note(const std::map<std::string, std::string>& notes, const std::string& name, int least,
         int most, const std::string& path) {
  std::string text = note(notes, name, path);
  int value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  HEED_CHECK(error == std::errc() && stop == text.data() + text.size() && value >= least &&
                 value <= most,
             "[load] ", path, ": its ", name, " is '", text, "', not a number from ", least,
             " to ", most);
  return value;
}

double real_note(const std::map<std::string, std::string>& notes, const std::string& name,
                 const std::string& path) {
  std::string text = note(notes, name, path);
  char* stop = nullptr;
  double value = std::strtod(text.c_str(), &stop);
  HEED_CHECK(!text.empty() && text.find_first_not_of("0123456789.e+-inf") == text.npos &&
                 *stop == '\0' && value >= 0,
             "[load] ", path, ": its ", name, " is '", text, "', not a number from 0 on");
  return value;
}

std::map<std::string, std::string> Language::notes() const {
  auto lines = [](const Vocabulary& vocabulary) {
    std::string text;
    for (const std::string& word : vocabulary.words()) text += word + "\n";
    return text;
  };
  return {{"level", level == Level::words ? "words" : "characters"},
          {"longest", std::to_string(longest)},
          {"lower", lower ? "1" : "0"},
          {"ends", ends ? "1" : "0"},
          {"source words", lines(source)},
          {"target words", lines(target)}};
}

Language Language::from(const std::map<std::string, std::string>& notes,
                        const std::string& path) {
  auto vocabulary = [&](const char* name) {
    std::string text = note(notes, name, path);
    std::vector<std::string> words;
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
      words.push_back(text.substr(at, end - at));
    return Vocabulary(words);
  };
  std::string level = note(notes, "level", path);
  HEED_CHECK(level == "words" || level == "characters", "[load] ", path, ": its level is '",
             level, "', not words or characters");
  return {level == "words" ? Level::words : Level::characters,
          note(notes, "longest", 1, 1000000, path),
          note(notes, "lower", 0, 1, path) == 1,
          note(notes, "ends", 0, 1, path) == 1,
          vocabulary("source words"),
          vocabulary("target words")};
}

// ---- sentences

int CorpusPart::fingerprint() const {
  uint64_t hash = fnv1a(nullptr, 0);
  for (const auto& words : references)
    for (const std::string& word : words) hash = fnv1a(word.c_str(), word.size() + 1, hash);
  for (const Example& e : examples)
    hash = fnv1a(e.source.data(), e.source.size() * sizeof(int), hash);
  return int(hash % std::numeric_limits<int>::max());
}

std::vector<int> Language::read(const std::string& sentence, Tokens& unknown) const {
  size_t bad = first_bad_utf8(sentence);
  HEED_CHECK(bad == std::string::npos, "[translate] byte ", bad + 1, " is no UTF-8");
  Tokens tokens = split(lower ? lower_case(sentence) : sentence, level);
  HEED_CHECK(!tokens.empty(), "[translate] nothing to translate");
  HEED_CHECK(fits(tokens, longest), "[translate] ", tokens.size(),
             " tokens, and the model takes at most ", longest,
             " (--longest when it was trained)\n  translate it sentence by sentence");
  std::vector<int> ids;
  for (const std::string& token : tokens) {
    int id = source.find(token);
    if (id < 0) unknown.push_back(token);
    if (id < 0) id = source.find("<unk>");
    if (id >= 0) ids.push_back(id);
  }
  HEED_CHECK(!ids.empty(), "[translate] not one of its ", tokens.size(), " tokens is known");
  return ends ? between_ends(ids) : ids;
}

Tokens Language::words(const std::vector<int>& target_ids) const {
  Tokens tokens;
  for (int id : target_ids) tokens.push_back(target.word(id));
  return tokens;
}

std::string Language::write(const std::vector<int>& target_ids) const {
  return join(words(target_ids), level);
}

Corpus read_corpus(const CorpusOptions& options, const Language& language) {
  Corpus corpus{language, {}, {}, {}};
  if (language.source.size() == 0)
    corpus.language = {options.level, options.longest, true, true, {}, {}};
  Language& l = corpus.language;
  Texts texts = read_texts(options.pairs, l);
  std::vector<int> train = all_of(texts.sources.size()), valid;
  HEED_CHECK(!options.valid.empty() || train.size() >= 2, "[pairs] ", options.pairs,
             ": one pair cannot be divided into training and validation; give --valid FILE");
  if (options.valid.empty()) valid = take_tenth(train);
  if (l.source.size() == 0) {
    l.source = vocabulary_of(texts.sources, train, options, "source");
    l.target = vocabulary_of(texts.targets, train, options, "target");
  }
  corpus.train = part_of(texts, train, l);
  corpus.train.too_long = texts.too_long;
  corpus.valid = options.valid.empty() ? part_of(texts, valid, l) : read_part(options.valid, l);
  if (!options.test.empty()) corpus.test = read_part(options.test, l);
  return corpus;
}

}  // namespace heed
