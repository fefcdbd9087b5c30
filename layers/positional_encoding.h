// Attention does not know the order of its inputs; so each position adds numbers of its own.
#pragma once
#include "autograd/exact_math.h"
#include "autograd/ops.h"
#include "layers/dropout.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

// x: (B, T, D) + T rows of table, (1, max_len, D), from row `first` on
inline Tensor add_positions(const char* layer, const Tensor& x, const Tensor& table,
                            int64_t first = 0) {
  int64_t max_len = table.shape()[1], D = table.shape()[2];
  HEED_CHECK(x.dim() == 3 && x.shape()[2] == D, "[", layer, "] x ", x.shape(),
             ": (B, T, D) wanted, with D = ", D);
  HEED_CHECK(first >= 0, "[", layer, "] first position ", first, ": 0 or more wanted");
  int64_t last = first + x.shape()[1];
  HEED_CHECK(last <= max_len, "[", layer, "] ", last, " positions, but the table has ", max_len,
             "\n  make the layer with a max_len of ", last, " or more");
  return x + table.narrow(1, first, x.shape()[1]);
}

inline Shape table_shape(const char* layer, int64_t max_len, int64_t width) {
  HEED_CHECK(width > 0 && max_len > 0, "[", layer, "] ", max_len, " positions of ", width,
             " numbers: both must be positive");
  return {max_len, width};
}

// Sines and cosines, not learned: table[t, 2 i] = sin(t / 10000^(2 i / D)), and the cosine of
// the same in column 2 i + 1. Vaswani et al. 2017, section 3.5.
struct PositionalEncoding : Module {
  Buffer pe;  // (1, max_len, D)
  FIELDS(pe)
  double dropout;

  explicit PositionalEncoding(int64_t width, double dropout = 0, int64_t max_len = 5000)
      : pe(sines(width, max_len)), dropout(probability("PositionalEncoding", dropout)) {}

  // x, y: (B, T, D). first: the position of x's first row, for a text that comes in pieces.
  Tensor operator()(const Tensor& x, int64_t first = 0) const {
    return heed::dropout(add_positions("PositionalEncoding", x, pe, first), dropout, training);
  }

  // In double, then rounded: the table is right to the last bit of a float, which one that is
  // computed in float, as usual, is not at far positions.
  static Tensor sines(int64_t width, int64_t max_len) {
    Tensor table = empty(table_shape("PositionalEncoding", max_len, width).with(0, 1));
    Scalar* out = table.mutable_data();
    for (int64_t i = 0; i < width; i += 2) {
      double frequency = exact::exp(double(i) * -(exact::log(10000.) / double(width)));
      for (int64_t t = 0; t < max_len; ++t) {
        out[t * width + i] = Scalar(exact::sin(double(t) * frequency));
        if (i + 1 < width) out[t * width + i + 1] = Scalar(exact::cos(double(t) * frequency));
      }
    }
    return table;
  }
};

// A learned row for each position, N(0, 0.02^2) at the start. Devlin et al. 2019 (BERT).
struct LearnedPositionalEncoding : Module {
  Parameter weight;  // (max_len, D)
  FIELDS(weight)
  double dropout;

  LearnedPositionalEncoding(int64_t width, int64_t max_len, double dropout = 0)
      : weight(normal(table_shape("LearnedPositionalEncoding", max_len, width), 0, 0.02)),
        dropout(probability("LearnedPositionalEncoding", dropout)) {}

  // x, y: (B, T, D)
  Tensor operator()(const Tensor& x) const {
    return heed::dropout(
        add_positions("LearnedPositionalEncoding", x, weight.unsqueeze(0)), dropout, training);
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
