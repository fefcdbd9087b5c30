// The reader's own corpus: what lessons/support has to know of this lesson's model.
#pragma once
#include "lessons/support/corpus_lesson.h"
#include "settings.h"

template <> struct heed::Translator<lesson_06::Transformer> {
  using Sizes = lesson_06::Sizes;
  using Trainer = lesson_06::Trainer;
  using TrainerOptions = lesson_06::TrainerOptions;
  using Writing = lesson_06::Translation;
  static constexpr const char* lesson = "06";

  static void note_sizes(const Sizes& sizes, std::map<std::string, std::string>& notes) {
    for (auto [name, value] : {std::pair("width", sizes.width),
                               {"heads", sizes.heads},
                               {"hidden", sizes.hidden},
                               {"encoder layers", sizes.encoder_layers},
                               {"decoder layers", sizes.decoder_layers},
                               {"positions", sizes.longest}})
      notes[name] = std::to_string(value);
    notes["norm"] = sizes.norm == lesson_06::Norm::first ? "first" : "last";
    notes["dropout"] = formatted("%.17g", sizes.dropout);
  }
  static Sizes sizes_from(const std::map<std::string, std::string>& notes,
                          const Language& language, const std::string& path) {
    const std::string norm = note(notes, "norm", path);
    HEED_CHECK(norm == "first" || norm == "last", "[load] ", path, ": its norm is '", norm,
               "': first or last wanted");
    return {language.source.size(),
            language.target.size(),
            note(notes, "width", 1, 4096, path),
            note(notes, "heads", 1, 4096, path),
            note(notes, "hidden", 1, 16384, path),
            note(notes, "encoder layers", 1, 100, path),
            note(notes, "decoder layers", 1, 100, path),
            norm == "first" ? lesson_06::Norm::first : lesson_06::Norm::last,
            real_note(notes, "dropout", path),
            note(notes, "positions", language.longest + 2, 1000002, path)};
  }
  template <class Find> static void check_sizes(const Sizes& n, Find find) {
    find("source.weight", {n.source_words, n.width});
    find("target.weight", {n.target_words, n.width});
    find("positions.pe", {1, n.longest, n.width});
    for (auto [coder, layers] :
         {std::pair("encoder", n.encoder_layers), {"decoder", n.decoder_layers}})
      find(formatted("%s.layers.%d.linear1.weight", coder, layers - 1), {n.hidden, n.width});
  }

  static double rate(int step, int steps) { return lesson_06::rate(step, steps / 10, steps); }
  static Tensor told_loss(const lesson_06::Transformer& model, const Batch& batch) {
    return loss_of(model, batch, 0);
  }
  static Tensor looked(const Tensor& weights) { return mean(weights, {1}); }  // of all heads
};

namespace lesson_06 {

using Checkpoint = SavedModel<Transformer>;

inline Checkpoint new_model(const Settings& s, const Language& language) {
  manual_seed(s.seed);
  return Checkpoint({language.source.size(), language.target.size(), s.width, s.heads, s.hidden,
                     s.layers, s.layers, s.where(), s.dropout, language.longest + 2},
                    language);
}

// --pairs FILE: trains a new model, or goes on with that of --load FILE.
inline int learn_pairs(const Settings& settings, std::optional<Checkpoint> saved) {
  return learn_corpus(settings, {adam_options(settings.lr)}, std::move(saved),
                      [&](const Language& language) { return new_model(settings, language); });
}

}  // namespace lesson_06
