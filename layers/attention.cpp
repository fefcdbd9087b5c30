#include "layers/attention.h"

#include "autograd/broadcast.h"
#include "layers/dropout.h"
#include "layers/init.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

void check_shapes(const Tensor& query, const Tensor& key, const Tensor& value) {
  check_defined("attention", query, key, value);
  const Shape &q = query.shape(), &k = key.shape(), &v = value.shape();
  int rank = q.rank();
  bool same_rank = rank >= 2 && rank <= 4 && k.rank() == rank && v.rank() == rank;
  HEED_CHECK(same_rank, "[attention] query ", q, ", key ", k, ", value ", v,
             ": (..., T, d) wanted for each, with B, or B and H, in front");
  for (int d = 0; d + 2 < rank; ++d)
    HEED_CHECK(q[d] == k[d] && k[d] == v[d], "[attention] query ", q, ", key ", k, ", value ",
               v, ": leading sizes differ");
  HEED_CHECK(q.back() == k.back(), "[attention] query ", q, ", key ", k,
             ": their last sizes differ, so that no product is defined");
  HEED_CHECK(k[rank - 2] == v[rank - 2], "[attention] key ", k, ", value ", v,
             ": a value for each key wanted");
}

}  // namespace

Tensor attention_weights(const Tensor& scores, const Mask& mask) {
  if (!mask.defined()) return softmax(scores, -1);
  return masked_softmax(scores, mask.for_scores(scores.shape()));
}

Attention scaled_dot_product_attention(const Tensor& query, const Tensor& key,
                                       const Tensor& value, const Mask& mask,
                                       double dropout_p) {
  check_shapes(query, key, value);
  double d = double(query.size(-1));
  Tensor scores = matmul(query, key.transpose(-2, -1)) / std::sqrt(d);  // (..., Tq, Tk)
  Tensor weights = attention_weights(scores, mask);                     // (..., Tq, Tk)
  Tensor output = matmul(dropout(weights, dropout_p), value);           // (..., Tq, dv)
  return {output, weights};
}

Tensor attention_output(const Tensor& query, const Tensor& key, const Tensor& value,
                        const Mask& mask, double dropout_p) {
  if (dropout_p != 0)
    return scaled_dot_product_attention(query, key, value, mask, dropout_p).output;
  check_shapes(query, key, value);
  if (!mask.defined()) return fused_attention(query, key, value);
  const Shape scores =
      query.shape().without(query.dim() - 1).with(query.dim() - 1, key.size(-2));
  return fused_attention(query, key, value, mask.for_scores(scores));
}

Tensor split_heads(const Tensor& x, int heads) {
  HEED_CHECK(x.dim() == 3 && heads >= 1 && x.shape()[2] % heads == 0, "[split_heads] x ",
             x.shape(), " for ", heads, " heads: (B, T, D) wanted, with D divisible by heads");
  int64_t B = x.size(0), T = x.size(1), D = x.size(2);
  return x.reshape({B, T, heads, D / heads}).transpose(1, 2);
}
Tensor merge_heads(const Tensor& x) {
  HEED_CHECK(x.dim() == 4, "[merge_heads] x ", x.shape(), ": (B, H, T, d) wanted");
  int64_t B = x.size(0), H = x.size(1), T = x.size(2), d = x.size(3);
  return x.transpose(1, 2).reshape({B, T, H * d});
}

namespace {
int64_t checked_width(int64_t width, int heads) {
  HEED_CHECK(heads >= 1 && width >= 1 && width % heads == 0, "[MultiHeadAttention] width ",
             width, " for ", heads, " heads: each head takes an equal share, so the width must",
             " be divisible by the number of heads");
  return width;
}
}  // namespace

MultiHeadAttention::MultiHeadAttention(int64_t width, int heads, double dropout)
    : out_proj(checked_width(width, heads), width),
      in_proj_weight(init::xavier_uniform({3 * width, width})),
      in_proj_bias(zeros({3 * width})),
      heads(heads),
      dropout(probability("MultiHeadAttention", dropout)) {
  NoGrad guard;
  out_proj.bias->zero_();
}

// (B, T, D) -> (B, H, T, d) by the rows of in_proj_weight for queries (0), keys (1), values (2)
Tensor MultiHeadAttention::projected(const Tensor& x, int which) const {
  int64_t D = out_proj.weight.shape()[0];
  return split_heads(
      linear(x, in_proj_weight.narrow(0, which * D, D), in_proj_bias.narrow(0, which * D, D)),
      heads);
}

KeysValues MultiHeadAttention::project(const Tensor& key, const Tensor& value) const {
  int64_t D = out_proj.weight.shape()[0];
  for (const Tensor* x : {&key, &value})
    HEED_CHECK(x->dim() == 3 && x->shape()[2] == D, "[MultiHeadAttention] key ", key.shape(),
               ", value ", value.shape(), ": (B, T, ", D, ") wanted for each");
  return {projected(key, 1), projected(value, 2)};
}

Attention MultiHeadAttention::operator()(const Tensor& query, const KeysValues& memory,
                                         const Mask& mask) const {
  int64_t D = out_proj.weight.shape()[0];
  HEED_CHECK(query.dim() == 3 && query.shape()[2] == D, "[MultiHeadAttention] query ",
             query.shape(), ": (B, T, ", D, ") wanted");
  Attention a = scaled_dot_product_attention(projected(query, 0), memory.keys, memory.values,
                                             mask, training ? dropout : 0);
  return {out_proj(merge_heads(a.output)), a.weights};
}

void MultiHeadAttention::check(const Tensor& query, const Tensor& key,
                               const Tensor& value) const {
  int64_t D = out_proj.weight.shape()[0];
  const auto check = [&](bool ok, const auto&... what) {
    HEED_CHECK(ok, "[MultiHeadAttention] query ", query.shape(), ", key ", key.shape(),
               ", value ", value.shape(), ": ", what...);
  };
  for (const Tensor* x : {&query, &key, &value})
    check(x->dim() == 3 && x->shape()[2] == D, "(B, T, ", D, ") wanted for each");
  check(query.size(0) == key.size(0) && key.size(0) == value.size(0), "one batch size wanted");
  check(key.size(1) == value.size(1), "a value for each key wanted");
}

Attention MultiHeadAttention::operator()(const Tensor& query, const Tensor& key,
                                         const Tensor& value, const Mask& mask) const {
  check(query, key, value);
  return (*this)(query, project(key, value), mask);
}

Tensor MultiHeadAttention::output(const Tensor& query, const Tensor& key, const Tensor& value,
                                  const Mask& mask) const {
  check(query, key, value);
  KeysValues memory = project(key, value);
  return out_proj(merge_heads(attention_output(projected(query, 0), memory.keys, memory.values,
                                               mask, training ? dropout : 0)));
}

}  // namespace HEED_PRECISION
}  // namespace heed
