// The document's program: its input, its mask, its attention and its class, as it has them.
#pragma once
#include <cmath>
#include <heed.h>

namespace lesson_02 {
using namespace heed;

constexpr int VOCABULARY = 1000, WIDTH = 512, HEADS = 8;
constexpr double DROPOUT = 0.2;
constexpr int SENTENCES[] = {100, 2, 421, 508, 491, 998, 1, 221};  // (2, 4)

// Step (0), from the sections before it: embeddings times sqrt(512), plus positions. The root
// is the series' own; what it does to attention is seen in steps (6) and (10).
inline Tensor pe_result() {
  Embedding table(VOCABULARY, WIDTH);
  PositionalEncoding positions(WIDTH, DROPOUT, /*max_len=*/60);
  return positions(table(SENTENCES, {2, 4}) * std::sqrt(double(WIDTH))).detach();
}

// [snippet: subsequent_mask]
// Step (2). Ones above the diagonal, and then 1 - them: 1 = may be seen. (1, size, size), one
// mask for all sentences of a batch.
inline Tensor subsequent_mask(int64_t size) {
  Tensor above = zeros({1, size, size});
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = i + 1; j < size; ++j) above.set({0, i, j}, 1);
  return 1 - above;
}
// [end]

// [snippet: attention]
// Step (6). query (..., Tq, d_k), key (..., Tk, d_k), value (..., Tk, dv). What the mask hides
// gets the score -1e9. The weights that come back are those after dropout.
inline Attention attention(const Tensor& query, const Tensor& key, const Tensor& value,
                           const Tensor& mask = {}, const Dropout* dropout = nullptr) {
  double d_k = double(query.size(-1));
  Tensor scores = matmul(query, key.transpose(-2, -1)) / std::sqrt(d_k);  // (..., Tq, Tk)
  if (mask.defined()) scores = masked_fill(scores, mask == 0, -1e9);
  Tensor p_attn = softmax(scores, -1);  // (..., Tq, Tk)
  if (dropout) p_attn = (*dropout)(p_attn);
  return {matmul(p_attn, value), p_attn};  // (..., Tq, dv)
}
// [end]

// [snippet: class]
// Step (9), with step (8) in it: one Linear is drawn, and copied four times.
struct MultiHeadedAttention : Module {
  std::vector<Linear> linears;  // query, key, value, and the one after the heads: D -> D each
  Dropout dropout;
  FIELDS(linears, dropout)
  int head;
  int64_t d_k;

  MultiHeadedAttention(int head, int64_t width, double dropout)
      : linears(clones(Linear(width, width), 4)),
        dropout(dropout),
        head(head),
        d_k(width / head) {
    HEED_CHECK(width % head == 0, "[MultiHeadedAttention] width ", width, " for ", head,
               " heads: must be divisible");
  }

  // query (B, Tq, D), key and value (B, Tk, D), mask (B, Tq, Tk)
  Attention operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                       const Tensor& mask) const {
    int64_t B = query.size(0);
    auto heads_of = [&](const Linear& linear, const Tensor& x) {  // (B, T, D) -> (B, H, T, d_k)
      return linear(x).view({B, -1, head, d_k}).transpose(1, 2);
    };
    Attention a = attention(heads_of(linears[0], query), heads_of(linears[1], key),
                            heads_of(linears[2], value), mask.unsqueeze(1), &dropout);
    Tensor x = a.output.transpose(1, 2).contiguous().view({B, -1, head * d_k});
    return {linears[3](x), a.weights};
  }
};
// [end]

}  // namespace lesson_02
