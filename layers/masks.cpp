#include "layers/masks.h"

#include <ostream>
#include "autograd/broadcast.h"
#include "autograd/ops.h"

namespace heed {
inline namespace HEED_PRECISION {

Mask::Mask(const Tensor& may) {
  check_defined("mask", may);
  may_ = may.detach().clone();  // a value of its own
  HEED_CHECK(may.dim() >= 2 && may.dim() <= 4, "[mask] ", may.shape(),
             ": (Tq, Tk), (B, Tq, Tk) or (B, H, Tq, Tk) wanted");
  for (int64_t i = 0; i < may_.numel(); ++i)
    HEED_CHECK(may_.data()[i] == 0 || may_.data()[i] == 1, "[mask] holds ", may_.data()[i],
               ": a mask is made of 1, may attend, and 0, hidden\n",
               "  it is not added to the scores");
}

Mask Mask::hide(const Tensor& hidden) { return Mask(1 - Mask(hidden).may_); }

// Matched from the front, where the batch is, but for (Tq, Tk), which is the same for all.
Tensor Mask::for_scores(const Shape& scores) const {
  constexpr const char* NAMES[] = {"sentences", "heads", "queries", "keys"};
  const int rank = scores.rank();
  HEED_CHECK(may_.dim() <= rank, "[mask] ", may_.shape(), " for scores ", scores,
             ": the mask has more dimensions");
  Tensor may = may_.dim() == 3 && rank == 4 ? may_.unsqueeze(1) : may_;
  for (int d = -1; d >= -may.dim(); --d) {
    int64_t have = may.size(d), want = scores[rank + d];
    bool heads_first = may_.dim() == 3 && rank == 4 && d == -4 && have == scores[1];
    HEED_CHECK(have == want || have == 1, "[mask] ", may_.shape(), " for scores ", scores,
               ": made for ", have, " ", NAMES[d == -3 && rank == 3 ? 0 : 4 + d],
               ", but there are ", want,
               heads_first ? "\n  three dimensions are (B, Tq, Tk), the batch first; a mask for"
                             " each head has four: unsqueeze(0)"
                           : "");
  }
  return may;
}

Mask causal_mask(int64_t size) {
  HEED_CHECK(size >= 1, "[causal_mask] size ", size, ": at least 1 wanted");
  // Each row is the one before, moved by a place: all are pieces of 1 ... 1 0 ... 0.
  Tensor row = cat({ones({size}), zeros({size - 1})}, 0);
  Mask mask;
  mask.may_ = Tensor(row.storage(), size - 1, {size, size}, {-1, 1});
  return mask;
}

Mask padding_mask(std::span<const int> lengths, int64_t T) {
  HEED_CHECK(!lengths.empty(), "[padding_mask] no sentences");
  Tensor may = zeros({int64_t(lengths.size()), 1, T});
  Scalar* out = may.mutable_data();
  for (size_t b = 0; b < lengths.size(); ++b) {
    HEED_CHECK(lengths[b] >= 0 && lengths[b] <= T, "[padding_mask] sentence ", b,
               " has length ", lengths[b], ", but there are ", T, " positions");
    for (int j = 0; j < lengths[b]; ++j) out[int64_t(b) * T + j] = 1;
  }
  return Mask::keep(may);
}

Mask combine(const Mask& a, const Mask& b) {
  if (!a.defined()) return b;
  if (!b.defined()) return a;
  auto widened = [](const Mask& x, const Mask& other) {  // (B, Tq, Tk) beside (B, H, Tq, Tk)
    bool heads = x.tensor().dim() == 3 && other.tensor().dim() == 4;
    return heads ? x.tensor().unsqueeze(1) : x.tensor();
  };
  Tensor x = widened(a, b), y = widened(b, a);
  broadcast_shapes("combine", x.shape(), y.shape());  // throws if they do not fit
  return Mask::keep(x * y);
}

namespace {

// "keys 0 to 2, 5", "key 3", "nothing"
void print_keys(std::ostream& out, const Scalar* row, int64_t n) {
  int64_t visible = 0;
  for (int64_t j = 0; j < n; ++j) visible += row[j] != 0;
  out << (visible == 0 ? "nothing" : visible == 1 ? "key" : "keys");
  const char* before = " ";
  for (int64_t j = 0; j < n; ++j) {
    if (row[j] == 0) continue;
    int64_t last = j;
    while (last + 1 < n && row[last + 1] != 0) ++last;
    out << before << j;
    if (last > j) out << (last == j + 1 ? ", " : " to ") << last;
    before = ", ";
    j = last;
  }
  out << '\n';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Mask& mask) {
  if (!mask.defined()) return out << "no mask: every query sees every key\n";
  const Tensor may = mask.tensor().contiguous();
  const Shape& shape = may.shape();
  int64_t Tq = may.size(-2), Tk = may.size(-1);
  for (int64_t i = 0; i < numel(shape.without(may.dim() - 1)); ++i) {
    int64_t group = i / Tq, heads = may.dim() == 4 ? shape[1] : 1;
    if (may.dim() >= 3) out << "sentence " << group / heads << ", ";
    if (may.dim() == 4) out << "head " << group % heads << ", ";
    if (Tq == 1)
      out << "every query sees ";
    else
      out << "query " << i % Tq << " sees ";
    print_keys(out, may.data() + i * Tk, Tk);
  }
  return out;
}

}  // namespace HEED_PRECISION
}  // namespace heed
