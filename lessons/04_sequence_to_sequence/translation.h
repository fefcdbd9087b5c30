// The reader's own corpus: what lessons/support has to know of this lesson's model.
#pragma once
#include "lessons/support/corpus_lesson.h"
#include "settings.h"
#include "training.h"

namespace lesson_04 {

// The learning rate is whole for the first half of the training, and falls in the second.
inline double late_cosine(int step, int steps) {
  const int half = steps / 2;
  return cosine(std::max(0, step - half), steps - half, 0.02);
}

}  // namespace lesson_04

template <> struct heed::Translator<lesson_04::Seq2Seq> {
  using Sizes = lesson_04::Sizes;
  using Trainer = lesson_04::Trainer;
  using TrainerOptions = lesson_04::TrainerOptions;
  using Writing = lesson_04::Translation;
  static constexpr const char* lesson = "04";

  static void note_sizes(const Sizes& sizes, std::map<std::string, std::string>& notes) {
    for (auto [name, value] : {std::pair("embedding", sizes.embedding),
                               {"hidden", sizes.hidden},
                               {"attends", int(sizes.attends)}})
      notes[name] = std::to_string(value);
    notes["dropout"] = formatted("%.17g", sizes.dropout);
  }
  static Sizes sizes_from(const std::map<std::string, std::string>& notes,
                          const Language& language, const std::string& path) {
    return {language.source.size(),
            language.target.size(),
            note(notes, "embedding", 1, 4096, path),
            note(notes, "hidden", 1, 4096, path),
            real_note(notes, "dropout", path),
            note(notes, "attends", 0, 1, path) == 1};
  }
  template <class Find> static void check_sizes(const Sizes& n, Find find) {
    find("encoder.embedding.weight", {n.source_words, n.embedding});
    find("decoder.embedding.weight", {n.target_words, n.embedding});
    find("encoder.bridge.weight", {n.hidden, 2 * n.hidden});
  }

  static double rate(int step, int steps) { return lesson_04::late_cosine(step, steps); }
  static Tensor told_loss(const lesson_04::Seq2Seq& model, const Batch& batch) {
    return loss_of(model, batch, std::vector<bool>(size_t(batch.target_length), true));
  }
  static Tensor free_loss(const lesson_04::Seq2Seq& model, const Batch& batch) {
    return loss_of(model, batch, std::vector<bool>(size_t(batch.target_length), false));
  }
  static Tensor looked(const Tensor& weights) { return weights; }
};

namespace lesson_04 {

using Checkpoint = SavedModel<Seq2Seq>;

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
  return learn_corpus(settings, {{.lr = settings.lr}, 1, settings.teacher_forcing},
                      std::move(saved),
                      [&](const Language& language) { return new_model(settings, language); });
}

}  // namespace lesson_04
