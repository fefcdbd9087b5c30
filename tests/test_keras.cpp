// Lesson 05's front: masks and gradients of its layers, what it prints beside what Keras
// prints, callbacks, files, and mistakes.
#include <filesystem>
#include <fstream>
#include "lessons/05_keras_attention/keras.h"
#include "lessons/support/files.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_05;

namespace {

KerasAttention sharp_attention(const std::string& kind, int64_t D) {
  KerasAttention layer(kind);
  layer.build_once({1, D});
  NoGrad guard;
  layer.att_weight->mul_(20);
  return layer;
}

Model compiled_model(const std::string& kind = "bahdanau") {
  Model model(Input({5, 3}), KerasAttention(kind));
  model.compile({.optimizer = "adam", .loss = "mse"});
  return model;
}

}  // namespace

// ---- The attention layer

TEST_CASE("keras: gradients of KerasAttention, with and without a mask") {
  if (sizeof(Scalar) == 4) return;
  manual_seed(0);
  Tensor x = randn({3, 5, 4}).requires_grad_(), W = randn({4, 4}).requires_grad_();
  Tensor mask = tensor({1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0}, {3, 5});
  for (std::string kind : {"bahdanau", "dot"})
    for (const Tensor& m : {Tensor(), mask}) {
      auto f = [&](const std::vector<Tensor>& in) {
        KerasAttention layer(kind);
        layer.build_once({5, 4});
        static_cast<Tensor&>(*layer.att_weight) = in[1];
        return layer(in[0], m);
      };
      CHECK(gradcheck(kind, f, {x, W}) < 1e-7);
    }
}

