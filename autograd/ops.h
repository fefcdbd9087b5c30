// THE INDEX: every operation, with its shapes and its formula. All are differentiable unless
// they say otherwise; each is written, forward and backward together, in the file its banner
// names.
//
// Operands are broadcast as in NumPy: shapes are aligned at their last dimension, and a size of
// 1 repeats. A dimension may be counted from the back: -1 is the last one.
//
// Shapes  (shape.cpp; members of Tensor, declared in tensor.h):
//   view reshape transpose permute expand narrow select squeeze unsqueeze contiguous clone
#pragma once
#include <span>
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {

// ---- elementwise.cpp ------------------------------------------------------------------------
// a, b: shapes that broadcast to y's                y = a + b, a - b, a b, a / b
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
// x, y: same shape, s a number                      y = x + s and so on
Tensor operator+(const Tensor& x, double s);
Tensor operator-(const Tensor& x, double s);
Tensor operator*(const Tensor& x, double s);
Tensor operator/(const Tensor& x, double s);
Tensor operator+(double s, const Tensor& x);
Tensor operator-(double s, const Tensor& x);
Tensor operator*(double s, const Tensor& x);
Tensor operator/(double s, const Tensor& x);
// x, y: same shape                                  y = -x
Tensor operator-(const Tensor& x);
// x, y: same shape; not differentiable              y = 1 where it holds, else 0
Tensor operator==(const Tensor& x, double s);
Tensor operator<(const Tensor& x, double s);
Tensor operator>(const Tensor& x, double s);

// x, y: same shape                                  y = x^p
Tensor pow(const Tensor& x, double p);
// x, y: same shape                                  y = e^x
Tensor exp(const Tensor& x);
// x, y: same shape                                  y = ln x
Tensor log(const Tensor& x);
// x, y: same shape                                  y = x^(1/2)
Tensor sqrt(const Tensor& x);
// x, y: same shape                                  y = (e^x - e^-x) / (e^x + e^-x)
Tensor tanh(const Tensor& x);
// x, y: same shape                                  y = 1 / (1 + e^-x)
Tensor sigmoid(const Tensor& x);
// x, y: same shape                                  y = max(x, 0)
Tensor relu(const Tensor& x);
// x, y: same shape                                  y = min(max(x, low), high)
Tensor clamp(const Tensor& x, double low, double high);
// condition, a, b: broadcast to y's shape           y = a where condition is not 0, else b
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// x, y: same shape, mask broadcasts to it           y = value where mask is not 0, else x
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

// ---- shape.cpp ------------------------------------------------------------------------------
// xs: equal sizes but for `dim`                     y = xs one after the other along `dim`
Tensor cat(std::span<const Tensor> xs, int dim);
Tensor cat(std::initializer_list<Tensor> xs, int dim);
// xs: n tensors of one shape, y: n at a new `dim`   y[i] = xs[i]
Tensor stack(std::span<const Tensor> xs, int dim);
Tensor stack(std::initializer_list<Tensor> xs, int dim);
// x: (rows, ...), y: (n, ...)                       y[i] = x[index[i]]
Tensor index_select(const Tensor& x, std::span<const int> index);
// weight: (V, D), y: (n, D)                         y[i] = weight[ids[i]]
// The row padding_idx gets no gradient.
Tensor embedding(std::span<const int> ids, const Tensor& weight, int padding_idx = -1);

// ---- reduce.cpp -----------------------------------------------------------------------------
// `dims` are reduced; they vanish, or stay with size 1 if keepdim. Without dims, or with {}, all
// are.
using Dims = std::initializer_list<int>;
// y = sum x
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, Dims dims, bool keepdim = false);
// y: `shape`, which broadcasts to x's               y = x, summed over what was repeated
Tensor sum_to(const Tensor& x, const Shape& shape);
// y = sum x / n
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, Dims dims, bool keepdim = false);
// y = sum (x - mean x)^2 / (n - correction)         correction 1: unbiased, as in PyTorch
Tensor var(const Tensor& x, int correction = 1);
Tensor var(const Tensor& x, Dims dims, int correction = 1, bool keepdim = false);
// y = max x                                         ties share the gradient (torch.amax)
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, Dims dims, bool keepdim = false);
// x: (..., n, ...), one index for each of the rest  index of the first largest; no gradient
std::vector<int> argmax(const Tensor& x, int dim);

