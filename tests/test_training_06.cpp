// Lesson 06 against PyTorch 2.13: its layers are torch.nn's, and so are the first steps of its
// training; then the cache, the proofs, and what scores, costs and copies are said to be.
#include <heed.h>
#include "autograd/gemm.h"
#include "lessons/06_transformer/proofs.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_06;

namespace {

const bool in_double = sizeof(Scalar) == 8;

// ---- A layer with the weights of a golden case

Sizes sizes_of_case(const std::string& name) {
  Sizes n{2, 2, 12, 3, 20};
  n.norm = name.find("first") != name.npos ? Norm::first : Norm::last;
  n.dropout = name.ends_with("dropout") ? 0.25 : 0;
  return n;
}

template <class L> L layer_of_case(const Golden& golden, const std::string& name) {
  L layer(sizes_of_case(name));
  StateDict state;
  for (const std::string& key : golden.names(name + "/param."))
    state.tensors.emplace_back(key, golden[name + "/param." + key]);
  layer.load_state_dict(state);
  return layer;
}

// Forward, every gradient, and once more without dropout.
template <class L, class Call> void check_case(const std::string& name, Call call) {
  CAPTURE(name);
  Golden golden("lesson06");
  auto array = [&](const std::string& what) { return golden[name + "/" + what]; };
  L layer = layer_of_case<L>(golden, name);
  std::vector<Tensor> in;
  for (std::string part = "in0"; golden.has(name + "/" + part);
       part = "in0." + std::to_string(in.size()))
    in.push_back(array(part));
  for (size_t i = 0; i + 1 < in.size(); ++i) in[i].requires_grad_();
  Mask padding = Mask::keep(in.back());
  manual_seed(3);
  Tensor out = call(layer, in, padding);
  CHECK(difference(out, array("out0")) < GOLDEN_TOLERANCE);
  out.backward(array("c"));
  for (size_t i = 0; i + 1 < in.size(); ++i)
    CHECK(difference(in[i].grad(), array(i ? "grad0." + std::to_string(i) : "grad0")) <
          GOLDEN_TOLERANCE);
  for (const auto& one : layer.named_parameters()) {
    const double off = difference(one.second.grad(), array("grad." + one.first));
    CHECK_MESSAGE(off < GOLDEN_TOLERANCE, one.first);
  }
  layer.eval();
  CHECK(difference(call(layer, in, padding), array("out_eval")) < GOLDEN_TOLERANCE);
}

// ---- A small model, and a batch of lines of one to three dates

Transformer small_model(Norm norm = Norm::first) {
  manual_seed(0);
  return Transformer({63, 15, 8, 4, 12, 2, 2, norm, 0, 64});
}

Batch few() { return DateStream(1000, 5, 3, false).next(); }

std::vector<double> first_losses(size_t steps, Norm norm) {
  manual_seed(0);
  Transformer model(sizes_for_dates(norm));
  DateStream stream(1000, 32, 1);
  Plan plan{.steps = 2000};
  std::vector<double> losses;
  Trainer trainer(model, {adam_options(plan.lr)});
  for (int i = 0; i < int(steps); ++i)
    losses.push_back(trainer.step(stream.next(), rate(i, plan.warm_up, plan.steps)));
  return losses;
}

double farthest(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = larger(most, std::abs(a[i] - b[i]));
  return most;
}

std::vector<Example> three_dates() {
  std::vector<Example> examples;
  for (const char* text : {"5/3/79", "Thu, 03 May 1979", "1979-5-3"})
    examples.push_back(date_example({text, "", {}}));
  return examples;
}

}  // namespace

// ---- Against PyTorch

TEST_CASE("lesson 06: an encoder layer is torch.nn.TransformerEncoderLayer") {
  for (const char* name : {"first", "last", "first.dropout", "last.dropout"})
    check_case<EncoderLayer>(std::string("encoder.") + name,
                             [](EncoderLayer& layer, const auto& in, const Mask& padding) {
                               return layer(in[0], padding);
                             });
}

