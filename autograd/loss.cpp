// Losses: how far predictions are from what was wanted, as one number.
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"
#include "autograd/simd_math.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t LOSS_GRAIN = 1 << 14;  // numbers worth a second thread

void check_labels(const Tensor& logits, std::span<const int> labels, int ignore_index) {
  check_defined("cross_entropy", logits);
  HEED_CHECK(logits.dim() >= 1, "[cross_entropy] logits need a last dimension, the classes");
  int64_t classes = logits.shape().back();
  HEED_CHECK(classes > 0 && int64_t(labels.size()) == logits.numel() / classes,
             "[cross_entropy] ", labels.size(), " labels for logits ", logits.shape(),
             ", which have ", classes ? logits.numel() / classes : 0, " rows");
  for (size_t i = 0; i < labels.size(); ++i)
    HEED_CHECK(labels[i] == ignore_index || (labels[i] >= 0 && labels[i] < classes),
               "[cross_entropy] label ", labels[i], " at place ", i, " for ", classes,
               " classes (valid: 0 to ", classes - 1, ", or ignore_index ", ignore_index, ")");
}

// p = softmax(x); returns -(1 - s) ln p[label] - s mean(ln p), s the label smoothing.
Scalar row_loss(const Scalar* x, Scalar* p, int64_t classes, int label, Scalar smoothing) {
  Scalar most = simd::max16(x, classes);
  simd::map(
      p, classes, [most](auto v) { return simd::exp(v - most); }, x);
  Scalar total = simd::sum16(p, classes), inverse = 1 / total;
  for (int64_t j = 0; j < classes; ++j) p[j] *= inverse;
  // -ln p[j] = (most - x[j]) + rest: large logits leave each other before `rest` is added
  const Scalar rest = simd::log(total), loss = (most - x[label]) + rest;
  if (smoothing == 0) return loss;
  return (1 - smoothing) * loss +
         smoothing * ((most - simd::sum16(x, classes) / Scalar(classes)) + rest);
}

}  // namespace

// dlogits = (softmax(logits) - target) / rows       target: 1 at the label, smoothed
Tensor cross_entropy(const Tensor& logits, std::span<const int> labels,
                     const CrossEntropy& options) {
  check_labels(logits, labels, options.ignore_index);
  HEED_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1,
             "[cross_entropy] label_smoothing ", options.label_smoothing, " is not in 0 ... 1");
  int64_t classes = logits.shape().back(), rows = int64_t(labels.size()), counted = 0;
  Scalar smoothing = Scalar(options.label_smoothing);
  Tensor dense = logits.detach().contiguous(), p = empty(logits.shape()),
         losses = empty({rows});
  Scalar *loss = losses.mutable_data(), *weights = p.mutable_data();
  for (int label : labels) counted += label != options.ignore_index;
  const int64_t grain = LOSS_GRAIN / classes + 1;
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      loss[i] = labels[size_t(i)] == options.ignore_index
                    ? 0
                    : row_loss(dense.data() + i * classes, weights + i * classes, classes,
                               labels[size_t(i)], smoothing);
  });
  bool average = options.reduction == Reduction::mean;
  HEED_CHECK(!average || counted > 0, "[cross_entropy] no label to average over: all ", rows,
             " are ignore_index\n  leave out such a batch, or use Reduction::sum");
  Scalar scale = average ? 1 / Scalar(counted) : Scalar(1);
  Tensor y = scalar(simd::pairwise16(loss, rows) * scale);
  return record(
      "cross_entropy", std::move(y), inputs(logits), saved(p),
      [=, ignored = options.ignore_index, ids = PoolVector<int>(labels.begin(), labels.end())](
          const Tensor& g, GradOf dx, const Tensor& p) {
        Scalar each = g.item() * scale, spread = each * smoothing / Scalar(classes);
        Tensor d = empty(p.shape());
        Scalar* to = d.mutable_data();
        parallel_for(int64_t(ids.size()), grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            Scalar* out = to + i * classes;
            const Scalar* in = p.data() + i * classes;
            const int label = ids[size_t(i)];
            if (label == ignored) {
              std::fill_n(out, classes, Scalar(0));
              continue;
            }
            for (int64_t j = 0; j < classes; ++j) out[j] = in[j] * each - spread;
            out[label] -= each * (1 - smoothing);
          }
        });
        dx += std::move(d);
      });
}

// dx = 2 (x - target) / n = -dtarget
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  check_defined("mse_loss", x, target);
  HEED_CHECK(x.shape() == target.shape(), "[mse_loss] prediction ", x.shape(), " and target ",
             target.shape(),
             " differ\n  broadcasting would compare each with several: reshape one");
  const bool average = reduction == Reduction::mean;
  HEED_CHECK(!average || x.numel() > 0, "[mse_loss] no numbers to average: ", x.shape());
  const Scalar n = average ? Scalar(x.numel()) : Scalar(1);
  Tensor error = x.detach() - target.detach();
  const auto square = [](auto e) { return e * e; };
  Tensor y = scalar(simd::pairwise16_of(x.numel(), square, error.data()) / n);
  return record("mse_loss", std::move(y), inputs(x, target), saved(error),
                [n](const Tensor& g, GradOf dx, GradOf dtarget, const Tensor& error) {
                  Tensor d = error * double(2 * (g.item() / n));
                  if (dx) dx += d;
                  if (dtarget) dtarget += -d;
                });
}

}  // namespace HEED_PRECISION
}  // namespace heed
