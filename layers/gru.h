// The gated recurrent unit (Cho et al. 2014): a state that is read and rewritten position by
// position. Gates in PyTorch's order, r, z, n; names and start as in torch.nn.GRU.
#pragma once
#include <cmath>
#include "autograd/ops.h"
#include "layers/init.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

// How r resets the state in the candidate n: PyTorch and cuDNN multiply the product by it,
// tanh(... + r (W h + b)); the paper's first version the state, tanh(... + W (r h) + b).
enum class Reset { after_product, before_product };

// One step, or one direction of one layer.
struct GRUCell : Module {
  Parameter weight_ih, weight_hh;  // (3 H, in), (3 H, H)
  Parameter bias_ih, bias_hh;      // (3 H) each
  FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)
  Reset reset;

  GRUCell(int64_t in, int64_t hidden, Reset reset = Reset::after_product);

  // x (B, in), h (B, H) -> the next state, (B, H)
  Tensor operator()(const Tensor& x, const Tensor& h) const;
  // x (B, T, in), h0 (B, H) -> the state after each position, (B, T, H), 0 in padding
  Tensor over(const Tensor& x, const Tensor& h0, std::span<const int> lengths,
              bool reverse) const;
};

struct GRUOutput {
  Tensor output;  // (B, T, H), or (B, T, 2 H): the last layer's states, 0 in padding
  Tensor hidden;  // (layers, B, H), or (2 layers, B, H): each one's state at its real end
};

// Layers above each other; in both directions if bidirectional, forwards first.
struct GRU : Module {
  struct Options {
    int layers = 1;
    bool bidirectional = false;
    double dropout = 0;  // of what one layer hands to the next, in training
    Reset reset = Reset::after_product;
  };

  std::vector<GRUCell> cells;  // layer by layer, forwards and backwards
  int64_t in, hidden;
  Options options;

  GRU(int64_t in, int64_t hidden, const Options& options);
  GRU(int64_t in, int64_t hidden) : GRU(in, hidden, Options()) {}
  void fields(Fields& visit) override;

  // x: (B, T, in). lengths: B of them, each at least 1, or none if there is no padding.
  GRUOutput operator()(const Tensor& x, std::span<const int> lengths = {}) const;
};

}  // namespace HEED_PRECISION
}  // namespace heed
