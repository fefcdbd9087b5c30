// One layer of attention for the hidden letter, from parts small enough to see through. The
// prediction for a hidden place i is a weighted sum over the other places j of the window:
//
//   logits = sum over heads h, places j of  softmax_j(b_h[j - i]) V_h[token_j]
//
// b_h[distance] says how much head h looks that far to the left or right; V_h[token] says what
// a letter found there tells about the hidden one. Head 0 sees only what stands left of i, head
// 1 only what stands right of it; a row that sees nothing gives 0. 1,494 numbers are learned.
#pragma once
#include "alphabet.h"
#include <heed.h>

namespace lesson_01 {
using namespace heed;

constexpr int REACH = 9;  // farther is treated as 9 away
constexpr int HEADS = 2;

// Which key j may query i see? (heads, T, T), 1 = may attend.
inline Tensor visible(int T, bool may_see_itself) {
  Tensor mask = zeros({HEADS, T, T});
  for (int i = 0; i < T; ++i)
    for (int j = 0; j < T; ++j) {
      if (j < i || (j == i && may_see_itself)) mask.set({0, i, j}, 1);
      if (j > i || (j == i && may_see_itself)) mask.set({1, i, j}, 1);
    }
  return mask;
}

// [snippet: hidden_letter]
struct HiddenLetter : Module {
  Parameter b, V;  // (distances 19, heads 2), (heads 2, tokens 28, letters 26): all start at 0
  FIELDS(b, V)
  bool may_see_itself;

  explicit HiddenLetter(bool may_see_itself = false)
      : b(zeros({2 * REACH + 1, HEADS})),
        V(zeros({HEADS, TOKENS, LETTERS})),
        may_see_itself(may_see_itself) {}

  // The weights of all heads for windows of T letters, (heads, T, T). Each row sums to 1, or to
  // 0 where nothing is visible. They depend on places alone, not on letters.
  Tensor weights(int T) const {
    std::vector<int> distance;
    for (int i = 0; i < T; ++i)
      for (int j = 0; j < T; ++j) distance.push_back(std::clamp(j - i, -REACH, REACH) + REACH);
    Tensor scores = index_select(b, distance).view({T, T, HEADS}).permute({2, 0, 1});
    Tensor may = visible(T, may_see_itself);
    return softmax(masked_fill(scores, may == 0, -1e9), -1) * may;
  }

  // B windows of equal length T -> logits (B, 26)
  Tensor operator()(const std::vector<Sample>& samples) const {
    int B = int(samples.size()), T = int(samples[0].tokens.size());
    std::vector<int> tokens, places;
    for (const Sample& s : samples) {
      tokens.insert(tokens.end(), s.tokens.begin(), s.tokens.end());
      places.push_back(s.place);
    }
    Tensor attention = weights(T), logits = zeros({B, LETTERS});
    for (int head = 0; head < HEADS; ++head) {
      Tensor row =
          index_select(attention.select(0, head), places);  // what the hidden place sees
      Tensor values = index_select(V.select(0, head), tokens);         // what each letter says
      expect_shape(row, {B, T});
      logits = logits + matmul(row.view({B, 1, T}), values.view({B, T, LETTERS})).squeeze(1);
    }
    return logits;
  }
};
// [end]

inline std::vector<int> guesses(const HiddenLetter& model, const std::vector<Sample>& samples) {
  NoGrad guard;
  return argmax(model(samples), 1);
}

inline double accuracy(const HiddenLetter& model, const std::vector<Sample>& samples) {
  std::vector<int> guess = guesses(model, samples), labels = labels_of(samples);
  int correct = 0;
  for (size_t i = 0; i < samples.size(); ++i) correct += guess[i] == labels[i];
  return double(correct) / double(samples.size());
}

// All samples at once, 300 steps; the rate falls in a straight line. Returns the loss before
// each step, and after the last.
inline std::vector<double> train(HiddenLetter& model, const std::vector<Sample>& samples,
                                 int steps = 300) {
  Adam optimizer(model.named_parameters(), {.lr = 0.05, .weight_decay = 1e-4});
  std::vector<int> labels = labels_of(samples);
  std::vector<double> losses;
  for (int step = 0; step <= steps; ++step) {
    Tensor loss = cross_entropy(model(samples), labels);
    losses.push_back(double(loss.item()));
    if (step == steps) break;
    optimizer.zero_grad();
    loss.backward();
    optimizer.lr = 0.05 * (1 - double(step) / steps);
    optimizer.step();
  }
  return losses;
}

// Where does a trained model look? Mean weight on the left neighbour (head 0) and on the right
// one (head 1), over the places that have one; and on the place itself, over the same rows. (At
// the ends one head has no other place: there softmax can only give all weight to the place
// itself.)
struct Mass {
  double left = 0, right = 0, self = 0;
};
inline Mass mass(const HiddenLetter& model, int T = 10) {
  NoGrad guard;
  Tensor w = model.weights(T);
  Mass m;
  for (int i = 1; i < T; ++i) {
    m.left += double(w.at({0, i, i - 1})) / (T - 1);
    m.right += double(w.at({1, i - 1, i})) / (T - 1);
    m.self += double(w.at({0, i, i}) + w.at({1, i - 1, i - 1})) / (2 * (T - 1));
  }
  return m;
}

}  // namespace lesson_01
