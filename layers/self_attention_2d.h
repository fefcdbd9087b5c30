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
    const auto [q, k, v] = projected(x);
    Tensor scores = matmul(q, k.transpose(1, 2));                   // (B, N, N)
    if (scaled) scores = scores / std::sqrt(double(k.shape()[2]));  // (B, N, N)
    Tensor weights = softmax(scores, -1);                           // (B, N, N)
    return {opened(matmul(weights, v), x), weights};
  }

  // The output alone, by attention_output(): none of the N^2 weights is kept. It is faster from a
  // few hundred pixels on.
  Tensor output(const Tensor& x) const {
    const auto [q, k, v] = projected(x);
    // attention_output() divides by sqrt(C / 8).
    const double scale = scaled ? 1 : std::sqrt(double(k.shape()[2]));
    return opened(attention_output(scale * q, k, v), x);
  }

 private:
  struct Projected {
    Tensor q, k, v;  // (B, N, C / 8) twice, (B, N, C)
  };
  Projected projected(const Tensor& x) const {
    HEED_CHECK(x.dim() == 4, "[SelfAttention2d] x ", x.shape(), ": (B, C, H, W) wanted");
    const auto pixels = [&](const Tensor& maps) {
      return maps.view({x.shape()[0], maps.shape()[1], x.shape()[2] * x.shape()[3]})
          .transpose(1, 2);
    };
    return {pixels(query(x)), pixels(key(x)), pixels(value(x))};
  }
  // attended (B, N, C), as maps again, let in as far as gamma opens.
  Tensor opened(const Tensor& attended, const Tensor& x) const {
    return gamma * attended.transpose(1, 2).reshape(x.shape()) + x;  // (B, C, H, W)
  }
  static int64_t eighth(int64_t channels) {
    HEED_CHECK(channels >= 8, "[SelfAttention2d] ", channels, " channels: query and key have",
               " an eighth of them, which rounds down to 0\n",
               "  give the block at least 8 channels");
    return channels / 8;
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
