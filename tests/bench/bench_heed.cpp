// heed's side of the bars: reads the name of a measurement on standard input and answers one
// line, `NAME BEST MEDIAN`, microseconds a call over five blocks of about 20 ms, or `NAME
// absent`. tests/bench/peers.py asks it and the peers in turn. One thread, or as many as stand
// behind the name: transformer_large@2.
//
//   echo step | build/bench/bench_heed           by hand
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include "lessons/01_masked_token/alphabet.h"
#include "lessons/04_sequence_to_sequence/training.h"
#include "lessons/05_keras_attention/keras.h"
#include "lessons/06_transformer/training.h"
#include <heed.h>

using namespace heed;

static double now() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// Best and median of five blocks. The first ones, which warm up, do not count.
template <class F> static void measure(const std::string& name, F f) {
  auto block = [&](int64_t n) {
    double start = now();
    for (int64_t i = 0; i < n; ++i) f();
    return (now() - start) / double(n);
  };
  double once = block(1);
  if (once < 5000) once = block(10);
  int64_t n = std::max<int64_t>(1, int64_t(20000 / std::max(0.001, once)));
  block(n);
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) times.push_back(block(n));
  std::sort(times.begin(), times.end());
  std::printf("%s %.4f %.4f\n", name.c_str(), times[0], times[2]);
  std::fflush(stdout);
}

// Lesson 01's training: the document's network and batches in the document's order. It starts
// anew after 40 epochs: later, weights of units that never fire decay through denormal numbers,
// which take a CPU some hundred times as long, and we get there long before the peers do.
struct Training {
  std::vector<Tensor> inputs;
  std::vector<std::vector<int>> labels;
  std::optional<Sequential> net;
  std::optional<Adam> adam;
  size_t count = 0;

  void start() {
    manual_seed(0);
    Linear first(10, 100);
    net.emplace(std::move(first), ReLU(), BatchNorm(100), Linear(100, 26));
    adam.emplace(net->named_parameters(), AdamOptions{.lr = 1e-3, .weight_decay = 1e-4});
  }
  Training() {
    std::vector<lesson_01::Sample> samples = lesson_01::document_samples(10);
    for (size_t i = 0; i < samples.size(); i += 10) {
      Tensor x = empty({10, 10});
      labels.emplace_back();
      for (size_t j = 0; j < 10; ++j) {
        std::copy_n(samples[i + j].tokens.begin(), 10, x.mutable_data() + j * 10);
        labels.back().push_back(samples[i + j].label);
      }
      inputs.push_back(x);
    }
  }
  float step() {
    if (count % (40 * inputs.size()) == 0) start();
    size_t i = count++ % inputs.size();
    Tensor loss = cross_entropy((*net)(inputs[i]), labels[i]);
    adam->zero_grad();
    loss.backward();
    adam->step();
    return float(loss.item());
  }
};

// Lesson 02's class on (B, T, 512), 8 heads, without dropout: four Linears, and the heads'
// split.
struct Heads : Module {
  Linear query, key, value, out;
  FIELDS(query, key, value, out)
  Mask mask;

  explicit Heads(int64_t T)
      : query(512, 512), key(512, 512), value(512, 512), out(512, 512), mask(causal_mask(T)) {}
  Tensor operator()(const Tensor& x) const {
    return out(merge_heads(attention_output(split_heads(query(x), 8), split_heads(key(x), 8),
                                            split_heads(value(x), 8), mask)));
  }
};

// Lesson 03's block on its own. Nobody asks for the weights, and with many pixels it is faster not
// to make them.
struct Block : Module {
  SelfAttention2d attention;
  FIELDS(attention)

  explicit Block(int64_t channels) : attention(channels) {}
  Tensor operator()(const Tensor& x) const {
    const bool many = x.size(2) * x.size(3) >= 512;
    return many ? attention.output(x) : attention(x).output;
  }
};

// Forward alone, or a step: forward, backward from a fixed gradient, Adam. The batches rotate.
// Nothing bounds what such a gradient asks for: at a usual rate the weights of softmax are
// denormal numbers after a thousand steps, which peers do not reach in their time.
template <class Model>
static void measure_model(const std::string& name, Model model, const Shape& shape) {
  std::vector<Tensor> batches;
  for (int i = 0; i < 4; ++i) batches.push_back(randn(shape));
  Tensor g = randn(shape);
  Adam adam(model.named_parameters(), {.lr = 1e-6});
  size_t count = 0;
  if (name.find("forward") != std::string::npos) {
    NoGrad guard;
    measure(name, [&] { model(batches[count++ % 4]); });
  } else {
    measure(name, [&] {
      adam.zero_grad();
      model(batches[count++ % 4]).backward(g);
      adam.step();
    });
  }
}