TEST_CASE("lesson 06: a decoder layer is torch.nn.TransformerDecoderLayer") {
  for (const char* name : {"first", "last", "first.dropout", "last.dropout"})
    check_case<DecoderLayer>(
        std::string("decoder.") + name,
        [](DecoderLayer& layer, const auto& in, const Mask& padding) {
          // The keys and values of the source are made first here, and after the layer's
          // self-attention there; no coin is tossed for them.
          KeysValues past, source = layer.multihead_attn.project(in[1], in[1]);
          return layer(in[0], past, causal_mask(3), source, padding).output;
        });
}

TEST_CASE("lesson 06: each weight from seed 0 is PyTorch's, bit for bit") {
  Golden golden("lesson06");
  for (auto [norm, prefix] : {std::pair(Norm::first, "first/"), {Norm::last, "last/"}}) {
    std::string weights = std::string(prefix) + "weights/";
    Transformer model = small_model(norm);
    CHECK(golden.names(weights).size() == model.named_parameters().size());
    for (const auto& one : model.named_parameters())
      CHECK_MESSAGE(same(one.second.detach(), golden[weights + one.first]), one.first);
  }
}

TEST_CASE("lesson 06: logits, loss and every gradient of a whole model are PyTorch's") {
  Golden golden("lesson06");
  for (auto [norm, name] : {std::pair(Norm::first, "first/"), {Norm::last, "last/"}}) {
    std::string prefix = name;
    Transformer model = small_model(norm);
    Batch batch = few();
    CHECK(difference(model.out(model(batch)), golden[prefix + "logits"]) < GOLDEN_TOLERANCE);
    Tensor loss = loss_of(model, batch, 0.1);
    CHECK(difference(loss, golden[prefix + "loss"]) < GOLDEN_TOLERANCE);
    loss.backward();
    double scale = 0;  // a key bias has no gradient but rounding
    for (const Tensor& p : model.parameters()) scale = std::max(scale, largest(p.grad()));
    for (const auto& one : model.named_parameters()) {
      Tensor expected = golden[prefix + "grad." + one.first];
      CHECK_MESSAGE(largest(one.second.grad() - expected) <
                        GOLDEN_TOLERANCE * std::max(largest(expected), 0.1 * scale),
                    one.first);
    }
  }
}

TEST_CASE("lesson 06: each loss of the first steps is PyTorch's") {
  Golden golden("lesson06");
  std::vector<double> expected =
      golden.doubles(in_double ? "step_losses_double" : "step_losses");
  REQUIRE(expected.size() == (in_double ? 100 : 10));
  double worst = farthest(first_losses(expected.size(), Norm::first), expected);
  MESSAGE("largest difference of a loss from PyTorch's, ", expected.size(), " steps: ", worst);
  CHECK(worst < (in_double ? 1e-9 : 1e-5));
  double last = farthest(first_losses(10, Norm::last),
                         golden.doubles(in_double ? "last_losses_double" : "last_losses"));
  MESSAGE("and normalised last, 10 steps: ", last);
  CHECK(last < (in_double ? 1e-9 : 1e-5));
}

TEST_CASE("lesson 06: so are those of the copies") {
  if (in_double) return;
  manual_seed(0);
  Transformer model(sizes_for_copies());
  Plan plan = plan_for_copies();
  Trainer trainer(model, {adam_options(plan.lr)});
  Generator random(1000);
  std::vector<double> losses;
  for (int i = 0; i < 10; ++i)
    losses.push_back(trainer.step(copy_batch(draw_sequences(random, 32)),
                                  rate(i, plan.warm_up, plan.steps)));
  CHECK(farthest(losses, Golden("lesson06").doubles("copy_losses")) < 1e-5);
}

TEST_CASE("lesson 06: as many parameters as the text says") {
  CHECK(Transformer(sizes_for_dates()).parameter_count() == 123407);
  CHECK(Transformer(sizes_for_dates(Norm::last)).parameter_count() == 123151);
  CHECK(Transformer(sizes_for_copies()).parameter_count() == 22571);
}

// ---- The loss, the schedule

