#include "layers/gru.h"

#include <algorithm>
#include "layers/dropout.h"
#include "layers/masks.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

int64_t checked(int64_t in, int64_t hidden) {
  HEED_CHECK(in > 0 && hidden > 0, "[GRU] from ", in, " to ", hidden,
             " numbers: both must be positive");
  return hidden;
}

// x (B, T, in) with 0 in padding: NaN there, times a gradient of 0, would be NaN in weight_ih's.
Tensor without_padding(const Tensor& x, std::span<const int> lengths) {
  if (lengths.empty()) return x;
  HEED_CHECK(x.dim() == 3 && int64_t(lengths.size()) == x.shape()[0], "[GRU] ", lengths.size(),
             " lengths for x ", x.shape(), ": (B, T, in) wanted, and one for each sentence");
  const int64_t B = x.shape()[0], T = x.shape()[1];
  for (size_t b = 0; b < lengths.size(); ++b)
    HEED_CHECK(lengths[b] >= 0 && lengths[b] <= T, "[GRU] sentence ", b, " has length ",
               lengths[b], ", but x ", x.shape(), " has ", T, " positions");
  if (std::all_of(lengths.begin(), lengths.end(), [&](int n) { return n == T; })) return x;
  return where(padding_mask(lengths, T).tensor().view({B, T, 1}), x, scalar(0));
}

// The states (B, T, H) at the real end: at lengths[b] - 1, or at 0 in reverse. -> (B, H)
Tensor states_at_end(const Tensor& states, std::span<const int> lengths, bool reverse) {
  int64_t B = states.size(0), T = states.size(1), H = states.size(2);
  if (reverse) return states.select(1, 0);
  if (lengths.empty()) return states.select(1, T - 1);
  std::vector<int> rows;
  for (int64_t b = 0; b < B; ++b) rows.push_back(int(b * T) + lengths[size_t(b)] - 1);
  return index_select(states.view({B * T, H}), rows);
}

}  // namespace

GRUCell::GRUCell(int64_t in, int64_t hidden, Reset reset)
    : weight_ih(init::symmetric({3 * checked(in, hidden), in}, 1 / std::sqrt(double(hidden)))),
      weight_hh(init::symmetric({3 * hidden, hidden}, 1 / std::sqrt(double(hidden)))),
      bias_ih(init::symmetric({3 * hidden}, 1 / std::sqrt(double(hidden)))),
      bias_hh(init::symmetric({3 * hidden}, 1 / std::sqrt(double(hidden)))),
      reset(reset) {}

Tensor GRUCell::over(const Tensor& x, const Tensor& h0, std::span<const int> lengths,
                     bool reverse) const {
  Tensor inputs = linear(without_padding(x, lengths), weight_ih, bias_ih);
  return gru(inputs, weight_hh, bias_hh, h0, lengths, reverse,
             reset == Reset::after_product);
}

Tensor GRUCell::operator()(const Tensor& x, const Tensor& h) const {
  return over(x.unsqueeze(1), h, {}, false).squeeze(1);
}

GRU::GRU(int64_t in, int64_t hidden, const Options& options)
    : in(in), hidden(hidden), options(options) {
  HEED_CHECK(options.layers >= 1, "[GRU] ", options.layers, " layers: at least 1 wanted");
  probability("GRU", options.dropout);
  int directions = options.bidirectional ? 2 : 1;
  for (int layer = 0; layer < options.layers; ++layer)
    for (int d = 0; d < directions; ++d)
      cells.emplace_back(layer == 0 ? in : directions * hidden, hidden, options.reset);
}

// weight_ih_l0, ..., weight_ih_l0_reverse, ...
void GRU::fields(Fields& visit) {
  int directions = options.bidirectional ? 2 : 1;
  for (size_t i = 0; i < cells.size(); ++i) {
    GRUCell& cell = cells[i];
    std::string end = "_l" + std::to_string(i / size_t(directions)) +
                      (i % size_t(directions) == 1 ? "_reverse" : "");
    visit(
        ("weight_ih" + end + ",weight_hh" + end + ",bias_ih" + end + ",bias_hh" + end).c_str(),
        cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh);
  }
}

GRUOutput GRU::operator()(const Tensor& x, std::span<const int> lengths) const {
  HEED_CHECK(x.dim() == 3 && x.shape()[2] == in && x.shape()[1] >= 1, "[GRU] x ", x.shape(),
             ": (B, T, ", in, ") wanted, with at least one position");
  for (size_t b = 0; b < lengths.size(); ++b)
    HEED_CHECK(lengths[b] >= 1, "[GRU] sentence ", b, " has length ", lengths[b],
               ": without a position there is no last state");
  int64_t B = x.shape()[0];
  int directions = options.bidirectional ? 2 : 1;
  HEED_CHECK(cells.size() == size_t(options.layers * directions), "[GRU] ", cells.size(),
             " cells for ", options.layers, " layers in ", directions, " directions: it was",
             " moved from\n  use the GRU that it was moved to, or assign another to it");
  Tensor h0 = zeros({B, hidden}), y = x;
  std::vector<Tensor> ends;
  for (int layer = 0; layer < options.layers; ++layer) {
    if (layer > 0)  // coins position by position, as PyTorch tosses them
      y = dropout(y.transpose(0, 1), options.dropout, training).transpose(0, 1);
    std::vector<Tensor> states;
    for (int d = 0; d < directions; ++d) {
      const GRUCell& cell = cells[size_t(layer * directions + d)];
      states.push_back(cell.over(y, h0, lengths, d == 1));
      ends.push_back(states_at_end(states.back(), lengths, d == 1));
    }
    y = directions == 1 ? states[0] : cat(states, 2);
  }
  return {y, stack(ends, 0)};
}

}  // namespace HEED_PRECISION
}  // namespace heed
