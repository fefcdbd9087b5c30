// The document's steps (1) to (5), each shown by numbers.
#pragma once
#include "keras.h"
#include "lessons/support/checks.h"
#include "lessons/support/compare.h"

namespace lesson_05 {

// " 0.1234 -0.5678": all numbers, in row-major order
inline std::string numbers(const Tensor& x) {
  std::string text;
  for (Scalar v : x.to_vector())
    text += v == v ? formatted(" %7.4f", double(v)) : "     nan";  // whose sign means nothing
  return text;
}
// What the steps look at: two sequences of T = 5 steps of D = 4 numbers, and a layer whose
// weight is larger than at the start of a training, so that there is something to see.
struct Example {
  KerasAttention layer;
  Tensor x;
  explicit Example(const std::string& kind) : layer(kind), x(seeded()) {
    NoGrad guard;
    layer.build_once({5, 4});
    layer.att_weight->mul_(20);
  }

 private:
  static Tensor seeded() {
    manual_seed(0);
    return rand({2, 5, 4});
  }
};

// (1) The idea: not all steps count alike, and which ones count depends on the sequence.
inline void step_1(Checks& checks) {
  Example e("bahdanau");
  NoGrad guard;
  Tensor weights = e.layer.attention(e.x);
  say("(1) the idea: a mean over the steps, with weights that depend on what is in them");
  say("    a plain mean %s", numbers(full({5}, 0.2)).c_str());
  for (int b : {0, 1})
    say("    sequence %d   %s", b, numbers(weights.select(0, b).contiguous()).c_str());
  checks.check(largest(sum(weights, {1}) - 1) < 1e-6 &&
                   largest(weights.select(0, 0) - weights.select(0, 1)) > 0.01,
               "the weights of each sequence sum to 1, and differ between sequences");
  say();
}

// (2) Four steps, for one sequence. The document's layer has the first three. The fourth is a
// decoder's: here a GRU, whose state was the last step.
inline void step_2(Checks& checks) {
  Example e("dot");
  NoGrad guard;
  Tensor x = e.x.narrow(0, 0, 1), state = x.select(1, 4);
  Tensor score = matmul(matmul(x, *e.layer.att_weight), state.unsqueeze(2)).squeeze(2);
  Tensor weight = softmax(score, -1);
  Tensor context = matmul(weight.unsqueeze(1), x).squeeze(1);
  GRUCell decoder(4, 4);
  say("(2) the four steps, for sequence 0; the decoder's state is its last step");
  say("    state before %s", numbers(state).c_str());
  say("    1 score      %s", numbers(score).c_str());
  say("    2 weight     %s", numbers(weight).c_str());
  say("    3 context    %s", numbers(context).c_str());
  say("    4 state after%s", numbers(decoder(context, state)).c_str());
  checks.check(same_bits(context, e.layer(x)), "KerasAttention is steps 1 to 3, bit for bit");
  say();
}

// ---- (3) The layer

inline void show_shapes(Example& e) {
  auto row = [](const char* what, const Tensor& x, const char* meaning) {
    say("    %-34s %-10s %s", what, shape_of(x).c_str(), meaning);
  };
  NoGrad guard;
  Tensor h = matmul(e.x, *e.layer.att_weight), weights = e.layer.attention(e.x);
  row("x", e.x, "B, T, D");
  row("att_weight", e.layer.att_weight->detach(), "D, D");
  row("h = x W", h, "B, T, D");
  row("bahdanau: tanh(h) . (1, 1, 1, 1)", matmul(tanh(h), ones({4})), "B, T: a score a step");
  row("dot: h . (last step)", matmul(h, e.x.select(1, 4).unsqueeze(2)).squeeze(2),
      "B, T: a score a step");
  row("weights = softmax(scores)", weights, "B, T: each row sums to 1");
  row("context = sum of weights x", e.layer(e.x), "B, D");
}

// Sequence 0 has three steps and two of padding; sequence 1 is all padding.
inline void show_mask(Checks& checks) {
  for (std::string kind : {"bahdanau", "dot"}) {
    Example e(kind);
    NoGrad guard;
    Tensor mask = tensor({1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, {2, 5});
    Tensor changed = where(mask.unsqueeze(2), e.x, full({1}, 777));
    Tensor weights = e.layer.attention(e.x, mask), context = e.layer(e.x, mask);
    say("    %s, mask 1 1 1 0 0:%s", kind.c_str(),
        numbers(weights.select(0, 0).contiguous()).c_str());
    say("    %s, mask 0 0 0 0 0:%s", kind.c_str(),
        numbers(weights.select(0, 1).contiguous()).c_str());
    Tensor alone = e.layer(e.x.narrow(0, 0, 1).narrow(1, 0, 3).contiguous());
    checks.check(
        same_bits(context, e.layer(changed, mask)) && same_bits(alone, context.narrow(0, 0, 1)),
        "%s: padding set to 777, or left out, changes no bit", kind.c_str());
  }
}

inline void step_3(Checks& checks) {
  Example e("dot");
  say("(3) the layer");
  show_shapes(e);
  std::string message = message_of([] { KerasAttention layer("luong"); });
  say("    KerasAttention(\"luong\"): %s", message.c_str());
  checks.check(message.find("'bahdanau' or 'dot'") != std::string::npos,
               "an unknown kind is refused when the layer is made");
  Shape declared = e.layer.compute_output_shape({5, 4});
  say("    compute_output_shape: %s -> %s", with_batch({5, 4}).c_str(),
      with_batch(declared).c_str());
  checks.check(declared.with(0, 2) == e.layer(e.x).shape(),
               "compute_output_shape says what comes out");
  show_mask(checks);
  say();
}

// ---- (4) The model

// [snippet: model]
inline Model document_model(const std::string& kind) {
  Model model(Input({10, 10}), KerasAttention(kind));
  model.compile({.optimizer = "adam", .loss = "mean_squared_error"});
  return model;
}
// [end]

inline void step_4(Checks& checks) {
  say("(4) the model");
  Model model = document_model("bahdanau");
  say_text(model.summary());
  checks.check(model.parameter_count() == 100, "the model has 100 parameters");
  say();
}

// ---- (5) compile and fit

// The document's data: uniform numbers, and targets that have nothing to do with them; behind
// them fresh inputs. (A stream of its own: weights start from the seed itself.)
struct UniformData {
  Tensor x, y, fresh;
  explicit UniformData(uint64_t seed) {
    Generator random(100 + seed);
    for (auto [tensor, shape] :
         {std::pair(&x, Shape{1000, 10, 10}), {&y, {1000, 10}}, {&fresh, {20000, 10, 10}}}) {
      *tensor = empty(shape);
      random.uniform(tensor->mutable_data(), tensor->numel());
    }
  }
};

inline History step_5(uint64_t seed, int epochs, int verbose) {
  say("(5) compile and fit");
  // [snippet: run]
  UniformData data(seed);
  manual_seed(seed);
  Model model = document_model("bahdanau");
  History history =
      model.fit(data.x, data.y, {.epochs = epochs, .batch_size = 32, .verbose = verbose});
  // [end]
  say();
  return history;
}

}  // namespace lesson_05
