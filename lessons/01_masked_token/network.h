// The document's network and its training, steps (4) and (5).
#pragma once
#include <array>
#include "alphabet.h"
#include <heed.h>
#include "lessons/support/batches.h"

namespace lesson_01 {
using namespace heed;

// How a letter enters the network: as its number, as that divided by 27, or as 28 numbers of
// which one is 1 and all others are 0.
enum class Encoding { numbers, scaled, one_hot };
inline const char* name_of(Encoding encoding) {
  return std::array{"numbers", "scaled", "one-hot"}[size_t(encoding)];
}

// (B, seq_len), or (B, seq_len * 28) for one-hot
inline Tensor encode(const std::vector<Sample>& samples, std::span<const int> which,
                     Encoding encoding) {
  int64_t width = encoding == Encoding::one_hot ? TOKENS : 1,
          T = int64_t(samples[0].tokens.size());
  Tensor x = zeros({int64_t(which.size()), T * width});
  Scalar* out = x.mutable_data();
  for (int i : which)
    for (int token : samples[size_t(i)].tokens) {
      if (encoding == Encoding::one_hot) {
        out[token] = 1;
      } else {
        *out = Scalar(token) / (encoding == Encoding::scaled ? Scalar(CLS) : Scalar(1));
      }
      out += width;
    }
  return x;
}

// [snippet: network]
struct Network : Module {
  Linear linear_1;
  BatchNorm norm;
  Linear linear_2;
  FIELDS(linear_1, norm, linear_2)
  Encoding encoding;

  explicit Network(int seq_len, Encoding encoding = Encoding::numbers)
      : linear_1(seq_len * (encoding == Encoding::one_hot ? TOKENS : 1), 100),
        norm(100),
        linear_2(100, LETTERS),
        encoding(encoding) {}

  Tensor operator()(const Tensor& x) { return linear_2(norm(relu(linear_1(x)))); }
};
// [end]

inline double accuracy(Network& net, const std::vector<Sample>& samples) {
  NoGrad guard;
  net.eval();
  std::vector<int> all(samples.size()), labels = labels_of(samples);
  for (size_t i = 0; i < all.size(); ++i) all[i] = int(i);
  std::vector<int> guess = argmax(net(encode(samples, all, net.encoding)), 1);
  net.train();
  int correct = 0;
  for (size_t i = 0; i < all.size(); ++i) correct += guess[i] == labels[i];
  return double(correct) / double(samples.size());
}

struct TrainingLog {
  std::vector<double> loss,
      correct;  // an epoch each: mean of its batches, share while training
};

// [snippet: train]
inline TrainingLog train(Network& net, const std::vector<Sample>& samples, int epochs,
                         double lr) {
  Batches batches(int(samples.size()), 10, /*shuffle=*/true);
  Adam optimizer(net.named_parameters(), {.lr = lr, .weight_decay = 1e-4});
  TrainingLog log;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    double loss_sum = 0, correct = 0, seen = 0;
    int steps = 0;
    for (std::span<const int> batch : batches) {
      if (batch.size() < 2) continue;  // BatchNorm needs two
      std::vector<int> labels;
      for (int i : batch) labels.push_back(samples[size_t(i)].label);
      Tensor logits = net(encode(samples, batch, net.encoding));
      Tensor loss = cross_entropy(logits, labels);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      std::vector<int> guess = argmax(logits, 1);
      for (size_t i = 0; i < labels.size(); ++i) correct += guess[i] == labels[i];
      seen += double(labels.size());
      loss_sum += double(loss.item());
      ++steps;
    }
    log.loss.push_back(loss_sum / steps);
    log.correct.push_back(correct / seen);
  }
  return log;
}
// [end]

}  // namespace lesson_01
