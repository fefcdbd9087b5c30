// Lesson 04 with a corpus of the reader's own: perplexity, the start, translations in order,
// and a whole run.
#include <heed.h>
#include <filesystem>
#include <set>
#include "lessons/04_sequence_to_sequence/translation.h"
#include "lessons/support/files.h"
#include "tests/golden.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_04;

namespace {

// For 12 source and 10 target words; dropout shows where a model is not in eval mode.
Seq2Seq small_model() {
  manual_seed(3);
  return Seq2Seq({12, 10, 4, 6, 0.3});
}

// Of all lengths, in no order.
std::vector<Example> drawn_examples(int count) {
  Generator random(4);
  std::vector<Example> examples(static_cast<size_t>(count));
  for (Example& e : examples) {
    e.source.resize(size_t(random.randint(1, 10)));
    e.target.resize(size_t(random.randint(0, 9)));
    for (int& id : e.source) id = int(random.randint(3, 12));
    for (int& id : e.target) id = int(random.randint(3, 10));
  }
  return examples;
}

// Minus the log-probability of each word of one example's target and of <eos>. The decoder is
// told the right words, or goes on from its own.
std::vector<double> losses_of(const Seq2Seq& model, const Example& example, bool told) {
  NoGrad guard;
  Encoded source = model.encode(make_batch(std::span(&example, 1)));
  std::vector<int> labels = example.target;
  labels.push_back(EOS);
  Tensor state = source.first;
  int word = BOS;
  std::vector<double> losses;
  for (int label : labels) {
    Step step = model.decoder(std::span(&word, 1), state, source);
    state = step.state;
    Tensor scores = log_softmax(model.decoder.out(step.features), 1);
    losses.push_back(-double(scores.at({0, label})));
    word = told ? label : argmax(scores, 1)[0];
  }
  return losses;
}

double mean(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.) / double(numbers.size());
}

doctest::Approx near(double x) { return doctest::Approx(x).epsilon(1e-5); }

}  // namespace

TEST_CASE("translation: perplexity, told: by words, however the batches are cut") {
  Seq2Seq model = small_model();
  std::vector<Example> examples = drawn_examples(23);
  std::vector<double> all;
  model.eval();
  for (const Example& e : examples)
    for (double loss : losses_of(model, e, true)) all.push_back(loss);
  model.train();
  for (int size : {1, 4, 23, 100})
    CHECK(perplexity(model, in_order(examples, size)).told == near(std::exp(mean(all))));
}

TEST_CASE("translation: perplexity, free: by batches, from its own words") {
  Seq2Seq model = small_model();
  std::vector<Example> examples = drawn_examples(23);
  for (int size : {1, 4, 23}) {
    std::vector<double> means;
    model.eval();
    std::vector<Example> sorted = examples;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Example& a, const Example& b) {
      return a.source.size() < b.source.size();
    });
    for (size_t at = 0; at < sorted.size(); at += size_t(size)) {
      std::vector<double> losses;
      for (size_t i = at; i < std::min(at + size_t(size), sorted.size()); ++i)
        for (double loss : losses_of(model, sorted[i], false)) losses.push_back(loss);
      means.push_back(mean(losses));
    }
    model.train();
    CHECK(perplexity(model, in_order(examples, size)).free == near(std::exp(mean(means))));
  }
  double one = perplexity(model, in_order(examples, 1)).free;
  CHECK(std::abs(one - perplexity(model, in_order(examples, 23)).free) > 1e-3);
}

TEST_CASE("translation: measuring leaves model and random numbers as they were") {
  Seq2Seq model = small_model();
  std::vector<Example> examples = drawn_examples(9);
  Generator before = default_generator();
  perplexity(model, in_order(examples, 4));
  translate_all(model, {examples, {}, 0}, 1, 5, "greedy");
  CHECK(default_generator() == before);
  CHECK(model.training);
  CHECK(model.encoder.dropout.training);
}

TEST_CASE("translation: batches in the order of their sources, each sentence once") {
  std::vector<Example> examples = drawn_examples(23);
  std::vector<Batch> batches = in_order(examples, 5);
  CHECK(batches.size() == 5);
  CHECK(batches.back().size == 3);
  std::vector<int> lengths;
  int words = 0, expected = 0;
  for (const Batch& batch : batches) {
    lengths.insert(lengths.end(), batch.lengths.begin(), batch.lengths.end());
    words += int(words_in(batch));
  }
  for (const Example& e : examples) expected += int(e.target.size()) + 1;
  CHECK(std::is_sorted(lengths.begin(), lengths.end()));
  CHECK(lengths.size() == 23);
  CHECK(words == expected);
}

