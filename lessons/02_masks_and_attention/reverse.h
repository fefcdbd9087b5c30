// The task: sequences of 16 digits, and one layer of attention that reverses them. 1,450
// parameters, of which one attention map can be read.
#pragma once
#include <algorithm>
#include <cmath>
#include <heed.h>
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace lesson_02 {
using namespace heed;

// [snippet: run]
constexpr int T = 16, DIGITS = 10, D = 16, BATCH = 32;

// Which places a place may look at: all; itself and those before it; only those before it.
enum class Sight { all, causal, earlier };

// What the runs differ in. The defaults are those of the task.
struct Run {
  bool copy = false;  // the target is the sequence itself, not its reverse
  Sight sight = Sight::all;
  int steps = 400, warm_up = 50;
  double lr = 0.06;
  double std = 0.02;  // standard deviation of the embedding at the start
  int heads = 1;
  double dropout = 0;
  bool positions = true, residual = true, equal_start = false;  // equal: the projections
};
// [end]

inline Mask mask_of(Sight sight) {
  if (sight == Sight::all) return {};
  Tensor may = causal_mask(T).tensor();
  return Mask::keep(sight == Sight::earlier ? may - eye(T) : may);
}

// N(0, std^2). Embedding's own N(0, 1) is drawn first, as PyTorch's is, and then replaced.
inline Embedding small_embedding(double std) {
  Embedding digits(DIGITS, D);
  NoGrad guard;
  digits.weight.copy_(normal({DIGITS, D}, 0, std));
  return digits;
}

// [snippet: reverser]
struct Reverser : Module {
  Embedding digits;
  PositionalEncoding positions;
  Linear query, key, value, out;
  LayerNorm norm;
  Linear logits;
  FIELDS(digits, positions, query, key, value, out, norm, logits)
  Run run;
  Mask mask;

  explicit Reverser(const Run& run)
      : digits(small_embedding(run.std)),
        positions(D, run.dropout, T),
        query(D, D),
        key(D, D),
        value(D, D),
        out(D, D),
        norm(D),
        logits(D, DIGITS),
        run(run),
        mask(mask_of(run.sight)) {
    if (run.equal_start) key = value = out = query;  // copies the numbers
    if (!run.positions) positions.pe.zero_();
  }

  // ids: B sequences of T digits -> logits (B, T, 10), weights (B, heads, T, T)
  Attention operator()(std::span<const int> ids) const {
    int64_t B = int64_t(ids.size()) / T;
    Tensor x = positions(digits(ids, {B, T}) * std::sqrt(double(D)));
    auto heads = [&](const Linear& linear) { return split_heads(linear(x), run.heads); };
    Attention a = scaled_dot_product_attention(heads(query), heads(key), heads(value), mask,
                                               training ? run.dropout : 0);
    Tensor y = dropout(out(merge_heads(a.output)), run.dropout, training);
    return {logits(norm(run.residual ? x + y : y)), a.weights};
  }
};
// [end]

// n sequences, row after row.
inline std::vector<int> draw(Generator& generator, int n) {
  std::vector<int64_t> words(size_t(n) * T);
  generator.randint(words.data(), int64_t(words.size()), 0, DIGITS);
  return {words.begin(), words.end()};
}
inline std::vector<int> targets(std::vector<int> ids, bool copy) {
  if (!copy)
    for (auto row = ids.begin(); row != ids.end(); row += T) std::reverse(row, row + T);
  return ids;
}

// [snippet: train]
// Fresh sequences at every step. The rate rises for 50 steps, and falls along half a cosine.
// Returns the loss of each step.
inline std::vector<double> train(Reverser& model, int steps) {
  const Run& run = model.run;
  Adam adam(model.named_parameters());
  std::vector<double> losses;
  Progress bar("training", steps);
  for (int step = 0; step < steps; ++step) {
    adam.lr = run.lr * warm_up(step, run.warm_up) * cosine(step, run.steps);
    std::vector<int> ids = draw(default_generator(), BATCH);
    Tensor loss = cross_entropy(model(ids).output, targets(ids, run.copy));
    adam.zero_grad();
    loss.backward();
    adam.step();
    losses.push_back(double(loss.item()));
    bar.step(formatted("loss %.4f", losses.back()));
  }
  return losses;
}
// [end]

// How a model does on sequences that it has never seen. Shares are 0 to 1. The place looked for
// is that of the digit that is wanted: 15 - i for query i, or i itself when copying.
struct Score {
  double exact = 0, digits = 0;  // sequences with all 16 right, digits right
  double places[T] = {};         // digits right, place by place
  double loss = 0;
  double mass = 0, masses[T] = {};  // weight on the place looked for; query by query
  double largest = 0;               // (sequence, query) with the largest weight there
  double best_head = 0;             // the mass of the head that has most of it
  std::vector<double> map;          // (T, T): mean weights

  double worst_query() const { return *std::min_element(masses, masses + T); }
};

namespace scoring {

inline void add_answers(Score& s, const Tensor& logits, const std::vector<int>& labels) {
  std::vector<int> guess = argmax(logits, 2);
  for (size_t row = 0; row < guess.size(); row += T) {
    int right = 0;
    for (size_t i = 0; i < T; ++i)
      if (guess[row + i] == labels[row + i]) ++s.places[i], ++right;
    s.exact += right == T;
  }
}

// weights: (B, H, T, T); heads: each one's mass so far
inline void add_weights(Score& s, const Tensor& weights, bool copy,
                        std::vector<double>& heads) {
  const Scalar* w = weights.data();
  for (int64_t b = 0; b < weights.size(0); ++b)
    for (int i = 0; i < T; ++i) {
      int source = copy ? i : T - 1 - i;
      double row[T] = {};
      for (size_t h = 0; h < heads.size(); ++h) {
        const Scalar* one = w + ((b * int64_t(heads.size()) + int64_t(h)) * T + i) * T;
        for (int j = 0; j < T; ++j) row[j] += double(one[j]) / double(heads.size());
        heads[h] += double(one[source]);
      }
      for (int j = 0; j < T; ++j) s.map[size_t(i * T + j)] += row[j];
      s.masses[i] += row[source];
      s.largest += row[source] > 0 && std::max_element(row, row + T) - row == source;
    }
}

}  // namespace scoring

inline Score score(Reverser& model, uint64_t seed, int n = 10000) {
  NoGrad guard;
  model.eval();
  Score s;
  s.map.resize(T * T);
  std::vector<double> heads(size_t(model.run.heads));
  Generator fresh(1000000 + seed);
  const std::vector<int> all = draw(fresh, n);
  constexpr int AT_ONCE = 500;  // keeps the weights of one call small
  for (int first = 0; first < n; first += AT_ONCE) {
    int count = std::min(AT_ONCE, n - first);
    std::vector<int> ids(all.begin() + first * T, all.begin() + (first + count) * T);
    std::vector<int> labels = targets(ids, model.run.copy);
    Attention a = model(ids);
    s.loss += double(cross_entropy(a.output, labels).item()) * count / n;
    scoring::add_answers(s, a.output, labels);
    scoring::add_weights(s, a.weights.contiguous(), model.run.copy, heads);
  }
  model.train();
  s.exact /= n, s.largest /= double(n) * T;
  for (double& p : s.places) p /= n, s.digits += p / T;
  for (double& m : s.masses) m /= n, s.mass += m / T;
  for (double& w : s.map) w /= n;
  s.best_head = *std::max_element(heads.begin(), heads.end()) / (double(n) * T);
  return s;
}

}  // namespace lesson_02
