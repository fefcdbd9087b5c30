// Proofs about masks: they hold for the library's layers, with every kind of mask, and catch
// every kind of leak, naming who saw what. Sizes differ pairwise.
#include "layers/proofs.h"
#include <cmath>
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "layers/attention.h"
#include "layers/batch_norm.h"
#include "layers/embedding.h"
#include "layers/layer_norm.h"
#include "layers/positional_encoding.h"
#include "tests/golden.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::expect_error, heed_tests::same;

namespace {

constexpr int64_t B = 2, H = 3, T = 5, D = 12;
constexpr int V = 11;
const std::vector<int> LENGTHS = {5, 3}, IDS = {4, 1, 10, 0, 7, 3, 3, 9, 0, 0};

Tensor numbers() {
  manual_seed(1);
  return randn({B, T, D});
}

// What the lessons' models are made of. The mask is made for each call.
struct Model : Module {
  Embedding table;
  PositionalEncoding positions;
  std::vector<MultiHeadAttention> attention;  // two layers: what leaks may travel
  std::vector<LayerNorm> norm;
  FIELDS(table, positions, attention, norm)

  explicit Model(double dropout = 0)
      : table(V, D),
        positions(D, dropout, 40),
        attention(clones(MultiHeadAttention(D, H, dropout), 2)),
        norm(clones(LayerNorm(D), 2)) {}

  Tensor operator()(Tensor x, const Mask& mask) const {
    x = positions(x);
    for (size_t i = 0; i < attention.size(); ++i)
      x = norm[i](x + attention[i](x, x, x, mask).output);
    return x;
  }
  Tensor operator()(std::span<const int> ids, const Shape& shape, const Mask& mask) const {
    return (*this)(table(ids, shape), mask);
  }
};
Model model(double dropout = 0) {
  manual_seed(2);
  return Model(dropout);
}

// Attention with a way of one's own from scores to weights. Queries and keys are projected:
// with x itself for both, no query's own score would be negative, and a finite constant could
// do no harm.
using Weights = std::function<Tensor(const Tensor& scores)>;
Tensor attend(const Tensor& x, const Weights& weights_of) {
  manual_seed(4);
  Tensor query = matmul(x, randn({D, D})), key = matmul(x, randn({D, D}));
  return matmul(weights_of(matmul(query, key.transpose(1, 2)) / std::sqrt(double(D))), x);
}
Tensor causal(int64_t size) { return causal_mask(size).tensor(); }

// Weights by finite constants in place of a mask: one that is taken from hidden scores, and one
// that is put in their place.
Weights taken(const Tensor& hidden, double constant) {
  return [=](auto& scores) { return softmax(scores - hidden * constant, -1); };
}
Weights filled(const Tensor& hidden, double constant) {
  return [=](auto& scores) { return softmax(masked_fill(scores, hidden, -constant), -1); };
}
Tensor padding(std::span<const int> lengths, int64_t size) {
  return 1 - padding_mask(lengths, size).tensor();
}

// A leak that is planted on purpose: query `from` sees key `to`.
Mask leaky(int64_t size, int64_t from, int64_t to) {
  Tensor may = causal(size).clone();
  may.set({from, to}, 1);
  return Mask::keep(may);
}

void expect_leak(const SequenceModel& model, std::initializer_list<const char*> parts,
                 const Tensor& x = numbers()) {
  expect_error([&] { prove_causal("leaky", model, x); }, parts);
}

}  // namespace