TEST_CASE("lesson 06: of the target a share is spread over all words, and padding has none") {
  Transformer model = small_model();
  Batch batch = few();
  Tensor all = log_softmax(model.out(model(batch)).detach(), 2);
  double sum = 0, words = 0;
  for (int b = 0; b < batch.size; ++b)
    for (int t = 0; t < batch.target_length; ++t) {
      int label = batch.labels[size_t(b * batch.target_length + t)];
      if (label == PAD) continue;
      ++words;
      for (int w = 0; w < 15; ++w)
        sum -= double(all.at({b, t, w})) * ((w == label) * 0.7 + 0.3 / 15);
    }
  CHECK(double(loss_of(model, batch, 0.3).item()) == doctest::Approx(sum / words));
}

TEST_CASE("lesson 06: the rate rises to its peak while it falls along a cosine") {
  CHECK(rate(0, 100, 2000) == doctest::Approx(1. / 100));
  CHECK(rate(49, 100, 2000) == doctest::Approx(cosine(49, 2000, 0.02) / 2));
  CHECK(rate(99, 100, 2000) == doctest::Approx(cosine(99, 2000, 0.02)));
  CHECK(rate(1000, 100, 2000) == doctest::Approx(0.51));
  CHECK(rate(2000, 100, 2000) == doctest::Approx(0.02));
  CHECK(rate(0, 0, 2000) == 1);
}

TEST_CASE("lesson 06: each step of a training has the rate that is its own") {
  Plan plan{.steps = 5, .batch = 4, .warm_up = 3};
  auto batches = [] { return DateStream(7, 4, 1); };
  Transformer model = small_model();
  DateStream stream = batches();
  std::vector<double> losses;
  captured([&] {
    losses = train(
        model, plan, "test", [&] { return stream.next(); }, [](int) {});
    return 0;
  });
  Transformer other = small_model();
  Trainer trainer(other, {adam_options(plan.lr)});
  stream = batches();
  for (int i = 0; i < 5; ++i)
    CHECK(trainer.step(stream.next(), rate(i, 3, 5)) == losses[size_t(i)]);
}

// ---- Writing

TEST_CASE("lesson 06: with the cache and without: the same bits, lengths mixed") {
  for (Norm norm : {Norm::first, Norm::last}) {
    Transformer model = small_model(norm);
    NoGrad guard;
    Batch batch = make_batch(three_dates());
    Translation cached(model, batch);
    FromTheStart uncached(model, batch);
    auto step = [&](const std::vector<int>& words) {
      CHECK(same(cached.next(words), uncached.next(words)));
    };
    for (int i = 0; i < 20; ++i) step({BOS + i % 5, 3 + i % 7, 14 - i % 9});
    for (Writer* writer : {static_cast<Writer*>(&cached), static_cast<Writer*>(&uncached)})
      writer->keep(std::vector<int>{2, 0, 0, 1});
    for (int i = 0; i < 20; ++i) step({3, 4, 5 + i % 3, 6});
  }
}

TEST_CASE("lesson 06: what is written alone is what is written in a batch, beams as well") {
  Transformer model = small_model();
  NoGrad guard;
  std::vector<Example> examples = three_dates();
  auto beams = [&](std::span<const Example> some) {
    Translation writer(model, make_batch(some));
    return beam_search(writer, int(some.size()), 3, 12);
  };
  std::vector<Written> together = beams(examples), alone;
  for (const Example& example : examples) alone.push_back(beams(std::span(&example, 1))[0]);
  CHECK(same_texts(together, alone));
}