TEST_CASE("keras: the weights are softmax over the steps of one score a step") {
  manual_seed(0);
  Tensor x = randn({3, 5, 4});
  for (std::string kind : {"bahdanau", "dot"}) {
    KerasAttention layer = sharp_attention(kind, 4);
    NoGrad guard;
    Tensor weights = layer.attention(x), context = layer(x);
    CHECK(weights.shape() == Shape{3, 5});
    CHECK(context.shape() == layer.compute_output_shape({5, 4}).with(0, 3));
    for (int64_t b = 0; b < 3; ++b) {
      std::vector<double> power;
      double sum_of = 0;
      for (int64_t t = 0; t < 5; ++t) {
        double score = 0;
        for (int64_t j = 0; j < 4; ++j) {
          double h = 0;
          for (int64_t i = 0; i < 4; ++i)
            h += double(x.at({b, t, i})) * double(layer.att_weight->at({i, j}));
          score += kind == "dot" ? h * double(x.at({b, 4, j})) : std::tanh(h);
        }
        power.push_back(std::exp(score));
        sum_of += power.back();
      }
      for (int64_t t = 0; t < 5; ++t)
        CHECK(double(weights.at({b, t})) ==
              doctest::Approx(power[size_t(t)] / sum_of).epsilon(1e-5));
      for (int64_t j = 0; j < 4; ++j) {
        double c = 0;
        for (int64_t t = 0; t < 5; ++t)
          c += power[size_t(t)] / sum_of * double(x.at({b, t, j}));
        CHECK(double(context.at({b, j})) == doctest::Approx(c).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("keras: no bit of the context depends on padding, on its length, or on the batch") {
  manual_seed(0);
  for (std::string kind : {"bahdanau", "dot"}) {
    KerasAttention layer = sharp_attention(kind, 4);
    PaddedModel model = [&](const Tensor& x, std::span<const int> lengths) {
      int64_t B = x.size(0), T = x.size(1);
      Tensor context = layer(x, padding_mask(lengths, T).tensor().view({B, T}));
      return context.unsqueeze(1).expand({B, T, 4}).contiguous();  // seen by every real step
    };
    int lengths[] = {5, 3, 1};
    CHECK(prove_padding(kind, model, randn({3, 5, 4}), lengths) > 0);
    CHECK(prove_batch(kind, model, randn({3, 5, 4}), lengths) > 0);
  }
}

TEST_CASE(
    "keras: a row that may see nothing gives 0, also as gradient; others keep their bits") {
  manual_seed(0);
  for (std::string kind : {"bahdanau", "dot"}) {
    KerasAttention layer = sharp_attention(kind, 4);
    Tensor x = randn({2, 3, 4}).requires_grad_();
    Tensor some = tensor({1, 1, 0, 0, 0, 0}, {2, 3}), more = tensor({1, 1, 0, 1, 1, 1}, {2, 3});
    Tensor context = layer(x, some);
    CHECK(same(layer.attention(x, some).select(0, 1).contiguous().detach(), zeros({3})));
    CHECK(same(context.select(0, 1).contiguous().detach(), zeros({4})));
    sum(context * randn({2, 4})).backward();
    CHECK(same(x.grad().narrow(0, 1, 1).contiguous(), zeros({1, 3, 4})));
    CHECK(double(max(x.grad()).item()) > 0);
    CHECK(same(context.narrow(0, 0, 1).contiguous().detach(),
               layer(x, more).narrow(0, 0, 1).contiguous().detach()));
  }
}

TEST_CASE("keras: Masking hides steps that are all its value, in every layer behind it") {
  Masking masking(-1);
  Tensor x = tensor({-1, -1, 0, -1, -1, 2}, {1, 3, 2});
  CHECK(same(masking.compute_mask(x, {}), tensor({0, 1, 1}, {1, 3})));
  CHECK(difference(masking(x), tensor({0, 0, 0, -1, -1, 2}, {1, 3, 2})) == 0);

  manual_seed(0);
  Model model(Input({4, 3}), Masking(), Dense(3, "tanh"), KerasAttention("dot"));
  Tensor padded = rand({2, 4, 3});
  padded.narrow(1, 3, 1).fill_(0);
  auto at = model.input_of<KerasAttention>(padded);  // Dense has handed the mask on
  CHECK(same(at.mask, tensor({1, 1, 1, 0, 1, 1, 1, 0}, {2, 4})));
  CHECK(model.layer<KerasAttention>().attention(at.x, at.mask).at({1, 3}) == 0);
}

TEST_CASE("keras: Dense is activation(x kernel + bias) on the last dimension") {
  for (std::string activation : {"linear", "tanh", "softmax"}) {
    Dense dense(2, activation);
    dense.build_once({4, 3});
    Tensor x = randn({2, 4, 3}), y = matmul(x, *dense.kernel) + *dense.bias;
    if (activation == "tanh") y = tanh(y);
    if (activation == "softmax") y = softmax(y, -1);
    CHECK(same(dense(x).detach(), y.detach()));
    CHECK(dense.compute_output_shape({4, 3}) == Shape{4, 2});
  }
}

// ---- The model

TEST_CASE("keras: a model names its layers and counts its weights as Keras does") {
  Dense named(2);
  named.name = "last";
  Model model(Input({4, 3}), Dense(3), Dense(5), KerasAttention(), named);
  std::vector<std::string> names;
  for (auto& [name, p] : model.named_parameters()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"dense.kernel", "dense.bias", "dense_1.kernel",
                                          "dense_1.bias", "keras_attention.att_weight",
                                          "last.kernel", "last.bias"});
  CHECK(model.parameter_count() == 12 + 20 + 25 + 12);
  CHECK(model.output_shape() == Shape{2});
}

TEST_CASE("keras: fit, evaluate and predict agree, whatever the size of a batch") {
  manual_seed(0);
  Tensor x = rand({50, 5, 3}), y = rand({50, 3});
  Model model = compiled_model();
  model.fit(x, y, {.epochs = 2, .verbose = 0});
  StateDict before = model.state_dict();
  Tensor p = model.predict(x, {.batch_size = 50, .verbose = 0});
  CHECK(same(p, model.predict(x, {.batch_size = 7, .verbose = 0})));
  CHECK(!p.requires_grad());
  double loss = double(mse_loss(p, y).item());
  for (int size : {50, 7, 64})
    CHECK(model.evaluate(x, y, {.batch_size = size, .verbose = 0})["loss"] ==
          doctest::Approx(loss).epsilon(1e-6));
  CHECK(same(model.state_dict().tensors[0].second, before.tensors[0].second));

  // A second fit goes on where the first one stopped; compile() starts the optimizer anew.
  CHECK(model.optimizer().state_dict().counters[0].second == 4);
  model.fit(x, y, {.epochs = 1, .verbose = 0});
  CHECK(model.optimizer().state_dict().counters[0].second == 6);
  model.compile({.optimizer = "adam", .loss = "mse"});
  CHECK(model.optimizer().state_dict().counters[0].second == 0);
}

TEST_CASE("keras: losses and metrics") {
  Tensor y = tensor({1, 2, 3}, {3, 1}), p = tensor({1, 4, 0}, {3, 1});
  CHECK(double(mean_squared_error(y, p).item()) == doctest::Approx(13. / 3));
  CHECK(double(mean_absolute_error(y, p).item()) == doctest::Approx(5. / 3));
  for (const char* name : {"mse", "mean_squared_error", "mae", "mean_absolute_error"}) {
    Loss loss(name);
    CHECK(loss.name == name);
    CHECK(double(loss.function(y, p).item()) ==
          doctest::Approx(name[1] == 's' || name[5] == 's' ? 13. / 3 : 5. / 3));
  }
  // A function of one's own may have shapes of its own.
  Model model(Input({2}), Dense(1));
  model.compile({.optimizer = "sgd",
                 .loss = [](const Tensor& y, const Tensor& p) { return mean(pow(y - p, 2)); }});
  History history = model.fit(rand({8, 2}), rand({8, 3}), {.epochs = 3, .verbose = 0});
  CHECK(history["loss"].size() == 3);
  CHECK(history["loss"][2] < history["loss"][0]);
}

TEST_CASE("keras: callbacks get each epoch's numbers, in turn, and can end the training") {
  manual_seed(0);
  Tensor x = rand({20, 5, 3}), y = rand({20, 3});
  Model model = compiled_model();
  std::vector<std::string> calls;
  auto first = [&](EpochEnd& end) {
    CHECK(&end.model == &model);
    CHECK(end.logs["val_loss"] > 0);
    calls.push_back("first " + std::to_string(end.epoch));
    end.stop = end.epoch == 1;
  };
  auto second = [&](EpochEnd& end) { calls.push_back("second " + std::to_string(end.epoch)); };
  History history = model.fit(
      x, y,
      {.epochs = 5, .validation_split = 0.25, .verbose = 0, .callbacks = {first, second}});
  CHECK(calls == std::vector<std::string>{"first 0", "second 0", "first 1", "second 1"});
  CHECK(history["loss"].size() == 2);
  CHECK(history["val_loss"].size() == 2);
  expect_error([&] { history["accuracy"]; }, {"'accuracy'", "loss, val_loss"});
  expect_error([&] { Logs{{{"loss", 1}}}["mae"]; }, {"'mae'", "loss"});
}

// ---- What is printed

namespace {

// The cases of tests/golden/keras.txt by name.
std::map<std::string, std::string> printed_by_keras() {
  std::map<std::string, std::string> cases;
  std::ifstream file("tests/golden/keras.txt");
  std::string name;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("case "))
      cases[name = line.substr(5)] = "";
    else if (line.starts_with("|"))
      cases[name] += line.substr(1) + "\n";
  }
  return cases;
}

struct AttentionWithARemarkablyLongNameOfItsOwn : KerasAttention {
  std::string type() const override { return "AttentionWithARemarkablyLongNameOfItsOwn"; }
};

template <class... L> std::string summary_of(const Shape& input, bool trained, L... layers) {
  Model model(Input(input), layers...);
  model.compile({.optimizer = "adam", .loss = "mse"});
  if (trained)
    model.train_on_batch(ones(input.with(0, 4)), ones(model.output_shape().with(0, 4)));
  return model.summary();
}

}  // namespace

TEST_CASE("keras: summary() prints what Keras prints") {
  if (sizeof(Scalar) == 8) return;  // sizes are those of float
  auto keras = printed_by_keras();
  CHECK(summary_of({10, 10}, false, KerasAttention()) == keras.at("summary attention"));
  CHECK(summary_of({10, 10}, true, KerasAttention()) == keras.at("summary trained"));
  CHECK(summary_of({10, 16}, true, KerasAttention(), Dense(1000), Dense(3, "softmax")) ==
        keras.at("summary dense"));
  CHECK(summary_of({10, 10}, false, AttentionWithARemarkablyLongNameOfItsOwn()) ==
        keras.at("summary long"));
  CHECK(count_and_size(1234567, 5000000) == "1,234,567 (4.77 MB)");
}

TEST_CASE("keras: the progress line is Keras's on a terminal; elsewhere it has no times") {
  int lines = 0;
  for (auto& [key, expected] : printed_by_keras()) {
    std::string name = key;
    if (!name.starts_with("line ")) continue;
    ++lines;
    CAPTURE(name);
    std::istringstream words(name.substr(5));
    int verbose;
    Progressed at{};
    words >> verbose >> at.done >> at.steps >> at.seconds;
    at.finished = at.done == at.steps;
    Logs logs;
    for (std::string word; words >> word;) {
      size_t equals = word.find('=');
      logs.values.emplace_back(word.substr(0, equals), std::stod(word.substr(equals + 1)));
    }
    auto line = verbose == 1 ? bar_line : short_line;
    std::string shown = line(at, logs, true), plain = line(at, logs, false);
    for (size_t escape; (escape = shown.find('\033')) != std::string::npos;)
      shown.replace(escape, 1, "\\e");
    CHECK(shown + "\n" == expected);
    for (char c : plain) CHECK(((unsigned char)c >= 32 && c != 127));
    CHECK(plain.find("/step") == std::string::npos);
    CHECK(plain.starts_with(count_of(at)));
    CHECK(plain.ends_with(as_text(logs)));
  }
  CHECK(lines == 10);
  CHECK(bar_line({2, 4, 1}, {{{"loss", 0.5}}}, false) ==
        "2/4 ━━━━━━━━━━━━━━━━━━━━ - loss: 0.5000");
  CHECK(short_line({32, 32, 1}, {{{"loss", 0.5}}}, false) == "32/32 - loss: 0.5000");
}

// ---- Files

TEST_CASE("keras: a saved model goes on as if it had never stopped; names are Keras's") {
  manual_seed(0);
  Tensor x = rand({40, 5, 3}), y = rand({40, 3});
  TemporaryDirectory directory;
  std::string path = directory / "model.safetensors";
  auto train = [&](Model& model) {
    model.fit(x, y, {.epochs = 3, .shuffle = false, .verbose = 0});
    return model.layer<KerasAttention>().att_weight->detach().clone();
  };
  Model model = compiled_model("dot"), other = compiled_model("dot");
  train(model);
  model.optimizer().lr = 0.5;
  model.save(path);
  other.load(path);
  CHECK(other.optimizer().lr == 0.5);
  CHECK(same(train(model), train(other)));

  std::vector<std::string> names;
  for (auto& [name, tensor] : load_safetensors(path).tensors) names.push_back(name);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"adam/iteration",
                                          "adam/keras_attention_att_weight_momentum",
                                          "adam/keras_attention_att_weight_velocity",
                                          "adam/learning_rate", "keras_attention/att_weight"});

  // One that is not compiled takes the weights; a file without a state leaves the optimizer.
  Model plain(Input({5, 3}), KerasAttention("dot"));
  plain.load(path);
  plain.save(path);
  Model third = compiled_model("dot");
  train(third);
  third.load(path);
  CHECK(third.optimizer().state_dict().counters[0].second == 6);
  CHECK(same(third.predict(x, {.verbose = 0}), plain.predict(x, {.verbose = 0})));
}

