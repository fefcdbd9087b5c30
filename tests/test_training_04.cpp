// Lesson 04 against PyTorch 2.13: a small model from weights to gradients, and the first steps
// with the dates; then what its losses, batches, coins and scores are said to be.
#include <heed.h>
#include <map>
#include <set>
#include <sstream>
#include "lessons/04_sequence_to_sequence/dates_task.h"
#include "lessons/support/files.h"
#include "tests/golden.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_04;

namespace {

const bool in_double = sizeof(Scalar) == 8;
const char* const dates_path = "tests/golden/dates.txt";

// ---- The batches, as text that PyTorch reads, too

DateStream one_date() { return DateStream(1000, 32, 1); }
DateStream mixed(int size = 32) { return DateStream(1000, size, 3, false); }

std::string text_of(std::span<const int> ids, const Vocabulary& vocabulary) {
  std::string text;
  for (int id : ids) text += vocabulary.word(id);
  return text;
}

// "source, tab, target" a line, the ends left out.
std::string text_of(const Batch& batch) {
  std::string text;
  for (int b = 0; b < batch.size; ++b) {
    std::span<const int> labels(&batch.labels[size_t(b * batch.target_length)],
                                size_t(batch.target_length));
    auto end = std::find(labels.begin(), labels.end(), EOS) - labels.begin();
    text += text_of(std::span(&batch.source[size_t(b * batch.source_length)],
                              size_t(batch.lengths[size_t(b)])),
                    date_source_vocabulary()) +
            "\t" + text_of(labels.first(size_t(end)), date_target_vocabulary()) + "\n";
  }
  return text;
}

// The characters of both vocabularies in the order of their ids, then the batches.
std::string dates_text() {
  std::string text =
      "# Written and checked by test_training_04.cpp, and read by make_golden.py\n";
  for (auto [name, vocabulary, first] :
       {std::tuple("source", &date_source_vocabulary(), PAD + 1),
        {"target", &date_target_vocabulary(), EOS + 1}}) {
    text += std::string(name) + " \"";
    for (int id = first; id < vocabulary->size(); ++id) text += vocabulary->word(id);
    text += "\"\n";
  }
  DateStream one = one_date(), several = mixed();
  for (int i = 0; i < 100; ++i) text += "\none date\n" + text_of(one.next());
  for (int i = 0; i < 10; ++i) text += "\nmixed\n" + text_of(several.next());
  return text + "\nfew\n" + text_of(mixed(5).next());
}

// ---- Training, as train_on_dates() does it from seed 0

std::vector<double> first_losses(DateStream stream, size_t steps, double teacher_forcing) {
  manual_seed(0);
  Seq2Seq model(sizes_for_dates());
  Trainer trainer(model, {{.lr = 0.005, .beta2 = 0.98}, 1, teacher_forcing});
  manual_seed(1);  // the coins
  std::vector<double> losses;
  for (size_t i = 0; i < steps; ++i)
    losses.push_back(trainer.step(stream.next(), cosine(int(i), 600, 0.02)));
  return losses;
}

double farthest(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = larger(most, std::abs(a[i] - b[i]));
  return most;
}

Seq2Seq small_model() {
  manual_seed(0);
  return Seq2Seq(sizes_for_dates(true, 5, 7));
}

std::vector<bool> told(const Batch& batch) {
  return std::vector<bool>(size_t(batch.target_length), true);
}

// A batch with `more` places of padding behind every target.
Batch with_longer_targets(const Batch& batch, int more) {
  Batch longer = batch;
  longer.target_length += more;
  for (std::vector<int> Batch::*ids : {&Batch::input, &Batch::labels}) {
    (longer.*ids).clear();
    for (int b = 0; b < batch.size; ++b) {
      auto row = (batch.*ids).begin() + b * batch.target_length;
      (longer.*ids).insert((longer.*ids).end(), row, row + batch.target_length);
      (longer.*ids).insert((longer.*ids).end(), size_t(more), PAD);
    }
  }
  return longer;
}

// Writes `text`, whatever it reads: a word follows from the word before alone. It looks at the
// sevens of its source, if there are any.
Seq2Seq scripted(const std::string& text, bool attends = true) {
  Seq2Seq model(sizes_for_dates(attends, 15, 4));
  NoGrad guard;
  for (Tensor p : model.parameters()) p.zero_();
  std::vector<int> words = date_example({"1", text, {}}).target;
  words.push_back(EOS);
  int before = BOS;
  for (int word : words) {
    model.decoder.embedding.weight.set({before, before}, 1);
    model.decoder.out.weight.set({word, 3 * 4 + before}, 1);
    before = word;
  }
  if (!attends) return model;
  for (GRUCell& cell : model.encoder.gru.cells) {
    cell.bias_ih.narrow(0, 4, 4).fill_(-100);  // z = 0: the state is that of the last character
    cell.weight_ih.set({8, 0}, 1);
  }
  model.encoder.embedding.weight.set({date_source_vocabulary().find("7"), 0}, 9);
  model.decoder.attention->key.weight.set({0, 0}, 9);
  model.decoder.attention->score.weight.set({0, 0}, 100);
  return model;
}

}  // namespace

