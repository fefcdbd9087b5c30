// A model with all that is needed to use it or to go on training it, in memory and in a file.
#pragma once
#include <limits>
#include "lessons/support/corpus.h"
#include "lessons/support/text.h"
#include "seq2seq.h"

namespace lesson_04 {

struct Checkpoint {
  Sizes sizes;
  Language language;
  Seq2Seq model;
  int epoch = 0;                                          // how many it has been trained
  double best = std::numeric_limits<double>::infinity();  // validation perplexity so far
  StateDict last = {}, adam = {};                         // of a file that was read

  Checkpoint(const Sizes& sizes, const Language& language)
      : Checkpoint(sizes, language, Seq2Seq(sizes)) {}
  Checkpoint(const Sizes& sizes, const Language& language, const Seq2Seq& model)
      : sizes(sizes), language(language), model(model) {}

  // The file: "model." the weights of the best epoch, "last." those of the last one, "adam."
  // the optimizer; notes with sizes and language.
  void write(const std::string& path, const StateDict& best_weights,
             const Optimizer& optimizer) const {
    StateDict file = for_use(best_weights);
    file.add("last", model.state_dict());
    file.add("adam", optimizer.state_dict());
    file.notes["best"] = formatted("%.17g", best);
    save(path, file);
  }

  // Without what training needs.
  void write(const std::string& path) const { save(path, for_use(model.state_dict())); }

  // Error, with what is wrong: a file that is damaged, of another lesson, of other sizes.
  static Checkpoint read(const std::string& path);

  // Puts model and optimizer where the file's training stood; returns the best weights. A
  // model that has never been trained stays as it is.
  StateDict resume(Optimizer& optimizer) {
    StateDict best_weights = model.state_dict();
    if (epoch == 0) return best_weights;
    model.load_state_dict(std::exchange(last, {}));
    optimizer.load_state_dict(std::exchange(adam, {}));
    return best_weights;
  }

 private:
  static Checkpoint from(const StateDict& file, const std::string& path);
  StateDict for_use(const StateDict& weights) const {
    StateDict file;
    file.notes = language.notes();
    file.notes["lesson"] = "04";
    for (auto [name, value] : {std::pair("embedding", sizes.embedding),
                               {"hidden", sizes.hidden},
                               {"attends", int(sizes.attends)},
                               {"epoch", epoch}})
      file.notes[name] = std::to_string(value);
    file.notes["dropout"] = formatted("%.17g", sizes.dropout);
    file.add("model", weights);
    return file;
  }
};

// Error: weights of other sizes. Looked at before a model of these sizes is made, since a
// number that is wrong may ask for gigabytes.
inline void check_sizes(const Sizes& n, const StateDict& weights, const std::string& path) {
  auto check = [&](const std::string& name, const Shape& shape) {
    for (const auto& [found, tensor] : weights.tensors)
      if (found == name && tensor.shape() == shape) return;
    fail("[load] ", path, ": has no ", name, " ", shape, ", which its sizes ask for");
  };
  check("encoder.embedding.weight", {n.source_words, n.embedding});
  check("decoder.embedding.weight", {n.target_words, n.embedding});
  check("encoder.bridge.weight", {n.hidden, 2 * n.hidden});
}

// As read(), of what the file holds.
inline Checkpoint Checkpoint::from(const StateDict& file, const std::string& path) {
  HEED_CHECK(note(file.notes, "lesson", path) == "04", "[load] ", path, ": saved by lesson ",
             note(file.notes, "lesson", path), ", not by this one");
  Language language = Language::from(file.notes, path);
  Sizes sizes{language.source.size(),
              language.target.size(),
              note(file.notes, "embedding", 1, 4096, path),
              note(file.notes, "hidden", 1, 4096, path),
              real_note(file.notes, "dropout", path),
              note(file.notes, "attends", 0, 1, path) == 1};
  StateDict weights = file.part("model");
  check_sizes(sizes, weights, path);
  Checkpoint saved(sizes, language);
  saved.epoch = note(file.notes, "epoch", 0, 1000000, path);
  saved.model.load_state_dict(weights);
  if (saved.epoch == 0) return saved;
  saved.best = real_note(file.notes, "best", path);
  saved.last = file.part("last"), saved.adam = file.part("adam");
  return saved;
}

inline Checkpoint Checkpoint::read(const std::string& path) {
  const StateDict file = load(path);
  try {
    return from(file, path);
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.starts_with("[load] ")) throw;
    throw Error("[load] " + path + ": " + what);  // of a layer, which does not know the file
  }
}

}  // namespace lesson_04