// ---- no position sees a later one
TEST_CASE("proofs: causal: holds for attention under every mask that hides what is ahead") {
  Tensor few = empty({B, H, T, T});
  Generator(3).bernoulli(few.mutable_data(), few.numel(), 0.5);
  few.select(2, 0).zero_();  // position 0 sees nothing at all
  Tensor each = cat({causal(T).unsqueeze(0), eye(T).unsqueeze(0)}, 0);
  const std::pair<const char*, Mask> masks[] = {
      {"(T, T)", causal_mask(T)},
      {"(B, T, T)", Mask::keep(each)},
      {"with padding", combine(causal_mask(T), padding_mask(LENGTHS, T))},
      {"with an empty sentence", combine(causal_mask(T), padding_mask(std::vector{0, 4}, T))},
      {"(B, H, T, T), blind rows", combine(causal_mask(T), Mask::keep(few))}};
  for (bool training : {false, true}) {
    Model net = model(0.3);
    net.train(training);
    for (auto& entry : masks) {
      const std::string name = entry.first;
      const Mask& mask = entry.second;
      CAPTURE(training);
      CAPTURE(name);
      int64_t compared = 0;
      CHECK_NOTHROW(compared = prove_causal(
                        name, [&](const Tensor& x) { return net(x, mask); }, numbers()));
      // Every j, the j positions before it, twice: as they are and a thousand times as large.
      CHECK(compared == 2 * B * D * T * (T - 1) / 2);
    }
    CHECK_NOTHROW(prove_causal(
        "tokens", [&](auto ids, auto& shape) { return net(ids, shape, causal_mask(shape[1])); },
        IDS, {B, T}, V));
  }
}

TEST_CASE("proofs: causal: holds across to another sequence, in both directions") {
  manual_seed(3);
  MultiHeadAttention self(D, H, 0.2), cross(D, H, 0.2);
  Tensor memory = randn({B, 7, D});
  CHECK_NOTHROW(prove_causal("decoder", [&](const Tensor& x) {
    Tensor y = x + self(x, x, x, causal_mask(x.size(1))).output;
    return y + cross(y, memory, memory, padding_mask(std::vector{4, 7}, 7)).output;
  }, numbers()));
}

TEST_CASE("proofs: causal: no mask, the wrong triangle, a step too far") {
  Model net = model();
  auto with = [&](const Mask& mask) {
    return [&net, mask](const Tensor& x) { return net(x, mask); };
  };
  expect_leak(with({}),
              {"[prove_causal] leaky", "sentence 0 at position 0 changed from", " to ",
               "the input at position 1 was changed", "usual causes", "triangle"});
  expect_leak(with(Mask::keep(causal(T).transpose(0, 1))),
              {"sentence 0 at position 0 changed", "the input at position 1 was changed"});
  expect_leak(with(Mask::hide(causal(T))),
              {"sentence 0 at position 0 changed", "the input at position 1 was changed"});
  Tensor step = ones({T, T});
  for (int64_t i = 0; i < T; ++i)
    for (int64_t j = i + 2; j < T; ++j) step.set({i, j}, 0);
  expect_leak(with(Mask::keep(step)), {"position 0 changed", "the input at position 1"});
}

TEST_CASE("proofs: causal: one leak is found where it is") {
  manual_seed(3);
  MultiHeadAttention layer(D, H);
  for (int64_t from = 0; from < T; ++from)
    for (int64_t to = from + 1; to < T; ++to) {
      Mask mask = leaky(T, from, to);
      const std::string saw = "sentence 0 at position " + std::to_string(from) + " changed",
                        seen = "the input at position " + std::to_string(to) + " was changed";
      expect_leak([&](const Tensor& x) { return layer(x, x, x, mask).output; },
                  {saw.c_str(), seen.c_str()});
    }
  // In one head of one sentence.
  Tensor may = causal(T).unsqueeze(0).unsqueeze(0).expand({B, H, T, T}).clone();
  may.set({1, 2, 2, 4}, 1);
  Mask mask = Mask::keep(may);
  expect_leak([&](const Tensor& x) { return layer(x, x, x, mask).output; },
              {"sentence 1 at position 2", "the input at position 4"});
}