TEST_CASE("keras: a file that does not fit changes nothing") {
  manual_seed(0);
  TemporaryDirectory directory;
  std::string path = directory / "model.safetensors";
  Tensor x = rand({8, 5, 3}), y = rand({8, 3});
  Model model = compiled_model();
  model.fit(x, y, {.verbose = 0});
  Tensor before = model.predict(x, {.verbose = 0});
  auto refused = [&](std::initializer_list<const char*> words) {
    expect_error([&] { model.load(path); }, words);
    CHECK(same(model.predict(x, {.verbose = 0}), before));
    CHECK(model.optimizer().state_dict().counters[0].second == 1);
    CHECK(model.optimizer().lr == 0.001);
  };
  Model wide(Input({5, 4}), KerasAttention());
  wide.save(path);
  refused({"keras_attention/att_weight", "(4, 4)", "(3, 3)"});

  Model deep(Input({5, 3}), KerasAttention(), Dense(3));
  deep.save(path);
  refused({"dense/kernel"});

  Model sgd(Input({5, 3}), KerasAttention());
  sgd.compile({.optimizer = "sgd", .loss = "mse"});
  sgd.fit(x, y, {.verbose = 0});
  sgd.save(path);
  refused({"sgd/iteration", "adam/iteration"});

  model.save(path);
  StateDict file = load(path);
  auto with = [&](const std::string& name, double value) {
    StateDict changed = file;
    for (auto& [key, tensor] : changed.tensors)
      if (key == name) tensor = full(tensor.shape(), value);
    for (auto& [key, count] : changed.counters)
      if (key == name) count = int64_t(value);
    save(path, changed);
  };
  with("adam/learning_rate", std::nan(""));
  refused({"adam/learning_rate", "nan"});
  with("adam/learning_rate", -1);
  refused({"adam/learning_rate", "-1"});
  with("adam/iteration", -1);
  refused({"-1"});

  write_file(path, "not a model");
  refused({"model.safetensors"});
  path = directory / "none.safetensors";
  refused({"none.safetensors"});
  CHECK(!std::filesystem::exists(path));
  expect_error([&] { model.save(directory / "no/such/place"); }, {"no/such/place"});
}

