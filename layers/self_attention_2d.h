// Self-attention over feature maps: every pixel takes from all others what it looks for.
// Zhang et al. 2019 (SAGAN), section 3, but for the last 1 x 1 convolution of the paper, which
// most programs leave out; the values keep all C channels.
#pragma once
#include <cmath>
#include "layers/attention.h"
#include "layers/conv1x1.h"

namespace heed {
inline namespace HEED_PRECISION {

struct SelfAttention2d : Module {
  Conv1x1 query, key;  // C -> C / 8
  Conv1x1 value;       // C -> C
  Parameter gamma;     // (1): 0 at the start, so that the block passes on its input unchanged
  FIELDS(query, key, value, gamma)
  bool scaled;  // divide the scores by sqrt(C / 8)? The paper does not.

  // Error: fewer than 8 channels.
  explicit SelfAttention2d(int64_t channels, bool scaled = false)
      : query(channels, eighth(channels)),
        key(channels, eighth(channels)),
        value(channels, channels),
        gamma(zeros({1})),
        scaled(scaled) {}

  // x: (B, C, H, W), N = H W pixels -> output: x's shape; weights: (B, N, N), row i is where
  // pixel i looks.
  Attention operator()(const Tensor& x) const {
    HEED_CHECK(x.dim() == 4, "[SelfAttention2d] x ", x.shape(), ": (B, C, H, W) wanted");
    int64_t B = x.shape()[0], N = x.shape()[2] * x.shape()[3];
    int64_t C = value.weight.shape()[0], C8 = key.weight.shape()[0];  // C / 8
    Tensor q = query(x).view({B, C8, N}).transpose(1, 2);           // (B, N, C/8)
    Tensor k = key(x).view({B, C8, N});                             // (B, C/8, N)
    Tensor v = value(x).view({B, C, N});                            // (B, C, N)
    Tensor scores = matmul(q, k);                                   // (B, N, N)
    if (scaled) scores = scores / std::sqrt(double(k.shape()[1]));  // (B, N, N)
    Tensor weights = softmax(scores, -1);                           // (B, N, N)
    // v weights^T, turned round: weights v^T, which leaves the large one as it is.
    Tensor out = matmul(weights, v.transpose(1, 2));                // (B, N, C)
    out = out.transpose(1, 2).reshape(x.shape());                   // (B, C, H, W)
    return {gamma * out + x, weights};
  }

 private:
  static int64_t eighth(int64_t channels) {
    HEED_CHECK(channels >= 8, "[SelfAttention2d] ", channels, " channels: query and key have",
               " an eighth of them, which rounds down to 0\n",
               "  give the block at least 8 channels");
    return channels / 8;
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
