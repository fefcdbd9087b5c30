// The table of operations: a row for everything that autograd/ops.h declares and for the
// members of Tensor under "---- shapes". tests/test_ops.cpp goes through it.
#pragma once
#include "autograd/random.h"
#include "tests/op_row.h"
#include "tests/op_rows_elementwise.h"
#include "tests/op_rows_shape.h"

namespace heed_tests {

inline OpRows sum_rows() {
  return {
      OpRow("sum(Tensor)").golden({"sum.all"}, CALL(sum(a[0]))).form({{}}, CALL(sum(a[0]))),
      OpRow("sum(Tensor, Dims, bool)")
          .golden({"sum.dim0", "sum.long0"}, CALL(sum(a[0], {0})))
          .golden({"sum.dim1", "sum.long"}, CALL(sum(a[0], {1})))
          .golden({"sum.dim1_keepdim"}, CALL(sum(a[0], {1}, true)))
          .golden({"sum.back"}, CALL(sum(a[0], {-1})))
          .golden({"sum.dims02"}, CALL(sum(a[0], {0, 2})))
          .golden({"sum.dims12_keepdim"}, CALL(sum(a[0], {1, 2}, true)))
          .golden({"sum.view"}, CALL(sum(a[0].transpose(0, 2), {1})))
          .form({{2, 3, 4, 5}}, CALL(sum(a[0], {-3, 3})))
          .form({{2, 3, 4, 5}}, CALL(sum(a[0], {2, 1}, true))),
      OpRow("sum_to(Tensor, Shape)")
          .golden({"sum_to"}, CALL(sum_to(a[0], {3, 1})))
          .form({{2, 3, 4}}, CALL(sum_to(a[0], {})))
          .form({{2, 3}}, CALL(sum_to(a[0], {2, 3})))
          .form({{2, 1, 3}}, CALL(sum_to(a[0], {2, 1, 1}))),
      OpRow("mean(Tensor)").golden({"mean.all"}, CALL(mean(a[0]))).form({{}}, CALL(mean(a[0]))),
      OpRow("mean(Tensor, Dims, bool)")
          .golden({"mean.dim0", "mean.long0"}, CALL(mean(a[0], {0})))
          .golden({"mean.dim1", "mean.long"}, CALL(mean(a[0], {1})))
          .golden({"mean.dim1_keepdim"}, CALL(mean(a[0], {1}, true)))
          .golden({"mean.back"}, CALL(mean(a[0], {-1})))
          .golden({"mean.dims02"}, CALL(mean(a[0], {0, 2})))
          .golden({"mean.dims12_keepdim"}, CALL(mean(a[0], {1, 2}, true)))
          .golden({"mean.view"}, CALL(mean(a[0].transpose(0, 2), {1}))),
  };
}

inline OpRows var_rows() {
  return {
      OpRow("var(Tensor, int)")
          .golden({"var.unbiased_all"}, CALL(var(a[0])))
          .golden({"var.biased_all"}, CALL(var(a[0], 0))),
      OpRow("var(Tensor, Dims, int, bool)")
          .golden({"var.unbiased_dim0"}, CALL(var(a[0], {0})))
          .golden({"var.biased_dim0"}, CALL(var(a[0], {0}, 0)))
          .golden({"var.unbiased_dim1", "var.large_mean", "var.long"}, CALL(var(a[0], {1}, 1)))
          .golden({"var.biased_dim1"}, CALL(var(a[0], {1}, 0)))
          .golden({"var.unbiased_dim1_keepdim"}, CALL(var(a[0], {1}, 1, true)))
          .golden({"var.biased_dim1_keepdim"}, CALL(var(a[0], {1}, 0, true)))
          .golden({"var.unbiased_back"}, CALL(var(a[0], {-1}, 1)))
          .golden({"var.biased_back"}, CALL(var(a[0], {-1}, 0)))
          .golden({"var.unbiased_dims02"}, CALL(var(a[0], {0, 2}, 1)))
          .golden({"var.biased_dims02"}, CALL(var(a[0], {0, 2}, 0)))
          .golden({"var.unbiased_dims12_keepdim"}, CALL(var(a[0], {1, 2}, 1, true)))
          .golden({"var.biased_dims12_keepdim"}, CALL(var(a[0], {1, 2}, 0, true))),
  };
}

inline OpRows max_rows() {
  return {
      OpRow("max(Tensor)")
          .golden({"max.all"}, CALL(max(a[0])))
          .kink({"max.ties_all"}, CALL(max(a[0])))
          .form({{}}, CALL(max(a[0]))),
      OpRow("max(Tensor, Dims, bool)")
          .golden({"max.dim0", "max.long0"}, CALL(max(a[0], {0})))
          .golden({"max.dim1", "max.long"}, CALL(max(a[0], {1})))
          .golden({"max.dim1_keepdim"}, CALL(max(a[0], {1}, true)))
          .golden({"max.back"}, CALL(max(a[0], {-1})))
          .golden({"max.dims02"}, CALL(max(a[0], {0, 2})))
          .golden({"max.dims12_keepdim"}, CALL(max(a[0], {1, 2}, true)))
          .golden({"max.view"}, CALL(max(a[0].transpose(0, 2), {1})))
          .kink({"max.ties"}, CALL(max(a[0], {1}))),
      OpRow("argmax(Tensor, int)")
          .golden({"argmax.dim0"}, CALL(as_tensor(argmax(a[0], 0))))
          .golden({"argmax.dim1", "argmax.ties"}, CALL(as_tensor(argmax(a[0], 1))))
          .golden({"argmax.dim2"}, CALL(as_tensor(argmax(a[0], -1))))
          .constant(),
  };
}

inline OpRows softmax_rows() {
  return {
      OpRow("softmax(Tensor, int)")
          .golden({"softmax.dim0", "softmax.vector"}, CALL(softmax(a[0], 0)))
          .golden({"softmax.dim1", "softmax.long"}, CALL(softmax(a[0], 1)))
          .golden({"softmax.thousands"}, CALL(softmax(a[0], 1)))
          .golden({"softmax.dim2"}, CALL(softmax(a[0], 2)))
          .golden({"softmax.back"}, CALL(softmax(a[0], -1)))
          .golden({"softmax.view"}, CALL(softmax(a[0].transpose(0, 1), 1)))
          .kink({"softmax.minus_inf"}, CALL(softmax(a[0], 1))),
      OpRow("log_softmax(Tensor, int)")
          .golden({"log_softmax.dim0", "log_softmax.vector"}, CALL(log_softmax(a[0], 0)))
          .golden({"log_softmax.dim1", "log_softmax.long"}, CALL(log_softmax(a[0], 1)))
          .golden({"log_softmax.thousands"}, CALL(log_softmax(a[0], 1)))
          .golden({"log_softmax.dim2"}, CALL(log_softmax(a[0], 2)))
          .golden({"log_softmax.back"}, CALL(log_softmax(a[0], -1)))
          .golden({"log_softmax.view"}, CALL(log_softmax(a[0].transpose(0, 1), 1))),
  };
}

inline OpRows additive_scores_rows() {
  return {
      OpRow("additive_scores(Tensor, Tensor, Tensor)")
          .golden(cases("additive_scores", {"plain", "wide", "one", "large"}),
                  CALL(additive_scores(a[0], a[1], a[2])))
          .golden({"additive_scores.views"},
                  CALL(additive_scores(a[0].transpose(0, 1), a[1].transpose(1, 2), a[2])))
          .form({{2, 3}, {2, 5, 3}, {3, 2}},
                CALL(additive_scores(a[0], a[1], a[2].select(1, 1)))),
  };
}

inline OpRows masked_softmax_rows() {
  const Call plain = CALL(masked_softmax(a[0], a[1]));
  return {
      OpRow("masked_softmax(Tensor, Tensor)")
          .golden(cases("masked_softmax",
                        {"same", "vector", "keys", "causal", "sentences", "heads",
                         "sentences_queries", "all", "long", "everything", "one_key",
                         "hidden_rows", "queries", "nothing", "hidden_large"}),
                  plain)
          .golden({"masked_softmax.views"},
                  CALL(masked_softmax(a[0].transpose(0, 1), a[1].transpose(0, 1))))
          .kink({"masked_softmax.not_finite"}, plain)
          .form({{2, 5, 4, 3}}, CALL(masked_softmax(a[0].permute({0, 3, 2, 1}),
                                                    tensor({1, 0, 1, 1, 0}, {1, 5}))))
          .form({{2, 3, 4, 5}}, CALL(masked_softmax(a[0], a[0].detach().narrow(2, 1, 1) > 0)))
          .form({{3, 4}}, CALL(masked_softmax(a[0], tensor({1, 0, 1}, {3, 1}))))
          .form({{3, 4}}, CALL(masked_softmax(a[0], scalar(1)))),
  };
}

inline OpRows fused_attention_rows() {
  return {
      OpRow("fused_attention(Tensor, Tensor, Tensor, Tensor)")
          .golden(cases("fused_attention", {"plain", "one", "heads"}),
                  CALL(fused_attention(a[0], a[1], a[2])))
          .golden(cases("fused_attention", {"masked", "sentences", "causal", "long"}),
                  CALL(fused_attention(a[0], a[1], a[2], a[3])))
          .form({{2, 4, 3, 5}, {2, 3, 5, 6}, {3, 2, 6, 2}},
                CALL(fused_attention(a[0].transpose(1, 2), a[1].transpose(2, 3),
                                     a[2].transpose(0, 1), tensor({0, 1, 1, 0, 1, 0}, {1, 6}))))
          .form({{3, 2}, {4, 2}, {4, 2}},
                CALL(fused_attention(a[0], a[1], a[2], tensor({1, 0, 1}, {3, 1})))),
  };
}

inline OpRows product_rows() {
  const Call plain = CALL(matmul(a[0], a[1]));
  return {
      OpRow("matmul(Tensor, Tensor)")
          .golden(
              cases("matmul", {"vec_vec", "mat_vec", "vec_mat", "mat_mat", "row_column",
                               "column_row", "odd", "wide", "batch", "batch_both", "batch_one",
                               "batch_mat", "mat_batch", "batch_vec", "vec_batch"}),
              plain)
          .golden({"matmul.transposed_a"}, CALL(matmul(a[0].transpose(-1, -2), a[1])))
          .golden({"matmul.transposed_b", "matmul.transposed_batch"},
                  CALL(matmul(a[0], a[1].transpose(-1, -2))))
          .golden({"matmul.transposed_both"},
                  CALL(matmul(a[0].transpose(-1, -2), a[1].transpose(-1, -2))))
          .golden({"matmul.heads"},
                  CALL(matmul(a[0].permute({0, 2, 1, 3}), a[1].permute({0, 2, 3, 1}))))
          .golden({"matmul.narrow"}, CALL(matmul(a[0].narrow(1, 2, 5), a[1].narrow(0, 1, 5))))
          .golden({"matmul.itself"}, CALL(matmul(a[0], a[0])))
          .form({{1, 1}, {1, 1}}, plain)
          .form({{2, 1, 3, 4}, {5, 4, 2}}, plain)
          .form({{2, 4, 1, 3}, {3}}, plain)
          .form({{4}, {3, 1, 4, 2}}, plain)
          .form({{4, 3}, {3, 2}}, CALL(matmul(a[0].expand({5, 4, 3}), a[1])))
          .form({{4}, {2, 3}},
                CALL(matmul(a[0].unsqueeze(1).expand({4, 3}), a[1].transpose(0, 1)))),
      OpRow("linear(Tensor, Tensor, Tensor)")
          .golden(cases("linear", {"bias", "one_row", "vector", "batch", "lesson01"}),
                  CALL(linear(a[0], a[1], a[2])))
          .golden({"linear.no_bias"}, CALL(linear(a[0], a[1])))
          .form({{4, 2}, {4, 3}, {3, 2}},
                CALL(linear(a[0].transpose(0, 1), a[1].transpose(0, 1), a[2].select(1, 0))))
          .form({{2, 3, 4}, {5, 4}}, CALL(linear(a[0].permute({1, 0, 2}), a[1]))),
  };
}

inline OpRows loss_rows() {
  return {
      OpRow("cross_entropy(Tensor, span<int>, CrossEntropy)")
          .golden(cases("cross_entropy",
                        {"mean", "ignore", "one_sample", "wide", "batch", "thousands"}),
                  CALL(cross_entropy(a[0], a.ids)))
          .golden({"cross_entropy.sum", "cross_entropy.ignore_sum"},
                  CALL(cross_entropy(a[0], a.ids, {.reduction = Reduction::sum})))
          .golden({"cross_entropy.ignore_4"},
                  CALL(cross_entropy(a[0], a.ids, {.ignore_index = 4})))
          .golden({"cross_entropy.smooth"},
                  CALL(cross_entropy(a[0], a.ids, {.label_smoothing = 0.1})))
          .golden({"cross_entropy.smooth_sum"},
                  CALL(cross_entropy(a[0], a.ids,
                                     {.label_smoothing = 0.1, .reduction = Reduction::sum})))
          .golden({"cross_entropy.smooth_ignore"},
                  CALL(cross_entropy(a[0], a.ids, {.label_smoothing = 0.25})))
          .golden(
              {"cross_entropy.smooth_ignore_4_sum"},
              CALL(cross_entropy(
                  a[0], a.ids,
                  {.ignore_index = 4, .label_smoothing = 0.25, .reduction = Reduction::sum})))
          .golden({"cross_entropy.smooth_1"},
                  CALL(cross_entropy(a[0], a.ids, {.label_smoothing = 1})))
          .golden({"cross_entropy.view"}, CALL(cross_entropy(a[0].transpose(0, 1), a.ids))),
      OpRow("mse_loss(Tensor, Tensor, Reduction)")
          .golden({"mse.mean", "mse.constant"}, CALL(mse_loss(a[0], a[1])))
          .golden({"mse.sum"}, CALL(mse_loss(a[0], a[1], Reduction::sum)))
          .form({{3, 2}, {2, 3}}, CALL(mse_loss(a[0].transpose(0, 1), a[1]))),
  };
}

inline Tensor batch_norm_of_views(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor mean = zeros({4}), var = ones({4});
  return batch_norm(x, mean, var, weight, bias, true);
}

inline OpRows normalize_rows() {
  return {
      OpRow("batch_norm(Tensor, Tensor, Tensor, Tensor, Tensor, bool, double, double)")
          .golden(cases("batch_norm", {"train", "train_3d", "train_4d"}),
                  CALL(batch_norm(a[0], a.running_mean, a.running_var, a[1], a[2], true)))
          .golden({"batch_norm.eval", "batch_norm.eval_4d"},
                  CALL(batch_norm(a[0], a.running_mean, a.running_var, a[1], a[2], false)))
          .form({{5, 4}, {4, 2}, {2, 4}},
                CALL(batch_norm_of_views(a[0], a[1].select(1, 0), a[2].select(0, 1))))
          .golden({"batch_norm.train_options"},
                  CALL(batch_norm(a[0], a.running_mean, a.running_var, a[1], a[2], true, 0.3,
                                  0.01))),
      OpRow("layer_norm(Tensor, Tensor, Tensor, double)")
          .golden(cases("layer_norm", {"rows", "dims3", "vector", "wide", "large_mean"}),
                  CALL(layer_norm(a[0], a[1], a[2])))
          .golden({"layer_norm.options"}, CALL(layer_norm(a[0], a[1], a[2], 0.25)))
          .golden({"layer_norm.view"}, CALL(layer_norm(a[0].transpose(0, 1), a[1], a[2])))
          .form({{5, 2, 4}, {4, 2}, {2, 4}},
                CALL(layer_norm(a[0].permute({1, 0, 2}), a[1].select(1, 0), a[2].select(0, 1))))
          .form({{2, 3, 4, 5}, {5}}, CALL(layer_norm(a[0], a[1], a[1], 0.5))),
  };
}

// From the seed of the golden cases.
inline Tensor dropout_from_5(const Tensor& x, double p, bool training) {
  manual_seed(5);
  return dropout(x, p, training);
}

inline OpRows dropout_rows() {
  return {
      OpRow("dropout(Tensor, double, bool)")
          .golden({"dropout.p0"}, CALL(dropout_from_5(a[0], 0, true)))
          .golden({"dropout.p10"}, CALL(dropout_from_5(a[0], 0.1, true)))
          .golden({"dropout.p25"}, CALL(dropout_from_5(a[0], 0.25, true)))
          .golden({"dropout.p50"}, CALL(dropout_from_5(a[0], 0.5, true)))
          .golden({"dropout.p90"}, CALL(dropout_from_5(a[0], 0.9, true)))
          .golden({"dropout.p100"}, CALL(dropout_from_5(a[0], 1, true)))
          .golden({"dropout.eval"}, CALL(dropout_from_5(a[0], 0.5, false)))
          .form({{3, 4}}, CALL(dropout_from_5(a[0].transpose(0, 1), 0.5, true))),
  };
}
inline OpRows recurrent_rows() {
  auto forms = [](const char* end) {
    return cases("gru", {std::string("whole") + end, std::string("lengths") + end,
                         std::string("none") + end});
  };
  return {
      OpRow("gru(Tensor, Tensor, Tensor, Tensor, span<int>, bool, bool)")
          .golden(forms(""), CALL(gru(a[0], a[1], a[2], a[3], a.ids)))
          .golden(forms("_reverse"), CALL(gru(a[0], a[1], a[2], a[3], a.ids, true)))
          .golden(forms("_before"), CALL(gru(a[0], a[1], a[2], a[3], a.ids, false, false)))
          .golden(forms("_reverse_before"),
                  CALL(gru(a[0], a[1], a[2], a[3], a.ids, true, false)))
          .form({{2, 3, 6}, {6, 2}, {6}, {2, 2}}, CALL(gru(a[0], a[1], a[2], a[3])))
          .form({{3, 2, 6}, {2, 6}, {6, 2}, {2, 2}},
                CALL(gru(a[0].transpose(0, 1), a[1].transpose(0, 1), a[2].select(1, 1),
                         a[3].transpose(0, 1)))),
  };
}
#undef CALL

inline const OpRows& op_table() {
  static const OpRows table = [] {
    OpRows all;
    for (auto part :
         {arithmetic_rows, function_rows, view_rows, joining_rows, sum_rows, var_rows, max_rows,
          softmax_rows, masked_softmax_rows, additive_scores_rows, fused_attention_rows,
          product_rows, loss_rows, normalize_rows, dropout_rows, recurrent_rows})
      for (OpRow& row : part()) all.push_back(std::move(row));
    return all;
  }();
  return table;
}

}  // namespace heed_tests
