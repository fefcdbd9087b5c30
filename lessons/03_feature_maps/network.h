// The network for the distant twin, its training, and how well and where it looks.
#pragma once
#include "twins.h"

namespace lesson_03 {

enum class Kind { unscaled, scaled, no_block };

// [snippet: network]
// 13 channels to C, one block of attention, C channels to four logits, the colours. Without the
// block a ReLU stands in its place, or the two convolutions would be no more than one.
struct Network : Module {
  Conv1x1 in;
  std::optional<SelfAttention2d> block;
  Conv1x1 out;
  FIELDS(in, block, out)

  Network(int C, Kind kind)
      : in(CHANNELS, C),
        block(kind == Kind::no_block
                  ? std::nullopt
                  : std::optional<SelfAttention2d>(std::in_place, C, kind == Kind::scaled)),
        out(C, COLOURS) {}

  // x: (B, 13, H, W) -> logits (B, 4, H, W), weights (B, N, N) if there is a block
  Attention operator()(const Tensor& x) const {
    Tensor features = in(x);
    if (!block) return {out(relu(features)), {}};
    Attention attention = (*block)(features);
    return {out(attention.output), attention.weights};
  }
};
// [end]

// Labels belong to pixels in the order (B, H, W), so the classes go last.
inline Tensor loss_of(const Tensor& logits, std::span<const int> answers) {
  return cross_entropy(logits.permute({0, 2, 3, 1}), answers, {.ignore_index = NOT_ASKED});
}

struct TrainingLog {
  std::vector<double> loss;
  std::vector<double> gamma;  // after each step; empty without a block

  // The step by which the mean of twenty losses is below 0.02; 0: never.
  int learned_at() const {
    double sum = 0;
    for (size_t i = 0; i < loss.size(); ++i) {
      sum += loss[i];
      if (i >= 20) sum -= loss[i - 20];
      if (i >= 19 && sum / 20 < 0.02) return int(i) + 1;
    }
    return 0;
  }
};

// [snippet: train]
// A batch is 32 images of the pool, drawn with replacement by a generator of its own.
class Trainer {
 public:
  Trainer(Network& net, const Images& pool, uint64_t seed, double lr)
      : net_(net), pool_(pool), order_(seed), adam_(net.named_parameters(), {.lr = lr}) {}

  double step() {
    int64_t batch[32];
    order_.randint(batch, 32, 0, pool_.count());
    int N = pool_.H * pool_.W;
    std::vector<int> chosen(batch, batch + 32), answers;
    for (int i : chosen)
      answers.insert(answers.end(), &pool_.answers[size_t(i * N)],
                     &pool_.answers[size_t(i * N)] + N);
    Tensor loss = loss_of(net_(index_select(pool_.x, chosen)).output, answers);
    adam_.zero_grad();
    loss.backward();
    adam_.step();
    return double(loss.item());
  }

 private:
  Network& net_;
  const Images& pool_;
  Generator order_;
  Adam adam_;
};
// [end]

// [snippet: score]
// Over the questions of a set of images. right: share answered right. top: share whose largest
// weight is on the twin. mass: mean weight on the twin. self: on the question pixel itself.
struct Score {
  double right = 0, top = 0, mass = 0, self = 0;
};

inline Score score(const Network& net, const Images& data) {
  NoGrad guard;
  Score s;
  int questions = 0, N = data.H * data.W;
  for (int first = 0; first < data.count(); first += 50) {
    int n = std::min(50, data.count() - first);
    Attention result = net(data.x.narrow(0, first, n));
    std::vector<int> guess = argmax(result.output, 1), top;
    if (net.block) top = argmax(result.weights, 2);
    for (int i = 0; i < n; ++i)
      for (int p = 0; p < N; ++p) {
        const Pixel& pixel = data.images[size_t(first + i)][size_t(p)];
        if (!pixel.asks()) continue;
        ++questions;
        s.right += guess[size_t(i * N + p)] == data.answers[size_t((first + i) * N + p)];
        if (!net.block) continue;
        s.top += top[size_t(i * N + p)] == pixel.twin;
        s.mass += double(result.weights.at({i, p, pixel.twin}));
        s.self += double(result.weights.at({i, p, p}));
      }
  }
  for (double* sum : {&s.right, &s.top, &s.mass, &s.self}) *sum /= questions;
  return s;
}
// [end]

}  // namespace lesson_03
