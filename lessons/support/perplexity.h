// How unsure a model is of the words of a corpus.
#pragma once
#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <vector>
#include "autograd/exact_math.h"
#include "autograd/graph.h"
#include "lessons/support/examples.h"
#include "lessons/support/translator.h"

namespace heed {
inline namespace HEED_PRECISION {

// Two figures go by the name of perplexity. Both are e to a mean cross-entropy.
struct Perplexity {
  double told;  // a mean over words, the decoder being told the right word before each
  double free;  // a mean over batches, the decoder going on from its own words: the post's
};

// Indices of examples, the shortest source first.
inline std::vector<int> by_length(const std::vector<Example>& examples) {
  std::vector<int> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return examples[size_t(a)].source.size() < examples[size_t(b)].source.size();
  });
  return order;
}

// Batches of similar lengths, in the order of their lengths.
inline std::vector<Batch> in_order(const std::vector<Example>& examples, int batch_size) {
  const std::vector<int> order = by_length(examples);
  std::vector<Batch> batches;
  for (size_t at = 0; at < order.size(); at += size_t(batch_size))
    batches.push_back(
        make_batch(examples, std::span<const int>(order).subspan(
                                 at, std::min(size_t(batch_size), order.size() - at))));
  return batches;
}

// Is the model measured on its own words, too?
template <class Model>
constexpr bool runs_free = requires(const Model& model, const Batch& batch) {
  Translator<Model>::free_loss(model, batch);
};

// [snippet: perplexity]
template <class Model> Perplexity perplexity(Model& model, const std::vector<Batch>& batches) {
  NoGrad guard;
  model.eval();
  double told = 0, words = 0, free = 0;
  for (const Batch& batch : batches) {
    double n = double(words_in(batch));
    told += n * double(Translator<Model>::told_loss(model, batch).item());
    words += n;
    if constexpr (runs_free<Model>)
      free += double(Translator<Model>::free_loss(model, batch).item());
  }
  model.train();
  return {exact::exp(told / words), exact::exp(free / double(batches.size()))};
}
// [end]

}  // namespace HEED_PRECISION
}  // namespace heed