TEST_CASE("lesson 06: rows that are kept, doubled and reordered go on as they would alone") {
  Transformer model = small_model();
  NoGrad guard;
  std::vector<Example> examples = three_dates();
  auto alone = [&](int sentence, std::vector<int> words) {
    Translation writer(model, make_batch(std::span(&examples[size_t(sentence)], 1)));
    Tensor logits;
    for (int& word : words) logits = writer.next(std::span(&word, 1));
    return logits;
  };
  Translation writer(model, make_batch(examples));
  writer.next(std::vector<int>{BOS, BOS, BOS});
  writer.next(std::vector<int>{3, 4, 5});
  writer.keep(std::vector<int>{2, 0, 1, 0});
  Tensor logits = writer.next(std::vector<int>{6, 7, 8, 9});
  CHECK(same(logits, cat({alone(2, {BOS, 5, 6}), alone(0, {BOS, 3, 7}), alone(1, {BOS, 4, 8}),
                          alone(0, {BOS, 3, 9})},
                         0)));
}

TEST_CASE("lesson 06: the weights of a step are those of all layers and heads") {
  Transformer model = small_model();
  NoGrad guard;
  Batch batch = make_batch(three_dates());
  Translation writer(model, batch);
  for (int i = 0; i < 3; ++i) writer.next(std::vector<int>{BOS, 5, 9});
  Past past;
  std::vector<int> words = {BOS, BOS, BOS, 5, 5, 5, 9, 9, 9};
  Decoded all = model.write(words, {3, 3}, model.read(batch), past);
  REQUIRE(writer.weights.size() == 3);
  for (int t = 0; t < 3; ++t) {
    CHECK(writer.weights[size_t(t)].shape() == Shape{3, 8, 16});
    CHECK(same(writer.weights[size_t(t)],
               cat({all.weights[0], all.weights[1]}, 1).select(2, t).contiguous()));
  }
}

TEST_CASE("lesson 06: a text longer than the table of positions is an error that says so") {
  Transformer model({5, 5, 8, 2, 12, 1, 1, Norm::first, 0, 3});
  Example example{{1, 2}, {}};
  Translation writer(model, make_batch(std::span(&example, 1)));
  for (int i = 0; i < 3; ++i) writer.next(std::vector<int>{BOS});
  expect_error([&] { writer.next(std::vector<int>{BOS}); },
               {"[PositionalEncoding] 4 positions, but the table has 3"});
}

// ---- Costs

TEST_CASE("lesson 06: reading and writing cost the multiply-adds that they are said to cost") {
  Sizes n{63, 15, 8, 4, 12, 2, 3};
  Transformer model(n);
  Batch batch = few();
  NoGrad guard;
  auto counted = [](auto f) {
    int64_t before = multiply_adds;
    f();
    return multiply_adds - before;
  };
  Source source;
  CHECK(counted([&] { source = model.read(batch); }) == reading(n, 5, batch.source_length));
  CHECK(counted([&] { model.out(model(batch)); }) ==
        reading(n, 5, batch.source_length) +
            writing(n, 5, batch.source_length, batch.target_length));
  Translation cached(model, source);
  FromTheStart uncached(model, batch);
  for (int t = 0; t < 20; ++t) {
    std::vector<int> words(5, 4);
    CHECK(counted([&] { cached.next(words); }) == writing(n, 5, batch.source_length, 1, t));
    // The last Linear reads the last token only.
    CHECK(counted([&] { uncached.next(words); }) ==
          writing_anew(n, 5, batch.source_length, t));
  }
}

TEST_CASE("lesson 06: a training step costs three times its forward pass") {
  Sizes n{63, 15, 8, 4, 12, 2, 1};
  Transformer model(n);
  std::vector<DateLine> lines = test_date_lines(3);
  Batch batch = batches_of(lines, 3)[0];
  int64_t before = multiply_adds;
  loss_of(model, batch, 0.1).backward();
  CHECK(multiply_adds - before == training(n, batch));
}

TEST_CASE("lesson 06: with a cache the cost of a step grows by the same for each token") {
  Sizes n = sizes_for_dates();
  for (int t = 0; t < 100; ++t)
    CHECK(writing(n, 1, 20, 1, t + 1) - writing(n, 1, 20, 1, t) == 2 * 64);
}

// ---- Proofs

TEST_CASE("lesson 06: nobody looks ahead, at padding, or at another text") {
  for (Norm norm : {Norm::first, Norm::last}) {
    Transformer model = small_model(norm);
    Checks checks;
    prove(model, checks);
    CHECK(checks.finish() == 0);
  }
}

