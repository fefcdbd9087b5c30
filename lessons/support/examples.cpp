#include "lessons/support/examples.h"
#include <algorithm>
#include <numeric>
#include <utility>
#include "autograd/check.h"
#include "lessons/support/vocabulary.h"

namespace heed {
namespace {

// Pieces of `size` each; the last may be shorter.
std::vector<std::span<int>> cut(std::span<int> all, size_t size) {
  std::vector<std::span<int>> pieces;
  for (; !all.empty(); all = all.subspan(pieces.back().size()))
    pieces.push_back(all.first(std::min(size, all.size())));
  return pieces;
}

}  // namespace

Batch make_batch(std::span<const Example> examples) {
  std::vector<int> all(examples.size());
  std::iota(all.begin(), all.end(), 0);
  return make_batch(examples, all);
}

Batch make_batch(std::span<const Example> examples, std::span<const int> chosen) {
  HEED_CHECK(!chosen.empty(), "[make_batch] no examples: at least one is needed");
  Batch batch;
  batch.size = int(chosen.size());
  for (int i : chosen) {
    HEED_CHECK(i >= 0 && size_t(i) < examples.size(), "[make_batch] no example ", i,
               ": there are ", examples.size(), ", numbered from 0");
    const Example& example = examples[size_t(i)];
    HEED_CHECK(!example.source.empty(), "[make_batch] the source of example ", i,
               " has no tokens; leave such pairs out");
    batch.lengths.push_back(int(example.source.size()));
    batch.source_length = std::max(batch.source_length, batch.lengths.back());
    batch.target_length = std::max(batch.target_length, int(example.target.size()) + 1);
  }
  size_t B = chosen.size(), S = size_t(batch.source_length), T = size_t(batch.target_length);
  batch.source.assign(B * S, PAD);
  batch.input.assign(B * T, PAD);
  batch.labels.assign(B * T, PAD);
  for (size_t b = 0; b < B; ++b) {
    const auto& [source, target] = examples[size_t(chosen[b])];
    std::copy(source.begin(), source.end(), &batch.source[b * S]);
    batch.input[b * T] = BOS;
    std::copy(target.begin(), target.end(), batch.input.begin() + ptrdiff_t(b * T + 1));
    *std::copy(target.begin(), target.end(), &batch.labels[b * T]) = EOS;
  }
  return batch;
}

Wanted wanted_of(const Batch& batch) {
  Wanted wanted;
  for (int i = 0; i < batch.size * batch.target_length; ++i)
    if (batch.labels[size_t(i)] != PAD) {
      wanted.places.push_back(i);
      wanted.labels.push_back(batch.labels[size_t(i)]);
    }
  return wanted;
}

int64_t words_in(const Batch& batch) { return int64_t(wanted_of(batch).labels.size()); }

std::vector<std::vector<int>> similar_lengths(std::span<const Example> examples, int batch_size,
                                              int pool, Generator& random) {
  HEED_CHECK(!examples.empty(), "[similar_lengths] no examples: at least one is needed");
  HEED_CHECK(batch_size >= 1, "[similar_lengths] batch size ", batch_size,
             ": must be at least 1");
  HEED_CHECK(pool >= 1, "[similar_lengths] pool = ", pool, " batches: must be at least 1");
  auto lengths = [&](int i) {
    const Example& example = examples[size_t(i)];
    return std::pair(example.target.size(), example.source.size());
  };
  auto shorter = [&](int i, int j) { return lengths(i) < lengths(j); };

  std::vector<int> order = random.randperm(int(examples.size()));
  for (std::span<int> some : cut(std::span(order), size_t(pool) * size_t(batch_size)))
    std::stable_sort(some.begin(), some.end(), shorter);
  auto batches = cut(std::span(order), size_t(batch_size));
  std::vector<std::vector<int>> shuffled;
  for (int i : random.randperm(int(batches.size())))
    shuffled.emplace_back(batches[size_t(i)].begin(), batches[size_t(i)].end());
  return shuffled;
}

}  // namespace heed
