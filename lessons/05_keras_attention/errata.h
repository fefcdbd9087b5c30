// What the document gets wrong, and mistakes in layers like this one that were published
// elsewhere, each with the number that gives it away.
#pragma once
#include "document.h"
#include "tasks.h"

namespace lesson_05 {

// ---- The document's layer

// [snippet: as_written]
// Its 'bahdanau', with Keras functions that are gone replaced by their like. It says that it
// gives (B, D), and gives (B, 1).
class DocumentAttention : public Layer {
 public:
  std::optional<Parameter> att_weight;
  FIELDS(att_weight)
  bool says_what_it_gives;  // false: compute_output_shape() as the document has it

  explicit DocumentAttention(bool says_what_it_gives)
      : says_what_it_gives(says_what_it_gives) {}
  std::string type() const override { return "DocumentAttention"; }
  void build(const Shape& input) override {
    att_weight.emplace(random_normal({input.back(), input.back()}));
  }
  Shape compute_output_shape(const Shape& input) const override {
    return {says_what_it_gives ? 1 : input.back()};
  }
  // Over all T D numbers, of e to the score: the exponential function twice.
  Tensor weights(const Tensor& x) const {
    Tensor scores = matmul(x, *att_weight).view({x.size(0), -1});
    return softmax(exp(scores), -1);
  }
  Tensor call(const Tensor& x, const Tensor&) override {
    return sum(x.view({x.size(0), -1}) * weights(x), {1}, true);
  }
};
// [end]

// [snippet: broadcasting_loss]
// What Keras's mean squared error does with (B, 10) and (B, 1).
inline Tensor broadcasting_mse(const Tensor& y_true, const Tensor& y_pred) {
  return mean(pow(y_true - y_pred, 2));
}
// [end]

inline void as_written(Checks& checks) {
  UniformData data(0);
  manual_seed(0);
  say("    the model: %s", message_of([] {
                             Model model(Input({10, 10}), DocumentAttention(false));
                           }).c_str());
  Model model(Input({10, 10}), DocumentAttention(true));
  model.compile({.optimizer = "adam", .loss = "mean_squared_error"});
  say("    the loss:  %s",
      message_of([&] { model.fit(data.x, data.y, {.verbose = 0}); }).c_str());
  NoGrad guard;
  Tensor p = model(data.x), weights = model.layer<DocumentAttention>().weights(data.x);
  say("    1000 sequences: output %s, softmax over rows of %s, which sum to %.4f",
      shape_of(p).c_str(), shape_of(weights).c_str(), double(max(sum(weights, {1})).item()));
  say("    broadcast, the loss is %.5f, as if nothing were wrong",
      double(broadcasting_mse(data.y, p).item()));
  checks.check(weights.size(1) == 100 && p.size(1) == 1,
               "its softmax runs over T D = 100 numbers, and one number comes out");
  checks.check(message_of([&] { mean_squared_error(data.y, p); }) != "(no error)",
               "a loss of (1000, 10) against (1000, 1) is refused");
}

// Its 'dot' multiplies (B, T, D) by (B, T D).
inline void dot_as_written(Checks& checks) {
  manual_seed(0);
  Tensor x = rand({32, 10, 10}), scores = matmul(x, random_normal({10, 10})).view({32, 100});
  std::string message = message_of([&] { sum(x * scores, {1}); });
  say("    'dot': %s", message.c_str());
  checks.check(message != "(no error)", "the document's 'dot' cannot be computed");
}

// Softmax takes e to the power of what it gets. Given e^s, the weights go with e^(e^s): what is
// below 0 hardly matters, and what is above 0 takes all.
inline void exp_twice(Checks& checks) {
  Tensor s = tensor({-3, -1, 0, 1, 3}), right = softmax(s, -1), twice = softmax(exp(s), -1);
  say("    scores          %s", numbers(s).c_str());
  say("    softmax(s)      %s", numbers(right).c_str());
  say("    softmax(exp(s)) %s", numbers(twice).c_str());
  checks.check(twice.at({4}) > 0.9999 && right.at({4}) < 0.85,
               "with exp twice a score of 3 takes all from a score of 1");
}

// [snippet: handed_on_mask]
// It supports masks, and says nothing of the mask that it hands on. So Keras hands on its own,
// (B, T), to the loss, whose numbers are (B): one a sequence. With B = T they broadcast, and
// sequence i is weighed by whether step i is padding.
struct HandsOnItsMask : KerasAttention {
  Tensor compute_mask(const Tensor&, const Tensor& mask) const override { return mask; }
};
inline void handed_on_mask(Checks& checks) {
  manual_seed(0);
  Tensor x = rand({10, 10, 10}), y = rand({10, 10});
  x.narrow(1, 7, 3).fill_(0);
  std::string message = message_of([] {
    Model model(Input({10, 10}), Masking(), HandsOnItsMask());
  });
  say("    its mask: %s", message.c_str());
  Model model(Input({10, 10}), Masking(), KerasAttention());
  NoGrad guard;
  Tensor losses = mean(pow(model(x) - y, 2), {1});  // of each sequence
  Tensor mask = Masking().compute_mask(x, {});
  double all = double(mean(losses).item()), seven = double(mean(losses.narrow(0, 0, 7)).item()),
         weighed = double((sum(losses * mask) / sum(mask)).item());
  say("    10 sequences, padding from step 7 on: loss %.4f; weighed by the mask %.4f, which is",
      all, weighed);
  say("    that of the first seven sequences, %.4f", seven);
  checks.check(message != "(no error)" && std::abs(weighed - seven) < 1e-6 &&
                   std::abs(all - seven) > 1e-3,
               "a mask of steps that reaches the loss leaves out whole sequences");
}
// [end]

// ---- Others'

// [snippet: temporal_softmax]
// Scores (B, T, 1), mask (B, T): softmax over time, as a guide of Keras had it at first, later,
// and as it should be.
inline Tensor temporal_softmax_1(const Tensor& s, const Tensor& mask) {
  Tensor m = mask.unsqueeze(2);
  return exp(s) * m / sum(s * m, {1}, true);  // by the sum of s, not of e^s
}
inline Tensor temporal_softmax_2(const Tensor& s, const Tensor& mask) {
  Tensor e = exp(s) * mask.unsqueeze(2);
  return e / sum(e, {-1}, true);  // the last dimension has size 1
}
inline void temporal_softmax(Checks& checks) {
  Tensor s = tensor({0.5, 2, 1, 0}, {1, 4, 1}), mask = tensor({1, 1, 1, 0}, {1, 4});
  Tensor right = masked_softmax(s.squeeze(2), mask);
  Tensor first = temporal_softmax_1(s, mask), second = temporal_softmax_2(s, mask);
  say("    first  %s  sum %.4f", numbers(first).c_str(), double(sum(first).item()));
  say("    second %s", numbers(second).c_str());
  say("    right  %s  sum %.4f", numbers(right).c_str(), double(sum(right).item()));
  Scalar hidden = second.at({0, 3, 0});
  checks.check(sum(first).item() > 3 && second.at({0, 0, 0}) == 1 && hidden != hidden,
               "neither published version sums to 1; the second gives NaN for hidden steps");
  Tensor large = s * 100;
  Scalar top = temporal_softmax_1(large, mask).at({0, 1, 0});
  say("    first, scores 100 times as large: %g; right: %g", double(top),
      double(masked_softmax(large.squeeze(2), mask).at({0, 1})));
  checks.check(std::isinf(top), "without subtracting the largest score e^200 overflows");
}
// [end]

// [snippet: additive]
// AdditiveAttention of Keras: s = scale . tanh(q + k), the scale being all that it learns.
// Bahdanau's score has a matrix and a bias for the query, a matrix for the key, and a vector:
// 100 + 10 + 100 + 10 numbers here.
inline void additive(Checks& checks) {
  manual_seed(0);
  Tensor scale = randn({10}), a = randn({10}), b = randn({10});
  auto keras = [&](const Tensor& q, const Tensor& k) {
    return double(sum(scale * tanh(q + k)).item());
  };
  AdditiveAttention bahdanau(10, 10, 10);
  auto ours = [&](const Tensor& q, const Tensor& k) {
    NoGrad guard;
    Tensor energy = tanh(bahdanau.query(q) + bahdanau.key(k));
    return double(bahdanau.score(energy.view({1, 10})).item());
  };
  say("    numbers to learn at width 10: Keras %lld, Bahdanau %lld", (long long)scale.numel(),
      (long long)bahdanau.parameter_count());
  say("    a asks b, b asks a: Keras %.4f %.4f, Bahdanau %.4f %.4f", keras(a, b), keras(b, a),
      ours(a, b), ours(b, a));
  checks.check(keras(a, b) == keras(b, a) && std::abs(ours(a, b) - ours(b, a)) > 0.01,
               "Keras's additive score is the same when query and key change places");
}
// [end]

// Attention of Keras hands back its weights after dropout, though its text says after softmax.
inline void after_dropout(Checks& checks) {
  manual_seed(0);
  Tensor weights = softmax(randn({3, 5}), -1), dropped = dropout(weights, 0.5);
  say("    rows sum to%s before dropout, to%s after", numbers(sum(weights, {1})).c_str(),
      numbers(sum(dropped, {1})).c_str());
  checks.check(largest(sum(weights, {1}) - 1) < 1e-6 && largest(sum(dropped, {1}) - 1) > 0.05,
               "after dropout the rows do not sum to 1");
}

// [snippet: dense_over_time]
// A well-known first version: the sequence turned on its side, Dense(T, softmax) over its
// steps. Each number has a softmax of its own, and its weights belong to places.
class DenseOverTime : public Layer {
 public:
  Dense dense{T, "softmax"};
  FIELDS(dense)