TEST_CASE("proofs: causal: hidden scores that take part all the same") {
  Tensor hidden = 1 - causal(T);
  auto model = [](const Weights& weights) {
    return [=](const Tensor& x) { return attend(x, weights); };
  };
  // Nothing to be seen at the usual size: e^-10000 is 0. At a thousandfold, -10000 is a number
  // among others.
  expect_leak(model(filled(hidden, 1e4)),
              {"the input at position", "was changed", "a constant like -1e4"});
  expect_leak(model(filled(hidden, 0)), {"sentence 0 at position 0", "the input at position 1"});
  for (double constant : {100., 1e4, 1e9})
    expect_leak(model(taken(hidden, constant)), {"the input at position", "a constant like"});
  expect_leak([&](const Tensor& x) {
    return attend(x, [&](auto& scores) { return softmax(scores, -1) * causal(T); });
  }, {"sentence 0 at position 0", "the input at position 1"});  // masked after softmax
  expect_leak([&](const Tensor& x) {
    return attend(
        x, [&](auto& scores) { return softmax(masked_fill(scores, hidden, -INFINITY), 1); });
  }, {"sentence 0 at position 0", "the input at position 1"});  // softmax over the queries
  auto right = [&](auto& scores) { return masked_softmax(scores, causal(T)); };
  CHECK_NOTHROW(prove_causal("right", [&](auto& x) { return attend(x, right); }, numbers()));
  expect_leak([&](const Tensor& x) { return attend(x, right) - mean(x, {1}, true); },
              {"sentence 0 at position 0", "the input at position 1"});  // around attention
}

// What is largest stands where all may see it: what is hidden has to rise above it to be found.
TEST_CASE("proofs: causal: a maximum or a minimum over all positions") {
  auto most = [](const Tensor& x) { return x + max(x, {1}, true); };
  auto least = [](const Tensor& x) { return x - max(-x, {1}, true); };
  auto parts = {"sentence 0 at position 0 changed", "the input at position",
                "was made a thousand times as large", "a maximum over all positions"};
  for (Scalar first : {5, 1000000}) {
    CAPTURE(first);
    expect_leak(most, parts, tensor({first, 1, 1}, {1, 3, 1}));
    expect_leak(least, parts, tensor({-first, 1, 1}, {1, 3, 1}));
  }
}

// Scores of one sign, x itself, so that only an input of the other sign gives the hidden ones
// away.
TEST_CASE("proofs: a constant that hides from numbers of one sign") {
  auto weighed = [](const Tensor& x, const Tensor& hidden) {
    Tensor scores = x.transpose(1, 2).expand({x.size(0), x.size(1), x.size(1)});
    return matmul(filled(hidden, 100)(scores), x);
  };
  expect_leak([&](auto& x) { return weighed(x, 1 - causal(x.size(1))); },
              {"a constant like -1e4"}, ones({1, 4, 1}));
  expect_error([&] {
    prove_padding("leaky", [&](auto& x, auto lengths) {
      return weighed(x, padding(lengths, x.size(1)));
    }, ones({1, 4, 1}), std::vector{3});
  }, {"[prove_padding] leaky", "a constant like -1e4"});
}

TEST_CASE("proofs: causal: a mask that is forgotten in training alone, under dropout") {
  manual_seed(3);
  MultiHeadAttention layer(D, H, 0.3);
  auto forgetful = [&](const Tensor& x) {
    bool dropping = layer.training && layer.dropout > 0;
    return layer(x, x, x, dropping ? Mask() : causal_mask(x.size(1))).output;
  };
  expect_leak(forgetful, {"sentence 0 at position 0", "the input at position 1"});
  layer.eval();
  CHECK_NOTHROW(prove_causal("eval", forgetful, numbers()));
}

TEST_CASE("proofs: causal: statistics over the batch are a leak, too") {
  BatchNorm norm(D);
  auto model = [&](const Tensor& x) { return norm(x.reshape({-1, D})).view(x.shape()); };
  expect_leak(model, {"sentence 0 at position 0", "the input at position 1"});
  norm.eval();
  CHECK_NOTHROW(prove_causal("eval", model, numbers()));
}