// Attention alone, 8 heads of 64, causal, forward and backward.
static void measure_attention(const std::string& name, int64_t T) {
  Tensor q = randn({1, 8, T, 64}).requires_grad_(), k = randn({1, 8, T, 64}).requires_grad_(),
         v = randn({1, 8, T, 64}).requires_grad_(), g = randn({1, 8, T, 64});
  Mask mask = causal_mask(T);
  measure(name, [&] {
    for (const Tensor& x : {q, k, v}) x.zero_grad();
    attention_output(q, k, v, mask).backward(g);
  });
}

// Adam over 16 million parameters, which reads four arrays and writes three; and what a copy of
// one such array takes, which reads one and writes one.
constexpr int64_t MANY = 16'000'000;
static void measure_adam(const std::string& name) {
  Tensor p = zeros({MANY}).requires_grad_();
  Adam adam({{"p", p}}, {.lr = 1e-3});
  p.backward(randn({MANY}));
  measure(name, [&] { adam.step(); });
}
static void measure_copy(const std::string& name) {
  std::vector<Scalar> from(MANY, 1), to(MANY, 0);
  measure(name, [&] {
    std::memcpy(to.data(), from.data(), MANY * sizeof(Scalar));
    asm volatile("" : : "r"(to.data()) : "memory");
  });
}

// Batches of sources of S words, targets of T - 1 and <eos>.
static std::vector<Batch> random_batches(int source_words, int target_words, int B, int S,
                                         int T) {
  std::vector<Batch> batches(4);
  for (Batch& batch : batches) {
    auto words = [&](int length, int vocabulary) {
      std::vector<int> ids(size_t(B * length));
      for (int& id : ids) id = int(default_generator().randint(3, vocabulary));
      return ids;
    };
    batch = {B, S, T, words(S, source_words), std::vector<int>(size_t(B), S), {}, {}};
    batch.input = batch.labels = words(T, target_words);
    for (int b = 0; b < B; ++b) {  // a label is the input of the step after it
      auto input = batch.input.begin() + b * T;
      std::copy_backward(input, input + T - 1, input + T);
      *input = BOS, batch.labels[size_t(b * T + T - 1)] = EOS;
    }
  }
  return batches;
}

// Lesson 04's training, all words told. The batches rotate.
static void measure_seq2seq(const std::string& name, const lesson_04::Sizes& sizes, int B,
                            int S, int T) {
  manual_seed(0);
  lesson_04::Seq2Seq model(sizes);
  lesson_04::Trainer trainer(model, {{.lr = 1e-3}, 1, 1});
  std::vector<Batch> batches = random_batches(sizes.source_words, sizes.target_words, B, S, T);
  size_t count = 0;
  measure(name, [&] { trainer.step(batches[count++ % 4]); });
}

// Lesson 06's. As torch.nn.Transformer normalises: last.
static void measure_transformer(const std::string& name, const lesson_06::Sizes& sizes, int B,
                                int S, int T) {
  manual_seed(0);
  lesson_06::Transformer model(sizes);
  lesson_06::Trainer trainer(model, {lesson_06::adam_options(1e-4), 0});
  std::vector<Batch> batches = random_batches(sizes.source_words, sizes.target_words, B, S, T);
  size_t count = 0;
  measure(name, [&] { trainer.step(batches[count++ % 4]); });
}

// Lesson 05's fit on the document's model and data: ten epochs, 320 steps of 32 sequences.
static void measure_fit(const std::string& name) {
  using namespace lesson_05;
  Tensor x = rand({1000, 10, 10}), y = rand({1000, 10});
  Model model(Input({10, 10}), KerasAttention("bahdanau"));
  model.compile({.optimizer = "adam", .loss = "mean_squared_error"});
  measure(name, [&] { model.fit(x, y, {.epochs = 10, .verbose = 0}); });
}

static void measure_pointwise(const std::string& name, Tensor (*f)(const Tensor&), double low) {
  Tensor x = uniform({1000000}, low, 10);
  NoGrad guard;
  measure(name, [&] { f(x); });
}

// Forward and backward of y = f(x) on (1024, 1024).
static void measure_both(const std::string& name,
                         const std::function<Tensor(const Tensor&)>& f) {
  Tensor x = randn({1024, 1024}).requires_grad_(), g = randn({1024, 1024});
  measure(name, [&] {
    x.zero_grad();
    f(x).backward(g);
  });
}