TEST_CASE("lesson 06: a leak is found, wherever it is planted") {
  Transformer model = small_model();
  NoGrad guard;
  Batch batch = dates_to_prove_with();
  Source source = model.read(batch);
  const Shape written{batch.size, batch.target_length};
  for (Mask leak : {off_by_one(batch.target_length), Mask::keep(ones({written[1], written[1]})),
                    Mask::hide(causal_mask(written[1]).tensor())})
    expect_error(
        [&] { prove_causal("it", decoder_of(model, source, leak), batch.input, written, 15); },
        {"[prove_causal] it: the output of sentence 0 at position 0", "the wrong triangle"});
  Checks checks;
  find_the_leak(model, checks);
  CHECK(checks.finish() == 0);
  PaddedTokenModel no_mask = [&](std::span<const int> ids, const Shape& shape,
                                 std::span<const int>) {
    return model.encoder(model.embedded(model.source, ids, shape, 0), {});
  };
  expect_error(
      [&] {
        prove_padding("it", no_mask, batch.source, {batch.size, batch.source_length},
                      batch.lengths, 63);
      },
      {"[prove_padding] it: the output of sentence"});
}

// ---- Scores and copies

TEST_CASE("lesson 06: scores of the heads are those of their own weights") {
  std::vector<DateLine> lines = {{"7.12", "12", {{0, 1}, {1, 4}}}};
  Reading reading{{{date_example(lines[0]).target, true}}, {}};
  reading.weights.push_back(tensor({1, 0, 0, 0, 0.5, 0.25, 0.25, 0}, {1, 2, 4}));
  reading.weights.push_back(tensor({1, 0, 0, 0, 0, 0.5, 0.5, 0}, {1, 2, 4}));
  Score one = score_of(lines, of_head({reading}, 0)),
        two = score_of(lines, of_head({reading}, 1)),
        both = score_of(lines, of_mean({reading}));
  CHECK(one.mass == doctest::Approx(0.5));
  CHECK(two.mass == doctest::Approx(0.75));
  CHECK(both.mass == doctest::Approx((0.75 + 0.5) / 2));
  CHECK(one.peak == 0.5);
  CHECK(two.peak == 1);
  CHECK(both.right == 1);
}

TEST_CASE("lesson 06: sequences to copy begin with 1, and the decoder has the symbol before") {
  Generator random(5);
  std::vector<int> sequences = draw_sequences(random, 100);
  std::vector<int> counts(SYMBOLS + 1);
  REQUIRE(sequences.size() == 1000);
  for (size_t i = 0; i < 1000; ++i) {
    if (i % SYMBOLS == 0) CHECK(sequences[i] == 1);
    if (i % SYMBOLS) ++counts[size_t(sequences[i])];
  }
  CHECK(counts[0] == 0);
  for (int symbol = 1; symbol <= SYMBOLS; ++symbol)
    CHECK(std::abs(counts[size_t(symbol)] - 90) < 40);
  Batch batch = copy_batch(sequences);
  CHECK(batch.size == 100);
  CHECK(batch.source == sequences);
  for (int b = 0; b < 100; ++b)
    for (int t = 0; t < 9; ++t) {
      CHECK(batch.input[size_t(b * 9 + t)] == sequences[size_t(b * 10 + t)]);
      CHECK(batch.labels[size_t(b * 9 + t)] == sequences[size_t(b * 10 + t + 1)]);
    }
}

TEST_CASE("lesson 06: a copy with one mistake is no copy") {
  Transformer model(sizes_for_copies());  // untrained: whatever it writes is its own copy
  Generator random(5);
  std::vector<int> copies = copies_of(model, draw_sequences(random, 4));
  CHECK(copies.size() == 40);
  CHECK(copies[0] == 1);
  CHECK(copies_of(model, draw_sequences(random, 4), 3)[10] == 3);
  CHECK(is_ordered({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  CHECK_FALSE(is_ordered({1, 2, 3, 4, 5, 6, 7, 8, 9, 9}));
}