TEST_CASE("proofs: causal: tokens that are seen") {
  Model net = model();
  auto prove = [&](const Mask& mask) {
    prove_causal("tokens", [&](auto ids, auto& shape) { return net(ids, shape, mask); }, IDS,
                 {B, T}, V);
  };
  expect_error([&] { prove({}); },
               {"[prove_causal] tokens", "position 0 changed", "the input at position 1"});
  // Query 2 sees key 4, which in the first of two layers has seen 3.
  expect_error([&] { prove(leaky(T, 2, 4)); },
               {"position 2 changed", "the input at position 3"});
  // Two tokens are the fewest: each is changed for the other.
  auto peek = [](std::span<const int> ids, const Shape& shape) {
    Tensor y = zeros(shape);
    for (int64_t i = 0; i < y.numel(); ++i) y.mutable_data()[i] = Scalar(ids[size_t(i)]);
    return cat({y.narrow(1, 1, shape[1] - 1), zeros({shape[0], 1})}, 1);
  };
  expect_error([&] { prove_causal("peek", peek, std::vector{0, 1, 1, 0}, {1, 4}, 2); },
               {"[prove_causal] peek", "position 0 changed", "the input at position 1"});
}

// Position t shows what stands at `shown`, and nothing else. Whatever the numbers were, they
// are changed to others of like size, which is tried first.
TEST_CASE("proofs: every number is changed, whatever it was") {
  constexpr int64_t LONG = 20;
  for (double number : {0., 1., -1., 2., 3., 0.5, -0.25, 0.75, 1e30, -7e8})
    for (int64_t shown = 1; shown < LONG; ++shown) {
      CAPTURE(number);
      auto look = [&](const Tensor& x) {
        return x.select(1, shown).unsqueeze(1).expand(x.shape());
      };
      const std::string seen = "the input at position " + std::to_string(shown) + " was changed";
      expect_leak(look, {"sentence 0 at position 0 changed", seen.c_str()},
                  full({1, LONG, 1}, number));
    }
}

// ---- no position sees padding
TEST_CASE("proofs: padding: holds for attention, whatever is padded and how much of it") {
  Model net = model();
  net.eval();
  for (const std::vector<int>& lengths : {LENGTHS, {1, 5}, {5, 5}, {0, 4}}) {
    int64_t compared = 0, real = lengths[0] + lengths[1];
    auto padded = [&](const Tensor& x, std::span<const int> lengths) {
      return net(x, padding_mask(lengths, x.size(1)));
    };
    CHECK_NOTHROW(compared = prove_padding("padded", padded, numbers(), lengths));
    CHECK(compared == 5 * real * D);  // as it is, and with 1, 2, 3 and 16 positions more
    CHECK_NOTHROW(compared = prove_batch("padded", padded, numbers(), lengths));
    CHECK(compared == real * D);
    auto both = [&](const Tensor& x, std::span<const int> lengths) {
      return net(x, combine(causal_mask(x.size(1)), padding_mask(lengths, x.size(1))));
    };
    CHECK_NOTHROW(prove_padding("both", both, numbers(), lengths));
    CHECK_NOTHROW(prove_batch("both", both, numbers(), lengths));
    auto tokens = [&](auto ids, auto& shape, auto lengths) {
      return net(ids, shape, padding_mask(lengths, shape[1]));
    };
    CHECK_NOTHROW(prove_padding("tokens", tokens, IDS, {B, T}, lengths, V));
    CHECK_NOTHROW(prove_batch("tokens", tokens, IDS, {B, T}, lengths, V));
  }
}