// ---- Mistakes

namespace {

// Says one shape and gives another.
struct Liar : Layer {
  FIELDS()
  std::string type() const override { return "Liar"; }
  void build(const Shape&) override {}
  Shape compute_output_shape(const Shape& input) const override { return input; }
  Tensor call(const Tensor& x, const Tensor&) override { return x.narrow(1, 0, 1); }
};

}  // namespace

TEST_CASE("keras: names that nobody knows are answered with those that are known") {
  expect_error([] { KerasAttention("luong"); }, {"'luong'", "'bahdanau'", "'dot'"});
  expect_error([] { Dense(3, "swish"); }, {"'swish'", "linear", "tanh", "softmax"});
  expect_error([] { Dense(0); }, {"[Dense] 0 units"});
  Model model(Input({2}), Dense(1));
  expect_error([&] { model.compile({.optimizer = "lion", .loss = "mse"}); },
               {"'lion'", "adam, sgd"});
  expect_error([&] { model.compile({.optimizer = "adam", .loss = "huber"}); },
               {"'huber'", "mean_squared_error", "mean_absolute_error"});
  expect_error(
      [&] { model.compile({.optimizer = "adam", .loss = "mse", .metrics = {"accuracy"}}); },
      {"'accuracy'", "mean_squared_error", "mean_absolute_error"});
  expect_error(
      [&] {
        model.compile({.optimizer = KerasAdam{.beta_2 = 1}, .loss = "mse"});
        model.optimizer();
      },
      {"[adam] beta 1"});
  expect_error(
      [&] {
        model.compile({.optimizer = KerasAdam{.epsilon = -1}, .loss = "mse"});
        model.optimizer();
      },
      {"[adam] epsilon -1"});
  expect_error(
      [&] {
        model.compile({.optimizer = KerasSGD{.learning_rate = -1}, .loss = "mse"});
        model.optimizer();
      },
      {"learning rate -1"});
}

