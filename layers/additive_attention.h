// Additive attention: a score by a small network of query and key, not by their product.
// Bahdanau, Cho and Bengio 2015, appendix A.1.2.
#pragma once
#include "layers/attention.h"
#include "layers/linear.h"
#include "layers/masks.h"

namespace heed {
inline namespace HEED_PRECISION {

// score = v^T tanh(W_s s + W_h h) for a state s that asks and a key h. A decoder asks many
// times about the same keys: project them once, and hand the result to every step.
struct AdditiveAttention : Module {
  Linear query;  // W_s, with the bias: S -> A
  Linear key;    // W_h: K -> A
  Linear score;  // v: A -> 1, no bias (softmax would take it away)
  FIELDS(query, key, score)

  AdditiveAttention(int64_t query_width, int64_t key_width, int64_t width)
      : query(query_width, width), key(key_width, width, false), score(width, 1, false) {}

  // keys (B, T, K) -> (B, T, A)
  Tensor project(const Tensor& keys) const { return key(keys); }

  // state (B, S), projected (B, T, A), values (B, T, V); mask (B, 1, T) -> output (B, V),
  // weights (B, T)
  Attention operator()(const Tensor& state, const Tensor& projected, const Tensor& values,
                       const Mask& mask = {}) const {
    check(projected, values);
    int64_t B = projected.size(0), T = projected.size(1);
    Tensor scores = additive_scores(query(state), projected, score.weight.select(0, 0));
    Tensor weights = attention_weights(scores.view({B, 1, T}), mask);  // (B, 1, T)
    return {matmul(weights, values).squeeze(1), weights.squeeze(1)};   // (B, V), (B, T)
  }

 private:
  // Other shapes would broadcast.
  void check(const Tensor& projected, const Tensor& values) const {
    const Shape &p = projected.shape(), &v = values.shape();
    const int64_t A = key.weight.shape()[0];
    HEED_CHECK(p.rank() == 3 && p[2] == A, "[AdditiveAttention] projected ", p, ", values ", v,
               ": (B, T, ", A, ") wanted for the first\n  project(keys) makes it");
    HEED_CHECK(v.rank() == 3 && v[0] == p[0] && v[1] == p[1], "[AdditiveAttention] projected ",
               p, ", values ", v, ": (B, T, V) wanted for the second, a value for each key");
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