TEST_CASE("proofs: padding: no mask, the queries' axis, the wrong lengths") {
  Model net = model();
  net.eval();
  auto caught = [&](const PaddedModel& model, std::initializer_list<const char*> parts) {
    expect_error([&] { prove_padding("leaky", model, numbers(), LENGTHS); }, parts);
  };
  caught([&](auto& x, auto) { return net(x, {}); },
         {"[prove_padding] leaky", "sentence 1 at position 0 changed",
          "other padding was put in", "usual causes", "the queries' axis"});
  caught([&](auto& x, auto lengths) {  // (B, T, 1): hides rows in place of columns
    return net(x, Mask::keep(padding_mask(lengths, x.size(1)).tensor().transpose(1, 2)));
  }, {"sentence 1 at position 0 changed", "other padding was put in"});
  caught([&](auto& x, auto lengths) {  // one key too many
    std::vector<int> more(lengths.begin(), lengths.end());
    for (int& n : more) n = std::min(n + 1, int(x.size(1)));
    return net(x, padding_mask(more, x.size(1)));
  }, {"sentence 1 at position 0 changed", "other padding was put in"});
  caught([&](auto& x, auto lengths) {  // the sentences' lengths the wrong way round
    std::vector<int> turned(lengths.rbegin(), lengths.rend());
    return net(x, padding_mask(turned, x.size(1)));
  }, {"sentence 1 at position 0 changed", "other padding was put in"});
}

TEST_CASE("proofs: padding: what only more of it shows") {
  auto caught = [&](const PaddedModel& model, std::initializer_list<const char*> parts) {
    expect_error([&] { prove_padding("leaky", model, numbers(), LENGTHS); }, parts);
  };
  auto counted = {"sentence 0 at position 0 changed", "other padding was put in",
                  "and 1 positions of it more"};
  caught([](auto& x, auto) { return x / double(x.size(1)); }, counted);
  caught([](auto& x, auto) {  // positions counted from the end
    int64_t t = x.size(1);
    return x + arange(double(t - 1), -1, -1).view({1, t, 1});
  }, counted);
  expect_error([] {
    prove_padding("tokens", [](auto ids, auto& shape, auto) {
      return zeros(shape) + double(ids[ids.size() - 1]);  // the last token of the batch
    }, IDS, {B, T}, LENGTHS, V);
  }, {"[prove_padding] tokens", "sentence 0 at position 0", "other padding was put in"});
}

TEST_CASE("proofs: padding: a finite constant in place of the mask") {
  auto expect = [](Weights (*hide)(const Tensor&, double), double constant) {
    CAPTURE(constant);
    auto model = [&](const Tensor& x, std::span<const int> lengths) {
      return attend(x, hide(padding(lengths, x.size(1)), constant));
    };
    for (const std::vector<int>& lengths : {LENGTHS, {2, 1}}) {
      expect_error([&] { prove_padding("leaky", model, numbers(), lengths); },
                   {"[prove_padding] leaky: the output of sentence"});
      expect_error([&] { prove_batch("leaky", model, numbers(), lengths); },
                   {"[prove_batch] leaky: the output of sentence"});
    }
  };
  for (double constant : {100., 1e4, 1e9}) expect(taken, constant);
  for (double constant : {100., 1e4}) expect(filled, constant);
  auto right = [](const Tensor& x, std::span<const int> lengths) {
    Tensor may = padding_mask(lengths, x.size(1)).tensor();
    return attend(x, [&](auto& scores) { return masked_softmax(scores, may); });
  };
  CHECK(prove_padding("right", right, numbers(), LENGTHS) == 5 * 8 * D);
  CHECK(prove_batch("right", right, numbers(), LENGTHS) == 8 * D);
  // All alike, and without projections.
  auto leaky = [](const Tensor& x, std::span<const int> lengths) {
    Tensor scores = matmul(x, x.transpose(1, 2)) - padding(lengths, x.size(1)) * 100;
    return matmul(softmax(scores, 2), x);
  };
  auto parts = {"position 0 changed", "padding a thousand times as large was put in",
                "a constant like -1e4"};
  for (double number : {1., 0.5})
    expect_error([&] { prove_padding("it", leaky, full({1, 6, 1}, number), std::vector{3}); },
                 parts);
}

