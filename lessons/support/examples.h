// Pairs as token ids, and how they come in batches.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "autograd/random.h"

namespace heed {

struct Example {
  std::vector<int> source, target;  // token ids; the target without <bos> and <eos>
};

// Padded to the longest of the batch; the matrices are row-major.
struct Batch {
  int size = 0, source_length = 0, target_length = 0;  // B, S, T
  std::vector<int> source, lengths;                    // (B, S), PAD behind each end; (B)
  std::vector<int> input, labels;  // (B, T): <bos> and the target; the target and <eos>
};

// Of all examples, or of the chosen ones, in the order given.
Batch make_batch(std::span<const Example> examples);
Batch make_batch(std::span<const Example> examples, std::span<const int> chosen);

// The words that a batch asks for, <eos> included, padding not: their places among the B T
// labels, and the labels there.
struct Wanted {
  std::vector<int> places, labels;
};
Wanted wanted_of(const Batch& batch);

// How many those are.
int64_t words_in(const Batch& batch);

// Indices of all examples in batches of similar lengths, so that little is padding: shuffled,
// cut into pools of `pool` batches, each pool sorted by the length of the target and then of
// the source, and the batches of all pools shuffled. One batch may be short.
std::vector<std::vector<int>> similar_lengths(std::span<const Example> examples, int batch_size,
                                              int pool, Generator& random);

}  // namespace heed
