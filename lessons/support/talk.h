// A trained model and the reader's own sentences.
#pragma once
#include <unistd.h>
#include <iostream>
#include <set>
#include "lessons/support/heat_map.h"
#include "lessons/support/own_corpus.h"
#include "lessons/support/saved_model.h"
#include "lessons/support/terminal.h"
#include "lessons/support/writing.h"

namespace heed {
inline namespace HEED_PRECISION {

// Rows: what was written; columns: what was read. A model without weights has no rows.
template <class Model> HeatMap map_of(const Model& model, const Language& language,
                                      const std::vector<int>& source,
                                      const std::string& title) {
  Example example{source, {}};
  NoGrad guard;
  typename Translator<Model>::Writing writer(model, make_batch(std::span(&example, 1)));
  Written text = greedy(writer, 1, language.longest)[0];
  HeatMap map;
  map.title = title;
  map.query_label = "written", map.key_label = "read";
  for (int id : source) map.keys.push_back(language.source.word(id));
  const size_t rows = text.words.size() + text.ended;
  for (size_t t = 0; t < writer.weights.size() && t < rows; ++t) {
    map.queries.push_back(t < text.words.size() ? language.target.word(text.words[t])
                                                : "<eos>");
    for (Scalar w : Translator<Model>::looked(writer.weights[t]).to_vector())
      map.values.push_back(double(w));
  }
  return map;
}

template <class Model>
HeatMap map_of(const Model& model, const Language& language, const std::string& text) {
  std::vector<std::string> unknown;
  return map_of(model, language, language.read(text, unknown), text);
}

// Error: a text that cannot be read.
template <class Model>
void say_translation(const SavedModel<Model>& saved, const std::string& text) {
  std::vector<std::string> unknown;
  std::vector<int> source = saved.language.read(text, unknown);
  for (const std::string& token : std::set<std::string>(unknown.begin(), unknown.end()))
    say_aside("warning: '" + token + "' was never seen in training");
  Example example{source, {}};
  typename Translator<Model>::Writing writer(saved.model, make_batch(std::span(&example, 1)));
  say("%s", saved.language.write(greedy(writer, 1, saved.language.longest)[0].words).c_str());
}

// Before long work: can the text be read at its end?
inline void check_text(const CorpusSettings& settings, const Language& language) {
  std::vector<std::string> unknown;
  if (!settings.translate.empty()) language.read(settings.translate, unknown);
}

// --translate TEXT, and --interactive: a line at a time from the standard input, to its end. A
// line gives a line, whatever it holds, so that a program can tell which belong together.
template <class Model> void talk(const CorpusSettings& settings, SavedModel<Model>& saved) {
  saved.model.eval();
  NoGrad guard;
  if (!settings.translate.empty()) {
    say_translation(saved, settings.translate);
    HeatMap map = map_of(saved.model, saved.language, settings.translate);
    if (!map.queries.empty()) print(map);
  }
  if (!settings.interactive) return;
  const bool prompt = isatty(STDIN_FILENO);
  if (prompt) say("One line at a time; an empty one ends it.");
  for (std::string line;;) {
    if (prompt) std::cout << "> " << std::flush;
    if (!std::getline(std::cin, line) || (prompt && line.empty())) return;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    try {
      say_translation(saved, line);
    } catch (const Error& error) {
      say_aside(error.what());
      if (!prompt) say();
    }
  }
}

}  // namespace HEED_PRECISION
}  // namespace heed