TEST_CASE("proofs: an output that is not finite at a thousandfold") {
  auto steep = [](const Tensor& x, auto...) { return exp(x); };
  auto parts = {"of which nothing can be proved", "a thousand times as large", "a smaller one"};
  expect_leak(steep, parts);
  expect_error([&] { prove_padding("steep", steep, numbers(), LENGTHS); }, parts);
  expect_error([&] { prove_batch("steep", steep, numbers(), LENGTHS); }, parts);
  CHECK(prove_batch("steep", steep, numbers() / 1000, LENGTHS) > 0);
}

// ---- no sentence sees another
TEST_CASE("proofs: batch: what only large numbers beside a sentence show") {
  auto beside = [](const Tensor& x, auto) { return x + relu(max(x, {0}, true) - 1e6); };
  expect_error([&] { prove_batch("leaky", beside, numbers(), LENGTHS); },
               {"[prove_batch] leaky: the output of sentence", "changed from",
                "beside it that were a thousand times as large", "a constant like -1e4"});
}

TEST_CASE("proofs: batch: statistics over the batch, a mask of the wrong sentence, padding") {
  auto caught = [&](const PaddedModel& model, std::initializer_list<const char*> parts) {
    expect_error([&] { prove_batch("leaky", model, numbers(), LENGTHS); }, parts);
  };
  BatchNorm norm(D);
  auto normal = [&](auto& x, auto) { return norm(x.reshape({-1, D})).view(x.shape()); };
  caught(normal, {"[prove_batch] leaky", "sentence 0 at position 0 changed from",
                  "the sentence came alone", "usual causes", "statistics"});
  norm.eval();
  CHECK_NOTHROW(prove_batch("eval", normal, numbers(), LENGTHS));
  Model net = model();
  net.eval();
  caught([&](auto& x, auto lengths) {  // every sentence with the mask of the first
    Mask first = padding_mask(std::vector<int>(lengths.size(), lengths[0]), x.size(1));
    return net(x, first);
  }, {"sentence 1 at position 0", "the sentence came alone"});
  caught([](auto& x, auto) { return x - mean(x, {0}, true); },
         {"sentence 0 at position 0", "the sentence came alone"});
  caught([](auto& x, auto) {  // sentence b in the place of b - 1
    return cat({x.narrow(0, 1, x.size(0) - 1), x.narrow(0, 0, 1)}, 0);
  }, {"sentence 0 at position 0", "the sentence came alone"});
  expect_error([] {
    prove_batch("tokens", [](auto ids, auto& shape, auto) {
      return zeros(shape) + double(ids[0]);  // the first token of the batch
    }, IDS, {B, T}, LENGTHS, V);
  }, {"[prove_batch] tokens", "sentence 1 at position 0", "the sentence came alone"});
}

// ---- what a proof leaves behind, and what it refuses
TEST_CASE("proofs: input and generator are left as they were, even by a proof that fails") {
  Model net = model(0.3);
  Tensor x = numbers(), copy = x.clone();
  const Generator before = default_generator();
  prove_causal("net", [&](const Tensor& x) { return net(x, causal_mask(T)); }, x);
  CHECK(default_generator() == before);
  expect_leak([&](const Tensor& x) { return net(x, {}); }, {"[prove_causal]"}, x);
  CHECK(default_generator() == before);
  CHECK(same(x, copy));
  // A view that requires a gradient is an input like others.
  Tensor turned = x.transpose(0, 1).clone().requires_grad_();
  CHECK(prove_causal("net", [&](const Tensor& x) { return net(x, causal_mask(T)); },
                     turned.transpose(0, 1)) > 0);
  CHECK_FALSE(turned.grad().defined());
}

