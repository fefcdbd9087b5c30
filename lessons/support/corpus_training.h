// Training on a reader's own corpus, epoch by epoch; the best weights are kept.
#pragma once
#include <sys/resource.h>
#include <chrono>
#include <cmath>
#include <limits>
#include "lessons/support/perplexity.h"
#include "lessons/support/saved_model.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {
inline namespace HEED_PRECISION {

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
inline std::string in_figures(double perplexity) {
  return formatted(perplexity < 1e6 ? "%.3f" : "%.1e", perplexity);
}

template <class Model> struct CorpusPlan {
  int epochs, batch;
  typename Translator<Model>::TrainerOptions trainer;
  std::string save;  // "": nowhere
  uint64_t seed;
};

// What training has come to must be a number.
template <class Model>
void check_finite(double figure, const char* name, int epoch, const CorpusPlan<Model>& plan) {
  HEED_CHECK(std::isfinite(figure), "[train] epoch ", epoch, ": the ", name,
             " is not finite: training has diverged\n  try a smaller --lr than ",
             plan.trainer.adam.lr);
}

// Once through the pairs; the mean loss. An epoch is the same after a break.
template <class Model>
double train_epoch(SavedModel<Model>& saved, typename Translator<Model>::Trainer& trainer,
                   const std::vector<Example>& pairs, const CorpusPlan<Model>& plan) {
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
                               Translator<Model>::rate(step, plan.epochs * n));
    check_finite(loss, "loss", saved.epoch, plan);
    sum += loss;
    bar.step(formatted("loss %.3f", loss));
  }
  return sum / n;
}

// Trains saved.model, from epoch saved.epoch + 1 on. After each epoch the file is written: the
// weights of the epoch with the best validation (on its own words, where the model is measured
// so), and what is needed to go on. Error: training has diverged; the file is that of the epoch
// before.
template <class Model> class CorpusTraining {
 public:
  CorpusTraining(SavedModel<Model>& saved, const Corpus& corpus, const CorpusPlan<Model>& plan)
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
    const double deciding = runs_free<Model> ? p.free : p.told;
    bool is_best = deciding < saved_.best;
    if (is_best) saved_.best = deciding, best_ = saved_.model.state_dict();
    say_row(loss, p, is_best);
    save();
  }

  void save() const {
    if (!plan_.save.empty()) saved_.write(plan_.save, best_, trainer_.adam);
  }
  // The weights of the best epoch into saved.model.
  void finish() { saved_.model.load_state_dict(best_); }

  static void say_head() {
    say("    epoch  training  validation: told%s   seconds   left    GB",
        runs_free<Model> ? "   free" : "");
  }

 private:
  void say_row(double loss, const Perplexity& p, bool is_best) const {
    double seconds = seconds_since(start_), each = seconds / (saved_.epoch - first_);
    std::string free;
    if (runs_free<Model>) free = formatted("  %7s", in_figures(p.free).c_str());
    say("    %5d  %8s  %16s%s%s %7.0f  %6.0f  %.2f", saved_.epoch,
        in_figures(exact::exp(loss)).c_str(), in_figures(p.told).c_str(), free.c_str(),
        is_best ? " *" : "  ", seconds, each * (plan_.epochs - saved_.epoch),
        peak_memory_in_gigabytes());
  }

  SavedModel<Model>& saved_;
  const std::vector<Example>& pairs_;
  CorpusPlan<Model> plan_;
  typename Translator<Model>::Trainer trainer_;
  StateDict best_;
  std::vector<Batch> valid_;
  int first_;  // epochs done before
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

template <class Model>
void train(SavedModel<Model>& saved, const Corpus& corpus, const CorpusPlan<Model>& plan) {
  CorpusTraining<Model> training(saved, corpus, plan);
  if (training.done()) {
    say("    nothing to train: %d epochs are done, and --epochs %d asks for no more",
        saved.epoch, plan.epochs);
    training.save();
  } else {
    training.say_head();
  }
  while (!training.done()) training.epoch();
  training.finish();
}

}  // namespace HEED_PRECISION
}  // namespace heed
