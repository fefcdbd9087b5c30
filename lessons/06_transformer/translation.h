// A Transformer that writes: with a cache of keys and values, and, to compare, without.
#pragma once
#include "lessons/support/writing.h"
#include "transformer.h"

namespace lesson_06 {

// [snippet: translation]
// A model that writes, with a cache: at each step only the new token goes through the layers.
class Translation : public Writer {
 public:
  Translation(const Transformer& model, Source source)
      : model_(model), source_(std::move(source)) {}
  Translation(const Transformer& model, const Batch& batch)
      : Translation(model, model.read(batch)) {}

  Tensor next(std::span<const int> words) override {
    Decoded step = model_.write(words, {int64_t(words.size()), 1}, source_, past_);
    weights.push_back(cat(step.weights, 1).squeeze(2));
    return model_.out(step.features.squeeze(1));
  }

  void keep(std::span<const int> rows) override {
    for (auto* layers : {&source_.layers, &past_})
      for (KeysValues& layer : *layers)
        for (Tensor* x : {&layer.keys, &layer.values}) *x = index_select(*x, rows);
    source_.padding = Mask::keep(index_select(source_.padding.tensor(), rows));
  }

  std::vector<Tensor> weights;  // (rows, heads of all layers, S) of each step

 private:
  const Transformer& model_;
  Source source_;
  Past past_;
};
// [end]

// The same without the cache: at each step all tokens, from the first on.
class FromTheStart : public Writer {
 public:
  FromTheStart(const Transformer& model, const Batch& batch)
      : model_(model), source_(model.read(batch)), texts_(size_t(batch.size)) {}

  Tensor next(std::span<const int> words) override {
    std::vector<int> all;
    for (size_t i = 0; i < texts_.size(); ++i) {
      texts_[i].push_back(words[i]);
      all.insert(all.end(), texts_[i].begin(), texts_[i].end());
    }
    Past nothing;
    Shape shape{int64_t(texts_.size()), int64_t(texts_[0].size())};
    Tensor features = model_.write(all, shape, source_, nothing).features;
    return model_.out(features.select(1, shape[1] - 1));
  }

  void keep(std::span<const int> rows) override {
    std::vector<std::vector<int>> kept;
    for (int row : rows) kept.push_back(texts_[size_t(row)]);
    texts_ = std::move(kept);
    for (KeysValues& layer : source_.layers)
      for (Tensor* x : {&layer.keys, &layer.values}) *x = index_select(*x, rows);
    source_.padding = Mask::keep(index_select(source_.padding.tensor(), rows));
  }

 private:
  const Transformer& model_;
  Source source_;
  std::vector<std::vector<int>> texts_;
};

}  // namespace lesson_06