TEST_CASE("translation: the notebook's start: weights N(0, 0.01^2), no biases") {
  Seq2Seq model({300, 200, 16, 32});
  start_small(model);
  int weights = 0;
  for (const auto& parameter : model.named_parameters()) {
    const std::string& name = parameter.first;
    CAPTURE(name);
    std::vector<Scalar> numbers = parameter.second.to_vector();
    double sum = 0, squares = 0;
    for (Scalar x : numbers) sum += double(x), squares += double(x) * double(x);
    if (name.find("bias") != std::string::npos) {
      CHECK(squares == 0);
      continue;
    }
    ++weights;
    double n = double(numbers.size());
    CHECK(std::abs(sum / n) < 4 * 0.01 / std::sqrt(n));
    CHECK(std::abs(std::sqrt(squares / n) / 0.01 - 1) < 4 / std::sqrt(2 * n));
  }
  CHECK(weights == 13);
  CHECK(model.parameters()[0].requires_grad());
}

TEST_CASE("translation: texts come in the order of the sentences, by greed and by beam") {
  Seq2Seq model = small_model();
  CorpusPart part{drawn_examples(120), {}, 0};
  for (int width : {1, 3}) {
    std::vector<std::vector<int>> texts = translate_all(model, part, width, 7, "test");
    REQUIRE(texts.size() == 120);
    model.eval();
    std::set<std::vector<int>> different(texts.begin(), texts.end());
    CHECK(different.size() > 5);
    for (size_t i = 0; i < 120; ++i) {
      NoGrad guard;
      Translation writer(model, make_batch(std::span(&part.examples[i], 1)));
      std::vector<Written> alone =
          width == 1 ? greedy(writer, 1, 7) : beam_search(writer, 1, width, 7);
      CHECK(texts[i] == alone[0].words);
    }
    model.train();
  }
}

TEST_CASE("translation: a map has a row for each word, and for <eos> if it was written") {
  Language language;
  language.longest = 3;
  language.source =
      Vocabulary({"<pad>", "<bos>", "<eos>", "<unk>", "a", "b", "c", "d", "e", "f", "g", "h"});
  language.target =
      Vocabulary({"<pad>", "<bos>", "<eos>", "<unk>", "i", "j", "k", "l", "m", "n"});
  Seq2Seq model = small_model();
  auto rows = [&](int word) {
    NoGrad guard;
    model.decoder.out.bias->zero_();
    model.decoder.out.bias->set({word}, 1000);
    HeatMap map = map_of(model, language, {BOS, 4, 7, EOS}, "test");
    CHECK(map.keys == std::vector<std::string>{"<bos>", "a", "d", "<eos>"});
    CHECK(map.values.size() == map.queries.size() * map.keys.size());
    return map.queries;
  };
  CHECK(rows(EOS) == std::vector<std::string>{"<eos>"});
  CHECK(rows(6) == std::vector<std::string>{"k", "k", "k"});
}

// ---- A whole run

namespace {

// The letters of a word, one by one, and the same backwards.
struct Run04 {
  TemporaryDirectory directory;
  Settings settings;

  Run04() {
    Generator random(1);
    std::string text;
    for (int i = 0; i < 80; ++i) {
      std::string word;
      for (int n = int(random.randint(9, 12)); n > 0; --n)
        word += char('a' + random.randint(0, 5));
      text += word + "\t" + std::string(word.rbegin(), word.rend()) + "\n";
    }
    write_file(directory / "pairs.tsv", text);
    settings.corpus.pairs = settings.corpus.test = directory / "pairs.tsv";
    settings.corpus.level = Level::characters;
    settings.embedding = 6, settings.hidden = 8, settings.beam = 2, settings.epochs = 2;
    settings.out = directory.path, settings.save = directory / "model";
  }
  std::string operator()(std::optional<Checkpoint> saved = {}) {
    Run run = captured([&] { return translation(settings, std::move(saved)); });
    CHECK(run.status == 0);
    return run.out;
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("translation: from a file of pairs to BLEU and maps, and on from there") {
  Run04 run;
  run.settings.translate = "abcabcabc";
  std::string out = run();
  for (const char* part :
       {"pairs.tsv: 72 pairs to train on, 8 to validate with, 80 to test on",
        "vocabularies of 9 and 9, 2267 parameters, 0 epochs done",
        "the 80 sentences of the test set", "BLEU, greedy", "BLEU, beam of 2", "wanted"})
    CHECK_MESSAGE(contains(out, part), std::string(part), " in\n", out);
  CHECK(std::filesystem::exists(run.directory / "pairs.svg"));

  run.settings.epochs = 3;
  out = run(Checkpoint::read(run.settings.save));
  CHECK(contains(out, "2267 parameters, 2 epochs done"));
  CHECK(contains(out, "\n        3 "));
  CHECK(!contains(out, "\n        2 "));
}
