// A table with a row of D learned numbers for each token.
#pragma once
#include "autograd/ops.h"
#include "layers/module.h"

namespace heed {
inline namespace HEED_PRECISION {

struct Embedding : Module {
  Parameter weight;  // (V, D), N(0, 1) at the start, as in torch.nn.Embedding
  FIELDS(weight)
  int padding_idx;  // this token's row starts at 0 and gets no gradient; -1: there is none

  Embedding(int64_t vocabulary, int64_t width, int padding_idx = -1)
      : weight(randn(checked(vocabulary, width))), padding_idx(padding_idx) {
    HEED_CHECK(padding_idx >= -1 && padding_idx < vocabulary, "[Embedding] padding_idx ",
               padding_idx, " outside the vocabulary of ", vocabulary);
    NoGrad guard;
    if (padding_idx >= 0) weight.narrow(0, padding_idx, 1).zero_();
  }

  // ids of shape (B, T), say, row after row -> (B, T, D). Error: an id outside 0 ... V - 1.
  Tensor operator()(std::span<const int> ids, const Shape& shape) const {
    HEED_CHECK(numel(shape) == int64_t(ids.size()), "[Embedding] ", ids.size(),
               " tokens for shape ", shape);
    int64_t V = weight.shape()[0], D = weight.shape()[1];
    for (size_t i = 0; i < ids.size(); ++i)
      HEED_CHECK(ids[i] >= 0 && ids[i] < V, "[Embedding] token ", ids[i], " at place ", i,
                 " is outside the vocabulary, 0 to ", V - 1);
    return embedding(ids, weight, padding_idx).view(shape.with(shape.rank(), D));
  }

 private:
  static Shape checked(int64_t vocabulary, int64_t width) {
    HEED_CHECK(vocabulary > 0 && width > 0, "[Embedding] ", vocabulary, " tokens of ", width,
               " numbers: both must be positive");
    return {vocabulary, width};
  }
};

}  // namespace HEED_PRECISION
}  // namespace heed