  std::string type() const override { return "DenseOverTime"; }
  void build(const Shape& input) override { dense.build_once({input[1], input[0]}); }
  Shape compute_output_shape(const Shape& input) const override { return {input.back()}; }
  Tensor call(const Tensor& x, const Tensor&) override {
    return sum(x * dense(x.transpose(1, 2).contiguous()).transpose(1, 2), {1});
  }
};
// [end]

// The loss on fresh examples after the tasks' usual training.
template <class Task> double loss_of_dense_over_time(const Task& task) {
  Generator random(0);
  Examples train = task(random, 4000), fresh = task(random, 1000);
  manual_seed(0);
  Model model(Input({T, 10}), DenseOverTime());
  model.compile({.optimizer = KerasAdam{.learning_rate = 0.01}, .loss = "mse"});
  model.fit(train.x, train.y, {.epochs = 10, .verbose = 0});
  return model.evaluate(fresh.x, fresh.y, {.verbose = 0})["loss"];
}

inline void dense_over_time(Checks& checks) {
  double middle = loss_of_dense_over_time(MiddleTask()),
         flag = loss_of_dense_over_time(FlagTask());
  DenseOverTime layer;
  layer.build_once({10, 10});
  std::string longer = message_of([&] { layer(zeros({1, 12, 10})); });
  say("    loss on 'middle' %.6f, on 'flag' %.6f", middle, flag);
  say("    12 steps: %s", longer.c_str());
  checks.check(middle < 0.001 && flag > 0.05 && longer != "(no error)",
               "Dense over time learns a place, not a content, and one length only");
}

}  // namespace lesson_05
