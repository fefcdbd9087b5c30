// Proofs about masks, for a model of your own: what must not be seen is changed, and the
// outputs that must not see it have to keep their bits. Not nearly the same numbers: the same.
//
//   prove_causal("decoder", [&](const Tensor& x) { return decoder(x); }, x);
//
// A model maps position t of its input to position t of its output: (B, T, ...) -> (B, T, ...).
// Each function throws heed::Error if the proof fails, and names the position that saw what it
// must not see; otherwise it returns how many numbers it compared, each once, however many
// changes it stood. Changes are finite: a hidden NaN or infinity times a weight of 0 is NaN, for
// any mask.
//
// A finite constant in place of a mask, like -1e4 or -1e9, is found where numbers can be made so
// large that it gives way: the whole input is tried a thousand times as large, too, with either
// sign, and what must not be seen a thousand times as large again. Two things stay unseen:
//   * Tokens have no size. Each is changed for one other, and all scores stay as they are.
//   * A LayerNorm before the scores takes any size away.
// There prove the attention on numbers, by itself, as well as the model.
//
// The default generator starts every call in the same state, so dropout draws the same coins
// and prove_causal holds in training, too. Coins depend on the shape, so the other two are for
// models in eval mode.
#pragma once
#include <functional>
#include <span>
#include <string>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

using SequenceModel = std::function<Tensor(const Tensor& x)>;
// lengths: how many positions of each sentence are real; the rest is padding.
using PaddedModel = std::function<Tensor(const Tensor& x, std::span<const int> lengths)>;
// The same for models that take tokens: (B, T) ids, row after row.
using TokenModel = std::function<Tensor(std::span<const int> ids, const Shape& shape)>;
using PaddedTokenModel = std::function<Tensor(std::span<const int> ids, const Shape& shape,
                                              std::span<const int> lengths)>;

// No output before position j sees the input at j, for every j. Counts numbers twice: those for
// the input as it is, and those for one a thousand times as large.
int64_t prove_causal(const std::string& name, const SequenceModel& model, const Tensor& x);
int64_t prove_causal(const std::string& name, const TokenModel& model,
                     std::span<const int> ids, const Shape& shape, int vocabulary);

// No real position sees padding: what stands there is changed, and 1, 2, 3 and 16 positions
// more of it are appended.
int64_t prove_padding(const std::string& name, const PaddedModel& model, const Tensor& x,
                      std::span<const int> lengths);
int64_t prove_padding(const std::string& name, const PaddedTokenModel& model,
                      std::span<const int> ids, const Shape& shape,
                      std::span<const int> lengths, int vocabulary);

// No sentence sees another: a batch of B gives what B batches of one give, each as long as its
// sentence.
int64_t prove_batch(const std::string& name, const PaddedModel& model, const Tensor& x,
                    std::span<const int> lengths);
int64_t prove_batch(const std::string& name, const PaddedTokenModel& model,
                    std::span<const int> ids, const Shape& shape, std::span<const int> lengths,
                    int vocabulary);

}  // namespace HEED_PRECISION
}  // namespace heed