TEST_CASE("proofs: a proof of nothing is none") {
  auto same_back = [](auto& x, auto...) { return x; };
  Tensor one = ones({B, 1, D});
  expect_error([&] { prove_causal("short", same_back, one); },
               {"[prove_causal] short", "(2, 1, 12)", "nothing to compare"});
  expect_error([&] { prove_padding("empty", same_back, numbers(), std::vector{0, 0}); },
               {"[prove_padding] empty", "nothing to compare"});
  expect_error([&] { prove_batch("empty", same_back, numbers(), std::vector{0, 0}); },
               {"[prove_batch] empty", "nothing to compare"});
  expect_error([&] { prove_causal("broken", [](auto& x) { return x * NAN; }, numbers()); },
               {"[prove_causal] broken", "sentence 0 at position 0", "nan"});
  auto flooded = [](auto& x) { return x + exp(sum(x * x, {1}, true) * 1e4); };
  expect_error([&] { prove_causal("flooded", flooded, numbers()); },
               {"[prove_causal] flooded", "sentence 0 at position 0", "inf"});
  auto centred = [](auto& x, auto) { return x - mean(x, {0}, true); };
  expect_error([&] { prove_batch("alone", centred, ones({1, 5, D}), std::vector{5}); },
               {"[prove_batch] alone", "(1, 5, 12)", "nothing to compare"});
}

TEST_CASE("proofs: a model that writes into one tensor again and again") {
  Tensor out = zeros({B, T, D});
  auto pooled = [&](auto& x) { return out.copy_(mean(x, {1}, true).expand(x.shape())), out; };
  expect_error([&] { prove_causal("pooled", pooled, numbers()); },
               {"[prove_causal] pooled", "changed"});
}

TEST_CASE("proofs: an output whose width is the length") {
  auto square = [](auto& x, auto...) { return ones({x.size(0), x.size(1), x.size(1)}); };
  CHECK(prove_causal("square", square, numbers()) > 0);
  expect_error([&] { prove_batch("square", square, numbers(), std::vector{5, 3}); },
               {"[prove_batch] square", "(2, 5, 5)", "(1, 3, 3)"});
}

TEST_CASE("proofs: input that does not fit is said by the proof's name") {
  auto same_back = [](auto& x, auto...) { return x; };
  auto tokens = [](auto, auto& shape, auto...) { return zeros(shape); };
  Tensor x = numbers();
  expect_error([&] { prove_causal("m", same_back, ones({5})); },
               {"[prove_causal] x (5)", "(B, T, ...)"});
  expect_error([&] { prove_causal("m", same_back, Tensor()); },
               {"[prove_causal] x ()", "(B, T, ...)"});
  expect_error([&] { prove_padding("m", same_back, x, std::vector{5}); },
               {"[prove_padding] 1 lengths for x (2, 5, 12)"});
  expect_error([&] { prove_batch("m", same_back, x, std::vector{5, 6}); },
               {"[prove_batch] a length of 6 for x (2, 5, 12)"});
  expect_error([&] { prove_batch("m", same_back, x, std::vector{-1, 5}); }, {"a length of -1"});
  expect_error([&] { prove_causal("m", tokens, IDS, {3, 5}, V); },
               {"[prove_causal] 10 tokens for shape (3, 5)"});
  expect_error([&] { prove_padding("m", tokens, IDS, {10}, LENGTHS, V); },
               {"[prove_padding] 10 tokens for shape (10)", "(B, T)"});
  expect_error([&] { prove_batch("m", tokens, IDS, {B, T}, LENGTHS, 1); },
               {"[prove_batch]", "vocabulary of 1"});
  expect_error([&] { prove_causal("m", tokens, IDS, {B, T}, 5); },
               {"[prove_causal] token 10 at place 2", "vocabulary of 5"});
  expect_error([&] { prove_causal("pooled", [](auto& x) { return mean(x, {1}); }, x); },
               {"[prove_causal] pooled made (2, 12) of (2, 5, 12)", "the same batch"});
}
