// Three tasks in which attention has something to find. In each the answer is one step of the
// sequence: the network has to say which one, by its weights, to give it back.
#pragma once
#include "keras.h"

namespace lesson_05 {

constexpr int T = 10;  // steps

struct Examples {
  Tensor x, y;             // (n, T, D) and (n, D): y is the step that is asked for
  std::vector<int> where;  // which step that is
};

// All sequences of numbers from U(low, 1); y is picked out at the end.
inline Tensor uniform_steps(Generator& random, int n, int64_t D, double low = 0) {
  Tensor x = empty({n, T, D});
  random.uniform(x.mutable_data(), x.numel(), low, 1);
  return x;
}
inline Examples asked_for(const Tensor& x, const std::vector<int>& where) {
  std::vector<int> rows;
  for (size_t i = 0; i < where.size(); ++i) rows.push_back(int(i) * T + where[i]);
  return {x, index_select(x.view({x.size(0) * T, x.size(2)}), rows), where};
}

// [snippet: flag]
// flag: nine numbers a step, and a tenth that is 1 at one step and 0 elsewhere. What is in that
// step? centred: numbers from -1 to 1 in place of 0 to 1. constant: the ninth number is 1.
struct FlagTask {
  bool centred = false, constant = false;
  Examples operator()(Generator& random, int n) const {
    Tensor x = uniform_steps(random, n, 10, centred ? -1 : 0);
    if (constant) x.narrow(2, 8, 1).fill_(1);
    x.narrow(2, 9, 1).fill_(0);
    std::vector<int> where;
    for (int i = 0; i < n; ++i) {
      where.push_back(int(random.randint(0, T)));
      x.set({i, where.back(), 9}, 1);
    }
    return asked_for(x, where);
  }
};
// [end]

// [snippet: middle]
// middle: ten numbers a step. What is in step 4? Each step may carry its place: one-hot in ten
// more numbers, or as t / 9 in one more (a ramp).
struct MiddleTask {
  enum Place { none, one_hot, ramp } place = none;
  Examples operator()(Generator& random, int n) const {
    Tensor x = uniform_steps(random, n, 10);
    if (place == one_hot) x = cat({x, eye(T).expand({n, T, T})}, 2);
    if (place == ramp) x = cat({x, (arange(T) / (T - 1)).view({1, T, 1}).expand({n, T, 1})}, 2);
    return asked_for(x, std::vector<int>(size_t(n), 4));
  }
};
// [end]

// [snippet: ask]
// ask: steps 0 to 8 carry nine different keys, one-hot, and six numbers. Step 9 repeats one of
// the keys: what is in the step that has it, too? A tenth number is 1 in step 9 only, so that
// the question is known for one (unmarked: it is not).
struct AskTask {
  bool marked = true;
  Examples operator()(Generator& random, int n) const {
    Tensor x = cat({zeros({n, T, 10}), uniform_steps(random, n, 6)}, 2);
    std::vector<int> where;
    for (int i = 0; i < n; ++i) {
      std::vector<int> keys = random.randperm(9);
      for (int t = 0; t < 9; ++t) x.set({i, t, keys[size_t(t)]}, 1);
      where.push_back(int(random.randint(0, 9)));
      x.set({i, 9, keys[size_t(where.back())]}, 1);
      x.set({i, 9, 9}, marked);
    }
    return asked_for(x, where);
  }
};
// [end]

// [snippet: with_query]
// A third kind: Bahdanau's score with a query, s_t = v . tanh(x_t W + q W). All else is that of
// KerasAttention.
class BahdanauWithQuery : public KerasAttention {
 protected:
  Tensor scores(const Tensor& x, const Tensor& mask) const override {
    Tensor h = matmul(x, *att_weight), asks = matmul(query(x, mask), *att_weight);
    return matmul(tanh(h + asks.unsqueeze(1)), ones({x.size(2)}));
  }
};
// [end]

// loss: on examples that were not trained on. mass: mean weight of the step that is asked for.
// top: share of the examples in which it has the largest weight.
struct Score {
  double loss = 0, mass = 0, top = 0;
};

inline Score score(Model& model, const Examples& data) {
  NoGrad guard;
  Score s;
  s.loss = model.evaluate(data.x, data.y, {.batch_size = 1000, .verbose = 0})["loss"];
  Tensor weights = model.layer<KerasAttention>().attention(data.x);
  std::vector<int> top = argmax(weights, 1);
  for (size_t i = 0; i < top.size(); ++i) {
    s.mass += double(weights.at({int64_t(i), data.where[i]}));
    s.top += top[i] == data.where[i];
  }
  s.mass /= double(top.size()), s.top /= double(top.size());
  return s;
}

// ---- What theory says

// middle without a place: the steps cannot be told apart, so the best weights are 1 / T each.
// The loss is then the variance of the step less that of the mean: (1 / 12)(1 - 1 / T).
inline double loss_of_a_plain_mean() { return (1 - 1. / T) / 12; }

// ask without a query: weight w on the question itself, which carries the right key, and the
// rest evenly on the nine others.
inline double loss_without_a_query(double w) {
  double rest = (1 - w) / 9;
  double keys = 72 * rest * rest, mark = w * w;
  double values = (w * w + (1 - rest) * (1 - rest) + 8 * rest * rest) / 12;
  return (keys + mark + 6 * values) / 16;
}
constexpr double BEST_ON_QUESTION = 16. / 44;  // where that loss is least

}  // namespace lesson_05