// ---- softmax.cpp ----------------------------------------------------------------------------
// x, y: same shape                                  y_i = e^x_i / sum_j e^x_j along `dim`
Tensor softmax(const Tensor& x, int dim);
// x, y: same shape, mask broadcasts to it           y_i = e^x_i / sum of e^x_j over visible j
// Along the last dimension. Where the mask is 0, x is hidden: y and dx are 0 exactly (unless what
// is visible, or y's gradient, holds NaN or infinity), and so is a row in which nothing is
// visible.
Tensor masked_softmax(const Tensor& x, const Tensor& mask);
// x, y: same shape                                  y_i = x_i - ln sum_j e^x_j along `dim`
Tensor log_softmax(const Tensor& x, int dim);

// ---- additive.cpp ---------------------------------------------------------------------------
// query: (B, A), keys: (B, T, A), v: (A), y: (B, T)  y_bt = sum_a v_a tanh(q_ba + k_bta)
// The score of Bahdanau, Cho and Bengio 2015, appendix A.1.2, for one query a sentence.
Tensor additive_scores(const Tensor& query, const Tensor& keys, const Tensor& v);

// ---- fused_attention.cpp --------------------------------------------------------------------
// query: (..., Tq, d), key: (..., Tk, d), value: (..., Tk, dv), equal sizes in front; mask, if
// any, broadcasts to (..., Tq, Tk); y: (..., Tq, dv)
//                                                   y = softmax(query key^T / sqrt(d)) value
// over the keys that the mask leaves visible (not 0); a query that sees none gets 0. Values and
// keys that are hidden must be finite: a weight of 0 times infinity is NaN. The weights never lie
// in memory as a whole. Dao et al. 2022.
Tensor fused_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                       const Tensor& mask = {});

// ---- matmul.cpp -----------------------------------------------------------------------------
// a: (..., m, k), b: (..., k, n), y: (..., m, n)    y_ij = sum_p a_ip b_pj
// The leading dimensions broadcast. A vector (k) acts as a row on the left and as a column on
// the right; its dimension is then missing in y.
Tensor matmul(const Tensor& a, const Tensor& b);
// x: (..., in), weight: (out, in), bias: (out) or undefined, y: (..., out)    y = x W^T + b
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---- loss.cpp -------------------------------------------------------------------------------
enum class Reduction { mean, sum };
struct CrossEntropy {
  int ignore_index = -100;     // samples with this label count for nothing
  double label_smoothing = 0;  // share of the target that is spread evenly over all classes
  Reduction reduction = Reduction::mean;
};
// logits: (..., C), a label 0 ... C-1 for each of the rest, y: ()
// y = -ln softmax(logits)[label], averaged or summed. Softmax is inside: give raw scores.
Tensor cross_entropy(const Tensor& logits, std::span<const int> labels,
                     const CrossEntropy& options = {});
// x, target: same shape, y: ()                      y = (x - target)^2, averaged or summed
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);

// ---- normalize.cpp --------------------------------------------------------------------------
// x, y: (N, C) or (N, C, ...), weight, bias: (C)    y = (x - mean) / sqrt(var + eps) w + b
// In training, mean and (biased) variance are the batch's own, of each channel, and the running
// ones, (C), move towards them: running += momentum (batch - running), with unbiased variance.
// Otherwise the running ones are used and kept. Ioffe and Szegedy 2015, algorithms 1 and 2.
Tensor batch_norm(const Tensor& x, Tensor& running_mean, Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, bool training,
                  double momentum = 0.1, double eps = 1e-5);
// x, y: (..., C), weight, bias: (C)                 y = (x - mean) / sqrt(var + eps) w + b
// Mean and (biased) variance of each row of C numbers. Ba, Kiros and Hinton 2016.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);

// ---- dropout.cpp ----------------------------------------------------------------------------
// x, y: same shape                                  y = x / (1 - p) or 0, with probability p
// Draws one coin a number from the default generator, in row-major order, as PyTorch does; none
// if not training, or if p is 0 or 1. Srivastava et al. 2014.
Tensor dropout(const Tensor& x, double p, bool training = true);

// ---- recurrent.cpp --------------------------------------------------------------------------
// inputs: (B, T, 3 H), the inputs' share of r, z, n;  weight: (3 H, H), bias: (3 H), the
// state's; h0: (B, H), y: (B, T, H)                 y = (1 - z) n + z h, h the state before
// Positions from lengths[b] on are padding: neither read nor written, y is 0 there. In reverse
// it goes from the last real position to the first. reset_after: PyTorch's variant; else that
// of Cho et al. 2014, with r inside the product. The formulas are in recurrent.cpp.
Tensor gru(const Tensor& inputs, const Tensor& weight, const Tensor& bias, const Tensor& h0,
           std::span<const int> lengths = {}, bool reverse = false, bool reset_after = true);

}  // namespace HEED_PRECISION
}  // namespace heed
