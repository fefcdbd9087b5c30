// A reader's own corpus from its file to the results: what training came to.
#pragma once
#include "lessons/support/bleu.h"
#include "lessons/support/corpus_training.h"
#include "lessons/support/talk.h"

namespace heed {
inline namespace HEED_PRECISION {

// What the model writes for each sentence of a part, in the part's order. Beams of width 1 are
// greedy.
template <class Model>
std::vector<std::vector<int>> translate_all(Model& model, const CorpusPart& part, int width,
                                            int longest, const char* name) {
  model.eval();
  std::vector<std::vector<int>> texts(part.examples.size());
  const std::vector<int> order = by_length(part.examples);
  Progress bar(name, int64_t(order.size()));
  for (size_t at = 0; at < order.size(); at += 50) {
    size_t n = std::min<size_t>(50, order.size() - at);
    std::span<const int> chosen(order.data() + at, n);
    Batch batch = make_batch(part.examples, chosen);
    NoGrad guard;
    typename Translator<Model>::Writing writer(model, batch);
    std::vector<Written> written = width == 1 ? greedy(writer, int(n), longest)
                                              : beam_search(writer, int(n), width, longest);
    for (size_t i = 0; i < n; ++i) texts[size_t(chosen[i])] = written[i].words, bar.step();
  }
  model.train();
  return texts;
}

inline Bleu bleu_of(const std::vector<std::vector<int>>& texts, const CorpusPart& part,
                    const Language& language) {
  std::vector<std::vector<std::string>> words;
  for (const std::vector<int>& text : texts) words.push_back(language.words(text));
  return corpus_bleu(words, part.references);
}

inline void show_samples(const Language& language, const CorpusPart& part,
                         const std::vector<std::vector<int>>& texts) {
  say("Some of them");
  for (size_t i = 0; i < std::min<size_t>(5, texts.size()); ++i) {
    std::vector<std::string> source;
    for (int id : part.examples[i].source)
      if (id != BOS && id != EOS) source.push_back(language.source.word(id));
    say("    read     %s", join(source, language.level).c_str());
    say("    written  %s", language.write(texts[i]).c_str());
    say("    wanted   %s", join(part.references[i], language.level).c_str());
    say();
  }
}

// The first three sentences of some ten tokens.
template <class Model>
void draw_maps(const SavedModel<Model>& saved, const CorpusPart& part, const std::string& out) {
  std::vector<HeatMap> maps;
  for (const Example& example : part.examples) {
    if (example.source.size() < 9 || example.source.size() > 13) continue;
    maps.push_back(map_of(saved.model, saved.language, example.source,
                          formatted("sentence %d", int(maps.size()) + 1)));
    if (maps.size() == 3) break;
  }
  if (!maps.empty()) write_svg(maps, "Where it looks while it writes", 1, out + "/pairs.svg");
}

template <class Model> void show_results(const CorpusSettings& settings,
                                         SavedModel<Model>& saved, const Corpus& corpus) {
  const CorpusPart& part = corpus.test.examples.empty() ? corpus.valid : corpus.test;
  Perplexity p = perplexity(saved.model, in_order(part.examples, settings.batch));
  say("The best epoch's weights on the %zu sentences of the %s set", part.examples.size(),
      corpus.test.examples.empty() ? "validation" : "test");
  say("    perplexity, mean over words, told the right ones     %8.3f", p.told);
  if (runs_free<Model>)
    say("    perplexity, mean over batches, on its own words      %8.3f", p.free);
  auto greedily = translate_all(saved.model, part, 1, saved.language.longest, "greedy");
  auto by_beam =
      translate_all(saved.model, part, settings.beam, saved.language.longest, "beam");
  say("    BLEU, greedy                                         %8.4f",
      bleu_of(greedily, part, saved.language).score);
  say("    BLEU, beam of %-2d                                     %8.4f", settings.beam,
      bleu_of(by_beam, part, saved.language).score);
  say();
  show_samples(saved.language, part, greedily);
  saved.model.eval();
  draw_maps(saved, part, settings.out);
}

// A model that goes on is validated on what it was before: of other sentences that are left out
// of --pairs it may have been trained on most. --valid FILE says so of its own accord; then the
// best so far, which was another set's, counts no more.
template <class Model>
void check_validation(const CorpusSettings& settings, const Corpus& corpus,
                      SavedModel<Model>& saved) {
  if (saved.epoch == 0 || saved.validated_on == corpus.valid.fingerprint()) return;
  HEED_CHECK(!settings.corpus.valid.empty(), "[--load] ", settings.load,
             " was validated on other sentences than those that ", settings.corpus.pairs,
             " leaves for it, and may have been trained on these\n"
             "  give --valid FILE, with sentences that it has not seen");
  saved.best = std::numeric_limits<double>::infinity();
}

// --pairs FILE: trains fresh(language), or goes on with the model of --load FILE.
template <class Model, class Fresh>
int learn_corpus(const CorpusSettings& settings,
                 const typename Translator<Model>::TrainerOptions& trainer,
                 std::optional<SavedModel<Model>> saved, Fresh fresh) {
  Corpus corpus = read_corpus(settings.corpus, saved ? saved->language : Language());
  const Language& language = corpus.language;
  check_text(settings, language);
  if (saved) check_validation(settings, corpus, *saved);
  say("%s: %zu pairs to train on, %zu to validate with, %zu to test on",
      settings.corpus.pairs.c_str(), corpus.train.examples.size(), corpus.valid.examples.size(),
      corpus.test.examples.size());
  say("    left out, with more than %d tokens: %d, %d, %d", language.longest,
      corpus.train.too_long, corpus.valid.too_long, corpus.test.too_long);
  if (!saved) saved.emplace(fresh(language));
  saved->validated_on = corpus.valid.fingerprint();
  say("    vocabularies of %d and %d, %lld parameters, %d epochs done", language.source.size(),
      language.target.size(), (long long)saved->model.parameter_count(), saved->epoch);
  CorpusPlan<Model> plan{settings.epochs, settings.batch, trainer, settings.save,
                         settings.seed};
  train(*saved, corpus, plan);
  say();
  show_results(settings, *saved, corpus);
  talk(settings, *saved);
  return 0;
}

}  // namespace HEED_PRECISION
}  // namespace heed
