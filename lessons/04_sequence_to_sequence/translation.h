// The reader's own corpus: training, epoch by epoch, and what came of it.
#pragma once
#include <sys/resource.h>
#include <chrono>
#include <cmath>
#include "lessons/support/bleu.h"
#include "lessons/support/corpus.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"
#include "talk.h"

namespace lesson_04 {

// ---- How well it does

// Two figures go by the name of perplexity. Both are e to a mean cross-entropy.
struct Perplexity {
  double told;  // a mean over words, the decoder being told the right word before each
  double free;  // a mean over batches, the decoder going on from its own words: the post's
};

// Batches of similar lengths, in the order of their lengths.
inline std::vector<Batch> in_order(const std::vector<Example>& examples, int batch_size) {
  std::vector<int> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return examples[size_t(a)].source.size() < examples[size_t(b)].source.size();
  });
  std::vector<Batch> batches;
  for (size_t at = 0; at < order.size(); at += size_t(batch_size))
    batches.push_back(
        make_batch(examples, std::span<const int>(order).subspan(
                                 at, std::min(size_t(batch_size), order.size() - at))));
  return batches;
}

// [snippet: perplexity]
inline Perplexity perplexity(Seq2Seq& model, const std::vector<Batch>& batches) {
  NoGrad guard;
  model.eval();
  double told = 0, words = 0, free = 0;
  for (const Batch& batch : batches) {
    double n = double(words_in(batch));
    std::vector<bool> coins(size_t(batch.target_length), true);
    told += n * double(loss_of(model, batch, coins).item());
    words += n;
    coins.assign(coins.size(), false);
    free += double(loss_of(model, batch, coins).item());
  }
  model.train();
  return {exact::exp(told / words), exact::exp(free / double(batches.size()))};
}
// [end]

// What the model writes for each sentence of a part, in the part's order. Beams of width 1 are
// greedy.
inline std::vector<std::vector<int>> translate_all(Seq2Seq& model, const CorpusPart& part,
                                                   int width, int longest, const char* name) {
  model.eval();
  std::vector<std::vector<int>> texts(part.examples.size());
  std::vector<int> order(part.examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return part.examples[size_t(a)].source.size() < part.examples[size_t(b)].source.size();
  });
  Progress bar(name, int64_t(order.size()));
  for (size_t at = 0; at < order.size(); at += 50) {
    size_t n = std::min<size_t>(50, order.size() - at);
    std::span<const int> chosen(order.data() + at, n);
    Batch batch = make_batch(part.examples, chosen);
    NoGrad guard;
    Translation writer(model, batch);
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

// ---- Training

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double peak_memory_in_gigabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return double(usage.ru_maxrss) / 1e9;  // bytes there, kibibytes elsewhere
#else
  return double(usage.ru_maxrss) * 1024 / 1e9;
#endif
}

// A perplexity for the table; that of a bad start can be very large.
inline std::string shown(double perplexity) {
  return formatted(perplexity < 1e6 ? "%.3f" : "%.1e", perplexity);
}

struct Plan {
  int epochs, batch;
  TrainerOptions trainer;
  std::string save;  // "": nowhere
  uint64_t seed;
};

// The start that the notebook behind the post takes: all weights N(0, 0.01^2), all biases 0.
inline void start_small(Seq2Seq& model) {
  NoGrad guard;
  for (auto& [name, p] : model.named_parameters()) {
    Tensor numbers = p;
    if (name.find("weight") != std::string::npos)
      numbers.copy_(normal(p.shape(), 0, 0.01));
    else
      numbers.zero_();
  }
}

// The learning rate is whole for the first half of the training, and falls in the second.
inline double late_cosine(int step, int steps) {
  const int half = steps / 2;
  return cosine(std::max(0, step - half), steps - half, 0.02);
}

// What training has come to must be a number.
inline void check_finite(double figure, const char* name, int epoch, const Plan& plan) {
  HEED_CHECK(std::isfinite(figure), "[train] epoch ", epoch, ": the ", name,
             " is not finite: training has diverged\n  try a smaller --lr than ",
             plan.trainer.adam.lr);
}

// Once through the pairs; the mean loss. An epoch is the same after a break.
inline double train_epoch(Checkpoint& saved, Trainer& trainer,
                          const std::vector<Example>& pairs, const Plan& plan) {
  const uint64_t seed = plan.seed + 1000 * uint64_t(saved.epoch);
  manual_seed(seed);
  Generator order(seed);
  auto batches = similar_lengths(pairs, plan.batch, 50, order);
  const int n = int(batches.size());
  HEED_CHECK(plan.epochs <= std::numeric_limits<int>::max() / n, "[train] ", plan.epochs,
             " epochs of ", n, " batches are too many; see --epochs and --batch");
  Progress bar(formatted("epoch %d", saved.epoch), n);
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    const int step = (saved.epoch - 1) * n + i;
    double loss = trainer.step(make_batch(pairs, batches[size_t(i)]),
                               late_cosine(step, plan.epochs * n));
    check_finite(loss, "loss", saved.epoch, plan);
    sum += loss;
    bar.step(formatted("loss %.3f", loss));
  }
  return sum / n;
}

// Trains saved.model, from epoch saved.epoch + 1 on. After each epoch the file is written: the
// weights of the epoch with the best validation (free-running, as in the notebook), and what is
// needed to go on. Error: training has diverged; the file is that of the epoch before.
class Training {
 public:
  Training(Checkpoint& saved, const Corpus& corpus, const Plan& plan)
      : saved_(saved),
        pairs_(corpus.train.examples),
        plan_(plan),
        trainer_(saved.model, plan.trainer),
        best_(saved.resume(trainer_.adam)),
        valid_(in_order(corpus.valid.examples, plan.batch)),
        first_(saved.epoch) {}