// One recorded operation on four numbers: a chain of a thousand, forward, then backward.
// (Not inlined: GCC compiles what main() does once for size.)
[[gnu::noinline]] static void measure_record(const std::string& name, bool backward) {
  Tensor x = ones({4}).requires_grad_(), g = ones({4}), factor = full({4}, 1.0001);
  std::vector<double> forward_times, backward_times;
  for (int round = 0; round < 2000; ++round) {
    double start = now();
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) y = y * factor;
    double middle = now();
    y.backward(g);
    double end = now();
    x.zero_grad();
    forward_times.push_back((middle - start) / 1000);
    backward_times.push_back((end - middle) / 1000);
  }
  std::vector<double>& times = backward ? backward_times : forward_times;
  std::sort(times.begin(), times.end());
  std::printf("%s %.4f %.4f\n", name.c_str(), times[times.size() / 20],
              times[times.size() / 2]);
  std::fflush(stdout);
}

int main() {
  set_num_threads(1);
  std::unique_ptr<Training> training;
  std::string name;
  while (std::getline(std::cin, name)) {
    const size_t at = name.find('@');
    set_num_threads(at == std::string::npos ? 1 : std::stoi(name.substr(at + 1)));
    auto is = [&](const char* what) { return name.substr(0, at) == what; };
    if (is("about")) {
      std::printf("about heed, %s\n", __VERSION__);
    } else if (is("losses")) {
      Training fresh;
      float a = fresh.step(), b = fresh.step(), c = fresh.step();
      std::printf("losses %.6f %.6f %.6f\n", double(a), double(b), double(c));
    } else if (is("step")) {
      if (!training) training = std::make_unique<Training>();
      measure(name, [&] { training->step(); });
    } else if (is("exp")) {
      measure_pointwise(name, exp, -10);
    } else if (is("tanh")) {
      measure_pointwise(name, tanh, -10);
    } else if (is("sigmoid")) {
      measure_pointwise(name, sigmoid, -10);
    } else if (is("log")) {
      measure_pointwise(name, log, 0.01);
    } else if (is("softmax")) {
      measure_both(name, [](const Tensor& x) { return softmax(x, 1); });
    } else if (is("layer_norm")) {
      Tensor weight = randn({1024}), bias = randn({1024});
      measure_both(name, [&](const Tensor& x) { return layer_norm(x, weight, bias); });
    } else if (is("attention_1024")) {
      measure_attention(name, 1024);
    } else if (is("attention_4096")) {
      measure_attention(name, 4096);
    } else if (is("adam")) {
      measure_adam(name);
    } else if (is("copy")) {
      measure_copy(name);
    } else if (is("heads_forward_2x4") || is("heads_step_2x4")) {
      measure_model(name, Heads(4), {2, 4, 512});
    } else if (is("heads_forward_8x64") || is("heads_step_8x64")) {
      measure_model(name, Heads(64), {8, 64, 512});
    } else if (is("heads_forward_2x1024") || is("heads_step_2x1024")) {
      measure_model(name, Heads(1024), {2, 1024, 512});
    } else if (is("block_step_small")) {
      measure_model(name, Block(16), {2, 16, 8, 8});
    } else if (is("block_step_large")) {
      measure_model(name, Block(64), {4, 64, 32, 32});
    } else if (is("seq2seq_small")) {
      measure_seq2seq(name, {40, 40, 32, 64}, 64, 20, 12);
    } else if (is("seq2seq_middle")) {
      measure_seq2seq(name, {40, 40, 64, 128}, 64, 20, 12);
    } else if (is("seq2seq_large")) {
      measure_seq2seq(name, {6000, 6000, 256, 512}, 32, 25, 25);
    } else if (is("transformer_small")) {
      measure_transformer(name, {40, 40, 64, 4, 128, 2, 2, lesson_06::Norm::last}, 64, 20, 11);
    } else if (is("transformer_large")) {
      measure_transformer(name, {1000, 1000, 512, 8, 2048, 6, 6, lesson_06::Norm::last}, 8, 64,
                          64);
    } else if (is("fit")) {
      measure_fit(name);
    } else if (is("record_forward") || is("record_backward")) {
      measure_record(name, is("record_backward"));
    } else {
      std::printf("%s absent\n", name.c_str());
    }
    std::fflush(stdout);
  }
}