TEST_CASE("keras: a model that cannot work is refused when it is made") {
  expect_error([] { Model(Input({5})); }, {"no layers"});
  expect_error([] { Model(Input({5}), KerasAttention()); },
               {"[KerasAttention] input (None, 5)", "(None, T, D)"});
  expect_error([] { Model(Input({5}), Masking()); }, {"[Masking] input (None, 5)"});
  expect_error([] { Model(Input({5, 3}), Liar()); }, {"liar", "(None, 5, 3)", "(2, 1, 3)"});
  expect_error([] { Model(Input({5, 3}), Masking()); }, {"mask", "compute_mask"});
  Dense a(2), b(2);
  a.name = b.name = "twin";
  expect_error([&] { Model(Input({2}), a, b); }, {"'twin'"});
}

TEST_CASE("keras: shapes that do not fit are both named") {
  Model model = compiled_model();
  Tensor x = rand({8, 5, 3}), y = rand({8, 3});
  expect_error([&] { model.fit(rand({8, 5, 4}), y); }, {"[fit] x (8, 5, 4)", "(None, 5, 3)"});
  expect_error([&] { model.fit(x, rand({8, 4})); }, {"[fit] y (8, 4)", "(None, 3)"});
  expect_error([&] { model.fit(x, rand({8, 1})); }, {"[fit] y (8, 1)", "(None, 3)"});
  expect_error([&] { model.fit(x, rand({7, 3})); }, {"x (8, 5, 3)", "y (7, 3)"});
  expect_error([&] { model.fit(zeros({0, 5, 3}), zeros({0, 3})); }, {"no examples"});
  expect_error([&] { model.fit({}, y); }, {"[fit] x"});
  expect_error([&] { model.evaluate(x, rand({8, 4})); }, {"[evaluate] y (8, 4)"});
  expect_error([&] { model.predict(rand({8, 6, 3})); }, {"[predict] x (8, 6, 3)"});
  expect_error([&] { model.train_on_batch(x, rand({7, 3})); }, {"[train_on_batch]", "(7, 3)"});
  expect_error([&] { mean_squared_error(y, rand({8, 1})); }, {"(8, 3)", "(8, 1)"});
  expect_error([&] { mean_absolute_error(y, rand({8, 1})); }, {"(8, 3)", "(8, 1)"});

  KerasAttention layer("dot");
  layer(x);
  expect_error([&] { layer(rand({8, 5, 4})); }, {"x (8, 5, 4)", "(B, T, 3)"});
  expect_error([&] { layer(zeros({8, 0, 3})); }, {"x (8, 0, 3)", "at least one step"});
  expect_error([&] { layer(x, ones({8, 4})); }, {"mask (8, 4)", "x (8, 5, 3)"});
  Dense dense(2);
  dense(rand({8, 3}));
  expect_error([&] { dense(rand({8, 4})); }, {"[Dense] x (8, 4)", "3"});
}