  bool done() const { return saved_.epoch >= plan_.epochs; }

  void epoch() {
    const int epoch = ++saved_.epoch;
    double loss = train_epoch(saved_, trainer_, pairs_, plan_);
    Perplexity p = perplexity(saved_.model, valid_);
    for (double figure : {p.told, p.free}) check_finite(figure, "perplexity", epoch, plan_);
    bool is_best = p.free < saved_.best;
    if (is_best) saved_.best = p.free, best_ = saved_.model.state_dict();
    double seconds = seconds_since(start_), each = seconds / (epoch - first_);
    say("    %5d  %8s  %16s  %7s%s %7.0f  %6.0f  %.2f", epoch, shown(exact::exp(loss)).c_str(),
        shown(p.told).c_str(), shown(p.free).c_str(), is_best ? " *" : "  ", seconds,
        each * (plan_.epochs - epoch), peak_memory_in_gigabytes());
    save();
  }

  void save() const {
    if (!plan_.save.empty()) saved_.write(plan_.save, best_, trainer_.adam);
  }
  // The weights of the best epoch into saved.model.
  void finish() { saved_.model.load_state_dict(best_); }

 private:
  Checkpoint& saved_;
  const std::vector<Example>& pairs_;
  Plan plan_;
  Trainer trainer_;
  StateDict best_;
  std::vector<Batch> valid_;
  int first_;  // epochs done before
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

inline void train(Checkpoint& saved, const Corpus& corpus, const Plan& plan) {
  Training training(saved, corpus, plan);
  if (training.done()) {
    say("    nothing to train: %d epochs are done, and --epochs %d asks for no more",
        saved.epoch, plan.epochs);
    training.save();
  } else {
    say("    epoch  training  validation: told   free   seconds   left    GB");
  }
  while (!training.done()) training.epoch();
  training.finish();
}

// ---- What came of it

inline void show_samples(const Checkpoint& saved, const CorpusPart& part,
                         const std::vector<std::vector<int>>& texts) {
  say("Some of them");
  for (size_t i = 0; i < std::min<size_t>(5, texts.size()); ++i) {
    std::vector<std::string> source;
    for (int id : part.examples[i].source)
      if (id != BOS && id != EOS) source.push_back(saved.language.source.word(id));
    say("    read     %s", join(source, saved.language.level).c_str());
    say("    written  %s", saved.language.write(texts[i]).c_str());
    say("    wanted   %s", join(part.references[i], saved.language.level).c_str());
    say();
  }
}

// The first three sentences of some ten tokens.
inline void draw_maps(const Checkpoint& saved, const CorpusPart& part, const std::string& out) {
  std::vector<HeatMap> maps;
  for (const Example& example : part.examples) {
    if (example.source.size() < 9 || example.source.size() > 13) continue;
    maps.push_back(map_of(saved.model, saved.language, example.source,
                          formatted("sentence %d", int(maps.size()) + 1)));
    if (maps.size() == 3) break;
  }
  if (!maps.empty()) write_svg(maps, "Where it looks while it writes", 1, out + "/pairs.svg");
}

inline void show_results(const Settings& settings, Checkpoint& saved, const Corpus& corpus) {
  const CorpusPart& part = corpus.test.examples.empty() ? corpus.valid : corpus.test;
  Perplexity p = perplexity(saved.model, in_order(part.examples, settings.batch));
  say("The best epoch's weights on the %zu sentences of the %s set", part.examples.size(),
      corpus.test.examples.empty() ? "validation" : "test");
  say("    perplexity, mean over words, told the right ones     %8.3f", p.told);
  say("    perplexity, mean over batches, on its own words      %8.3f", p.free);
  auto greedily = translate_all(saved.model, part, 1, saved.language.longest, "greedy");
  auto by_beam =
      translate_all(saved.model, part, settings.beam, saved.language.longest, "beam");
  say("    BLEU, greedy                                         %8.4f",
      bleu_of(greedily, part, saved.language).score);
  say("    BLEU, beam of %-2d                                     %8.4f", settings.beam,
      bleu_of(by_beam, part, saved.language).score);
  say();
  show_samples(saved, part, greedily);
  saved.model.eval();
  draw_maps(saved, part, settings.out);
}

inline Checkpoint new_model(const Settings& settings, const Language& language) {
  manual_seed(settings.seed);
  Checkpoint fresh({language.source.size(), language.target.size(), settings.embedding,
                    settings.hidden, settings.dropout},
                   language);
  start_small(fresh.model);
  return fresh;
}

// --pairs FILE: trains a new model, or goes on with that of --load FILE.
inline int translation(const Settings& settings, std::optional<Checkpoint> saved) {
  Corpus corpus = read_corpus(settings.corpus, saved ? saved->language : Language());
  const Language& language = corpus.language;
  check_text(settings, language);
  say("%s: %zu pairs to train on, %zu to validate with, %zu to test on",
      settings.corpus.pairs.c_str(), corpus.train.examples.size(), corpus.valid.examples.size(),
      corpus.test.examples.size());
  say("    left out, with more than %d tokens: %d, %d, %d", language.longest,
      corpus.train.too_long, corpus.valid.too_long, corpus.test.too_long);
  if (!saved) saved.emplace(new_model(settings, language));
  say("    vocabularies of %d and %d, %lld parameters, %d epochs done", language.source.size(),
      language.target.size(), (long long)saved->model.parameter_count(), saved->epoch);
  train(*saved, corpus,
        {settings.epochs,
         settings.batch,
         {{.lr = settings.lr}, 1, settings.teacher_forcing},
         settings.save,
         settings.seed});
  say();
  show_results(settings, *saved, corpus);
  talk(settings, *saved);
  return 0;
}

}  // namespace lesson_04