TEST_CASE("lesson 04: the batches are those that PyTorch was trained on") {
  CHECK(dates_text() == read_file(dates_path));
}

TEST_CASE("lesson 04: rewrite the batches" * doctest::skip()) {  // then make_golden.py lesson04
  write_file(dates_path, dates_text());
}

// ---- Against PyTorch

TEST_CASE("lesson 04: each weight from seed 0 is PyTorch's, bit for bit") {
  Golden golden("lesson04");
  Seq2Seq model = small_model();
  CHECK(golden.names("weights/").size() == model.named_parameters().size());
  for (const auto& parameter : model.named_parameters()) {
    const std::string& name = parameter.first;
    CAPTURE(name);
    CHECK(same(parameter.second.detach(), golden["weights/" + name]));
  }
}

TEST_CASE("lesson 04: what the model computes on its way is PyTorch's") {
  Golden golden("lesson04");
  Seq2Seq model = small_model();
  Batch batch = mixed(5).next();
  Encoded source = model.encode(batch);
  CHECK(difference(source.states, golden["states"]) < GOLDEN_TOLERANCE);
  CHECK(difference(source.first, golden["first"]) < GOLDEN_TOLERANCE);
  Step step = model.decoder(words_at(batch, 0), source.first, source);
  CHECK(difference(step.weights, golden["weights"]) < GOLDEN_TOLERANCE);
  CHECK(difference(step.features.narrow(1, 7, 14), golden["context"]) < GOLDEN_TOLERANCE);
  Tensor logits = model.decoder.out(model(batch, told(batch)));
  CHECK(difference(logits, golden["logits"]) < GOLDEN_TOLERANCE);
}

TEST_CASE("lesson 04: the loss and its gradients are PyTorch's") {
  Golden golden("lesson04");
  Seq2Seq model = small_model();
  Batch batch = mixed(5).next();
  Tensor loss = loss_of(model, batch, told(batch));
  CHECK(difference(loss, golden["loss"]) < GOLDEN_TOLERANCE);
  loss.backward();
  for (const auto& parameter : model.named_parameters()) {
    const std::string& name = parameter.first;
    CAPTURE(name);
    CHECK(difference(parameter.second.grad(), golden["grad." + name]) < GOLDEN_TOLERANCE);
  }
}

TEST_CASE("lesson 04: each loss of the first steps is PyTorch's") {
  std::vector<double> expected =
      Golden("lesson04").doubles(in_double ? "step_losses_double" : "step_losses");
  REQUIRE(expected.size() == (in_double ? 100 : 10));
  double worst = farthest(first_losses(one_date(), expected.size(), 1), expected);
  MESSAGE("largest difference of a loss from PyTorch's, ", expected.size(), " steps: ", worst);
  CHECK(worst < (in_double ? 1e-9 : 1e-5));
}

TEST_CASE("lesson 04: so are they when half of the words are its own, and lengths are mixed") {
  Golden golden("lesson04");
  std::vector<int> coins;
  DateStream stream = mixed();
  manual_seed(1);
  for (int i = 0; i < 10; ++i)
    for (bool coin : toss_coins(stream.next().target_length, 0.5)) coins.push_back(coin);
  CHECK(coins == golden.ints("coins"));
  double worst = farthest(first_losses(mixed(), 10, 0.5),
                          golden.doubles(in_double ? "mixed_losses_double" : "mixed_losses"));
  MESSAGE("largest difference of a loss from PyTorch's, 10 steps: ", worst);
  CHECK(worst < (in_double ? 1e-9 : 1e-5));
}