TEST_CASE("keras: numbers that cannot be worked with") {
  Model model = compiled_model();
  Tensor x = rand({8, 5, 3}), y = rand({8, 3});
  expect_error([&] { model.fit(x, y, {.epochs = 0}); }, {"epochs 0"});
  expect_error([&] { model.fit(x, y, {.batch_size = 0}); }, {"batch_size 0"});
  expect_error([&] { model.fit(x, y, {.verbose = 3}); }, {"verbose 3"});
  expect_error([&] { model.fit(x, y, {.validation_split = 1}); }, {"validation_split 1"});
  expect_error([&] { model.evaluate(x, y, {.batch_size = -1}); }, {"batch_size -1"});
  expect_error([&] { model.predict(x, {.verbose = -1}); }, {"verbose -1"});

  Model raw(Input({5, 3}), KerasAttention());
  expect_error([&] { raw.fit(x, y); }, {"[fit]", "not compiled", "compile("});
  expect_error([&] { raw.evaluate(x, y); }, {"[evaluate]", "not compiled"});
  expect_error([&] { raw.train_on_batch(x, y); }, {"not compiled"});
  CHECK(raw.predict(x, {.verbose = 0}).shape() == Shape{8, 3});  // it needs no loss

  Tensor bad = x.clone();
  bad.set({2, 4, 1}, Scalar(std::nan("")));
  bad.set({6, 0, 0}, Scalar(INFINITY));
  StateDict before = model.state_dict();
  expect_error([&] { model.fit(bad, y); }, {"[fit] x has nan at (2, 4, 1)"});
  expect_error([&] { model.predict(bad); }, {"[predict] x has nan at (2, 4, 1)"});
  Tensor bad_y = y.clone();
  bad_y.set({7, 2}, Scalar(-INFINITY));
  expect_error([&] { model.fit(x, bad_y); }, {"[fit] y has -inf at (7, 2)"});
  expect_error([&] { model.evaluate(x, bad_y); }, {"[evaluate] y has -inf at (7, 2)"});
  CHECK(same(model.state_dict().tensors[0].second, before.tensors[0].second));
}
