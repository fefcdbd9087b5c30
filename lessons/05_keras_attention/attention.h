// The document's layer as it should be: one score a step, softmax over the steps, one context.
#pragma once
#include "layers.h"

namespace lesson_05 {

// [snippet: attention]
// x: (B, T, D), T steps of D numbers -> context (B, D)
//   scores   s_t = v . tanh(x_t W), v = 1, 1, ...   'bahdanau': what is in the step alone
//            s_t = (x_t W) . q                      'dot': by the query q, the last step
//   weights  a_t = e^s_t / sum_u e^s_u              over the T steps
//   context  c = sum_t a_t x_t
class KerasAttention : public Layer {
 public:
  std::optional<Parameter> att_weight;  // W: (D, D)
  FIELDS(att_weight)

  explicit KerasAttention(std::string kind = "bahdanau") : kind_(std::move(kind)) {
    HEED_CHECK(kind_ == "bahdanau" || kind_ == "dot", "[KerasAttention] kind '", kind_,
               "': 'bahdanau' or 'dot' wanted");
  }

  std::string type() const override { return "KerasAttention"; }
  void build(const Shape& input) override {
    HEED_CHECK(input.rank() == 2, "[", type(), "] input ", with_batch(input),
               ": (None, T, D) wanted, T steps of D numbers");
    att_weight.emplace(random_normal({input.back(), input.back()}));
  }
  Tensor call(const Tensor& x, const Tensor& mask) override { return attend(x, mask).output; }
  Shape compute_output_shape(const Shape& input) const override { return {input.back()}; }
  // Steps are gone in the output, and so is their mask.
  Tensor compute_mask(const Tensor&, const Tensor&) const override { return {}; }

  // Where it looks: the weights (B, T). Each row sums to 1; hidden steps have 0.
  Tensor attention(const Tensor& x, const Tensor& mask = {}) {
    build_once(x.shape().without(0));
    return attend(x, mask).weights;
  }

 protected:
  // (B, T)
  virtual Tensor scores(const Tensor& x, const Tensor& mask) const {
    Tensor h = matmul(x, *att_weight);  // (B, T, D)
    if (kind_ == "bahdanau") return matmul(tanh(h), ones({x.size(2)}));
    return matmul(h, query(x, mask).unsqueeze(2)).squeeze(2);
  }
  static Tensor query(const Tensor& x, const Tensor& mask);  // (B, D)

 private:
  Attention attend(const Tensor& x, const Tensor& mask) const {
    check_input(x, mask);
    Tensor s = scores(x, mask);  // (B, T)
    Tensor weights = mask.defined() ? masked_softmax(s, mask) : softmax(s, -1);
    return {matmul(weights.unsqueeze(1), x).squeeze(1), weights};
  }
  void check_input(const Tensor& x, const Tensor& mask) const;

  std::string kind_;
};
// [end]

// [snippet: query]
// Who asks: the last step. Behind padding that is the last step which may be seen, or the
// padding itself would ask. (A row that may see nothing has weights of 0, whoever asks.)
inline Tensor KerasAttention::query(const Tensor& x, const Tensor& mask) {
  int64_t B = x.size(0), T = x.size(1), D = x.size(2);
  if (!mask.defined()) return x.select(1, T - 1);
  std::vector<int> asks;
  std::vector<Scalar> visible = mask.to_vector();
  for (int64_t b = 0; b < B; ++b) {
    int64_t t = T - 1;
    while (t > 0 && visible[size_t(b * T + t)] == 0) --t;
    asks.push_back(int(b * T + t));
  }
  return index_select(x.reshape({B * T, D}), asks);
}
// [end]

inline void KerasAttention::check_input(const Tensor& x, const Tensor& mask) const {
  int64_t D = att_weight->size(0);
  HEED_CHECK(x.dim() == 3 && x.size(2) == D && x.size(1) > 0, "[", type(), "] x ", x.shape(),
             ": built for (B, T, ", D, "), at least one step");
  HEED_CHECK(!mask.defined() || mask.shape() == x.shape().without(2), "[", type(), "] mask ",
             mask.shape(), " for x ", x.shape(), ": one number for each of its steps wanted");
}

}  // namespace lesson_05