TEST_CASE("lesson 04: as many parameters as the text says") {
  CHECK(Seq2Seq({7853, 5893, 256, 512}).parameter_count() == 20518405);
  CHECK(Seq2Seq(sizes_for_dates()).parameter_count() == 107567);
  CHECK(Seq2Seq(sizes_for_dates(false, 32, 69)).parameter_count() == 108216);
}

// ---- Losses

TEST_CASE("lesson 04: the loss is the mean over all words of all targets, <eos> among them") {
  Seq2Seq model = small_model();
  Batch batch = mixed(5).next();
  Tensor all = log_softmax(model.decoder.out(model(batch, told(batch))).detach(), 2);
  double sum = 0;
  int words = 0;
  for (int b = 0; b < batch.size; ++b)
    for (int t = 0; t < batch.target_length; ++t) {
      int label = batch.labels[size_t(b * batch.target_length + t)];
      if (label != PAD) ++words, sum -= double(all.at({b, t, label}));
    }
  CHECK(words == 10 + 21 + 3 * 32 + 5);
  CHECK(words_in(batch) == words);
  CHECK(double(loss_of(model, batch, told(batch)).item()) == doctest::Approx(sum / words));
}

TEST_CASE("lesson 04: padding behind the targets changes no bit of loss and gradients") {
  Batch batch = mixed(5).next();
  for (bool all : {true, false}) {
    auto coins = [&](const Batch& b) {
      std::vector<bool> forced = told(b);
      for (size_t t = 0; !all && t < forced.size(); t += 2) forced[t] = false;
      return forced;
    };
    Seq2Seq model = small_model(), other = model;
    Tensor loss = loss_of(model, batch, coins(batch));
    loss.backward();
    for (int more : {1, 7}) {
      Batch longer = with_longer_targets(batch, more);
      other.zero_grad();
      Tensor same_loss = loss_of(other, longer, coins(longer));
      same_loss.backward();
      CHECK(same(loss.detach(), same_loss.detach()));
      auto expected = model.named_parameters(), got = other.named_parameters();
      for (size_t i = 0; i < got.size(); ++i) {
        CAPTURE(got[i].first);
        CHECK(same(got[i].second.grad(), expected[i].second.grad()));
      }
    }
  }
}

TEST_CASE("lesson 04: told a word at step t, the decoder has the word before label t") {
  Seq2Seq model = scripted("12");
  std::vector<Example> examples = {date_example({"1", "12", {}}),
                                   date_example({"1", "22", {}})};
  Batch batch = make_batch(examples);
  auto written = [&](std::vector<bool> forced) {
    return argmax(model.decoder.out(model(batch, forced)).view({6, 15}), 1);
  };
  int one = batch.labels[0], two = batch.labels[1];
  CHECK(written({true, true, true}) == std::vector<int>{one, two, EOS, one, EOS, EOS});
  CHECK(written({true, true, true}) == written({false, true, true}));
  CHECK(written({true, false, true}) == std::vector<int>{one, two, EOS, one, two, EOS});
  CHECK(written({true, false, false}) == written({true, false, true}));
}

TEST_CASE("lesson 04: rows that are kept, doubled and reordered go on as they would alone") {
  for (bool attends : {true, false}) {
    manual_seed(0);
    Seq2Seq model(sizes_for_dates(attends, 5, 7));
    NoGrad guard;
    std::vector<Example> examples;
    for (const char* text : {"5/3/79", "Thu, 03 May 1979", "1979-5-3"})
      examples.push_back(date_example({text, "", {}}));
    auto alone = [&](int sentence, std::vector<int> words) {
      Translation writer(model, make_batch(std::span(&examples[size_t(sentence)], 1)));
      Tensor logits;
      for (int& word : words) logits = writer.next(std::span(&word, 1));
      return logits;
    };
    Translation writer(model, make_batch(examples));
    writer.next(std::vector<int>{BOS, BOS, BOS});
    writer.next(std::vector<int>{3, 4, 5});
    writer.keep(std::vector<int>{2, 0, 1});
    Tensor logits = writer.next(std::vector<int>{6, 7, 8});
    CHECK(same(logits,
               cat({alone(2, {BOS, 5, 6}), alone(0, {BOS, 3, 7}), alone(1, {BOS, 4, 8})}, 0)));
    writer.keep(std::vector<int>{1, 1, 0, 2});
    logits = writer.next(std::vector<int>{3, 4, 5, 6});
    CHECK(same(logits, cat({alone(0, {BOS, 3, 7, 3}), alone(0, {BOS, 3, 7, 4}),
                            alone(2, {BOS, 5, 6, 5}), alone(1, {BOS, 4, 8, 6})},
                           0)));
  }
}

