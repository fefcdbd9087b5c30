// A model with all that is needed to use it or to go on training it, in memory and in a file.
#pragma once
#include <heed.h>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include "lessons/support/corpus.h"
#include "lessons/support/text.h"
#include "lessons/support/translator.h"

namespace heed {
inline namespace HEED_PRECISION {

template <class Model> struct SavedModel {
  using Its = Translator<Model>;
  using Sizes = typename Its::Sizes;

  Sizes sizes;
  Language language;
  Model model;
  int epoch = 0;                                          // how many it has been trained
  double best = std::numeric_limits<double>::infinity();  // validation perplexity so far
  int validated_on = 0;                                   // fingerprint of these sentences
  std::string source;                                     // the path, if it was read
  StateDict last = {}, adam = {};                         // of that file

  SavedModel(const Sizes& sizes, const Language& language)
      : SavedModel(sizes, language, Model(sizes)) {}
  SavedModel(const Sizes& sizes, const Language& language, const Model& model)
      : sizes(sizes), language(language), model(model) {}

  // The file: "model." the weights of the best epoch, "last." those of the last one, "adam."
  // the optimizer; notes with sizes and language.
  void write(const std::string& path, const StateDict& best_weights,
             const Optimizer& optimizer) const {
    StateDict file = for_use(best_weights);
    file.add("last", model.state_dict());
    file.add("adam", optimizer.state_dict());
    file.notes["best"] = formatted("%.17g", best);
    file.notes["validated on"] = std::to_string(validated_on);
    save(path, file);
  }

  // Without what training needs.
  void write(const std::string& path) const { save(path, for_use(model.state_dict())); }

  // Error, with what is wrong: a file that is damaged, of another lesson, of other sizes.
  static SavedModel read(const std::string& path) {
    const StateDict file = load(path);
    return naming(path, [&] { return from(file, path); });
  }

  // Puts model and optimizer where the file's training stood; returns the best weights. A
  // model that has never been trained stays as it is.
  StateDict resume(Optimizer& optimizer) {
    StateDict best_weights = model.state_dict();
    if (epoch == 0) return best_weights;
    naming(source, [&] {
      model.load_state_dict(std::exchange(last, {}));
      optimizer.load_state_dict(std::exchange(adam, {}));
    });
    return best_weights;
  }

 private:
  StateDict for_use(const StateDict& weights) const {
    StateDict file;
    file.notes = language.notes();
    file.notes["lesson"] = Its::lesson;
    file.notes["epoch"] = std::to_string(epoch);
    Its::note_sizes(sizes, file.notes);
    file.add("model", weights);
    return file;
  }

  // An error in `work` names the file, which a layer or an optimizer does not know.
  template <class Work> static auto naming(const std::string& path, Work work) {
    try {
      return work();
    } catch (const Error& error) {
      const std::string what = error.what();
      if (what.starts_with("[load] ")) throw;
      throw Error("[load] " + path + ": " + what);
    }
  }

  // Error: a number of the model, or of what going on needs, is NaN or infinite.
  static void check_numbers(const StateDict& file, const std::string& path) {
    for (const auto& [name, tensor] : file.tensors)
      for (Scalar number : std::span(tensor.data(), size_t(tensor.numel())))
        HEED_CHECK(std::isfinite(number), "[load] ", path, ": ", name, " holds ",
                   std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf",
                   ", wanted finite numbers\n  take a copy of the file from before");
  }

  // Error: weights of other sizes. Looked at before a model of these sizes is made, since a
  // number that is wrong may ask for gigabytes.
  static void check_sizes(const Sizes& sizes, const StateDict& weights,
                          const std::string& path) {
    Its::check_sizes(sizes, [&](const std::string& name, const Shape& shape) {
      for (const auto& [found, tensor] : weights.tensors)
        if (found == name && tensor.shape() == shape) return;
      fail("[load] ", path, ": has no ", name, " ", shape, ", which its sizes ask for");
    });
  }

  // As read(), of what the file holds.
  static SavedModel from(const StateDict& file, const std::string& path) {
    HEED_CHECK(note(file.notes, "lesson", path) == Its::lesson, "[load] ", path,
               ": saved by lesson ", note(file.notes, "lesson", path), ", not by this one");
    Language language = Language::from(file.notes, path);
    Sizes sizes = Its::sizes_from(file.notes, language, path);
    StateDict weights = file.part("model");
    check_sizes(sizes, weights, path);
    check_numbers(file, path);
    SavedModel saved(sizes, language);
    saved.source = path;
    saved.epoch = note(file.notes, "epoch", 0, 1000000, path);
    saved.model.load_state_dict(weights);
    if (saved.epoch == 0) return saved;
    saved.best = real_note(file.notes, "best", path);
    saved.validated_on =
        note(file.notes, "validated on", 0, std::numeric_limits<int>::max(), path);
    saved.last = file.part("last"), saved.adam = file.part("adam");
    return saved;
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
