// Attention: every query takes a weighted mean of the values, with weights that say how well
// its key fits. Vaswani et al. 2017, sections 3.2.1 and 3.2.2.
#pragma once
#include <cmath>
#include "autograd/ops.h"
#include "layers/linear.h"
#include "layers/masks.h"

namespace heed {
inline namespace HEED_PRECISION {

// weights are those before dropout: each row sums to 1, or to 0 where nothing is visible.
struct Attention {
  Tensor output;   // (..., Tq, dv)
  Tensor weights;  // (..., Tq, Tk)
};

// Scores (..., Tq, Tk) -> weights: softmax over the keys that the mask leaves visible.
Tensor attention_weights(const Tensor& scores, const Mask& mask);

// softmax(Q K^T / sqrt(d)) V, equation 1.
// query (..., Tq, d), key (..., Tk, d), value (..., Tk, dv), with B, or B and H, in front.
// Each weight is left out with probability dropout_p: pass 0 outside training.
Attention scaled_dot_product_attention(const Tensor& query, const Tensor& key,
                                       const Tensor& value, const Mask& mask = {},
                                       double dropout_p = 0);

// The output alone, for those who do not ask for the weights: by fused_attention, so that
// memory grows with the numbers of queries and keys and not with their product. It is faster
// from a few hundred keys on, and slower for short texts. (With dropout the weights are made all
// the same.)
Tensor attention_output(const Tensor& query, const Tensor& key, const Tensor& value,
                        const Mask& mask = {}, double dropout_p = 0);

// Into heads and back. H heads of d = D / H numbers each: (B, T, D) <-> (B, H, T, d).
Tensor split_heads(const Tensor& x, int heads);
Tensor merge_heads(const Tensor& x);

// Keys and values ready to be looked at: projected, and split into heads.
struct KeysValues {
  Tensor keys, values;  // (B, H, Tk, d) each
};

// Several attentions side by side, each on projections of its own (section 3.2.2), with the
// names and the start of torch.nn.MultiheadAttention.
struct MultiHeadAttention : Module {
  Linear out_proj;           // D -> D (drawn first, as in PyTorch)
  Parameter in_proj_weight;  // (3 D, D): the rows of query, key and value
  Parameter in_proj_bias;    // (3 D)
  FIELDS(in_proj_weight, in_proj_bias, out_proj)
  int heads;
  double dropout;  // of the weights, in training

  // Error: a width that is not divisible by the number of heads.
  MultiHeadAttention(int64_t width, int heads, double dropout = 0);

  // query (B, Tq, D), key and value (B, Tk, D) -> output (B, Tq, D), weights (B, H, Tq, Tk).
  // The same tensor three times: self-attention. Keys and values of another: cross-attention.
  Attention operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                       const Mask& mask = {}) const;

  // The output alone, by attention_output().
  Tensor output(const Tensor& query, const Tensor& key, const Tensor& value,
                const Mask& mask = {}) const;

  // operator() in two steps, for keys that are asked again and again: a decoder that writes
  // token by token projects each once.
  KeysValues project(const Tensor& key, const Tensor& value) const;
  Attention operator()(const Tensor& query, const KeysValues& projected,
                       const Mask& mask = {}) const;

 private:
  void check(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Tensor projected(const Tensor& x, int which) const;
};

}  // namespace HEED_PRECISION
}  // namespace heed