// ---- Coins and batches

TEST_CASE("lesson 04: coins: one a step, and none tossed where all fall alike") {
  manual_seed(5);
  Generator before = default_generator();
  CHECK(toss_coins(4, 1) == std::vector<bool>(4, true));
  CHECK(toss_coins(3, 0) == std::vector<bool>(3, false));
  CHECK(toss_coins(0, 0.5).empty());
  CHECK(default_generator() == before);
  std::vector<bool> coins = toss_coins(10000, 0.3);
  CHECK(coins.size() == 10000);
  CHECK(std::abs(std::count(coins.begin(), coins.end(), true) - 3000) < 200);
}

TEST_CASE("lesson 04: a stream of dates has days to train on only, and comes again the same") {
  std::set<std::string> days;
  for (int day = 0; day < DATE_DAYS; ++day)
    if (!is_test_day(day)) days.insert(iso_date(day));
  int padding[2];
  for (auto [most, sorted] : {std::pair(1, true), {3, true}, {3, false}}) {
    DateStream stream(5, 20, most, sorted), again(5, 20, most, sorted),
        other(6, 20, most, sorted);
    std::map<int, int> dates;
    int differ = 0;
    padding[sorted] = 0;
    for (int i = 0; i < 40; ++i) {
      Batch batch = stream.next();
      std::string text = text_of(batch);
      REQUIRE(batch.size == 20);
      CHECK(text_of(again.next()) == text);
      differ += text_of(other.next()) != text;
      padding[sorted] += batch.size * batch.target_length - int(words_in(batch));
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);) {
        std::istringstream target(line.substr(line.find('\t') + 1));
        int count = 0;
        for (std::string day; target >> day; ++count) CHECK(days.count(day) == 1);
        ++dates[count];
      }
    }
    CHECK(differ == 40);
    CHECK(dates.size() == size_t(most));
    for (auto [count, lines] : dates) CHECK(std::abs(lines - 800 / most) < 60);
  }
  CHECK(4 * padding[true] < padding[false]);
}

// ---- The score

TEST_CASE("lesson 04: the score counts what it says") {
  const std::vector<DateLine> three = {{"7.12", "12", {{0, 1}, {1, 4}}},
                                       {"1970", "132", {{}, {1, 4}, {0, 2}}},
                                       {"77", "123", {{0, 1}, {0, 2}, {0, 1}}}};
  std::vector<DateLine> lines;
  for (int i = 0; i < 100; ++i) lines.insert(lines.end(), three.begin(), three.end());
  Score s = score(scripted("12"), lines);
  auto near = [](double x) { return doctest::Approx(x).epsilon(1e-5); };
  CHECK(s.right == near(1 / 3.));
  CHECK(s.characters == near((2 + 1 + 2) / 8.));
  CHECK(s.mass == near((1 + 0 + 1 + 0 + 0.5 + 1 + 0.5) / 7));
  CHECK(s.peak == near((1 + 0 + 1 + 0 + 1 + 1 + 1) / 7.));  // of equal weights the first
  CHECK(s.uniform == near((0.25 + 0.75 + 0.75 + 0.5 + 0.5 + 1 + 0.5) / 7));
  Score none = score(scripted("12", false), lines);
  CHECK(none.right == near(1 / 3.));
  CHECK(none.mass == 0);
  CHECK(none.uniform == 0);
}

TEST_CASE("lesson 04: a text that goes on where it should end is not right") {
  std::vector<DateLine> lines = {{"7", "1", {{0, 1}}}, {"7", "123", {{}, {}, {}}}};
  Seq2Seq model = scripted("123");
  CHECK(score(model, lines).right == 0.5);
  CHECK(score(model, {lines[0]}).right == 0);  // it begins with the right word, and is cut off
  CHECK(score(model, {lines[0]}).characters == 1);
}
