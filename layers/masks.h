// Masks: which query may look at which key. One meaning in the whole house: 1 = may attend,
// 0 = hidden. What is hidden takes no part in a softmax: its weight is 0 exactly, and a query
// that may see nothing gets weights, output and gradients of 0.
#pragma once
#include <iosfwd>
#include <span>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

// (Tq, Tk): the same for every sentence; (B, Tq, Tk): one a sentence, the same for its heads;
// (B, H, Tq, Tk): one a head. The batch is always first, so that a mask for each sentence is
// never taken for one for each head. A size of 1 repeats.
class Mask {
 public:
  Mask() = default;  // hides nothing
  // Error: numbers other than 0 and 1 (a mask is no number to be added to scores).
  static Mask keep(const Tensor& may_attend) { return Mask(may_attend); }
  static Mask hide(const Tensor& hidden);  // the other way round: 1 = hidden

  bool defined() const { return may_.defined(); }
  const Tensor& tensor() const { return may_; }  // 1 = may attend

  // The mask as a tensor that broadcasts to scores (Tq, Tk), (B, Tq, Tk) or (B, H, Tq, Tk).
  // Error: sizes that are not those of the scores.
  Tensor for_scores(const Shape& scores) const;

 private:
  friend Mask causal_mask(int64_t size);
  explicit Mask(const Tensor& may);
  Tensor may_;
};

// (size, size): position i may look at 0 ... i, not ahead. Vaswani et al. 2017, section 3.2.3.
// Its rows share their numbers: 2 size - 1 of them, in all.
Mask causal_mask(int64_t size);
// (B, 1, T): the keys of sentence b are its first lengths[b] positions; the rest is padding.
Mask padding_mask(std::span<const int> lengths, int64_t T);
// Visible is what both leave visible.
Mask combine(const Mask& a, const Mask& b);

// In words: "query 1 sees keys 0 to 1".
std::ostream& operator<<(std::ostream& out, const Mask& mask);

}  // namespace HEED_PRECISION
}  // namespace heed
