// Lesson 04's file: what is written is read, training goes on as if there had been no break,
// and a file that is damaged is an error.
#include <heed.h>
#include <filesystem>
#include "lessons/04_sequence_to_sequence/dates_task.h"
#include "lessons/04_sequence_to_sequence/translation.h"
#include "lessons/support/files.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_04;

namespace {

using Plan = CorpusPlan<Seq2Seq>;
using Training = CorpusTraining<Seq2Seq>;

bool same_state(const StateDict& a, const StateDict& b) {
  bool equal = a.tensors.size() == b.tensors.size() && a.counters == b.counters;
  for (size_t i = 0; equal && i < a.tensors.size(); ++i)
    equal = a.tensors[i].first == b.tensors[i].first &&
            same(a.tensors[i].second.detach(), b.tensors[i].second.detach());
  return equal;
}

void check_equal(const Language& a, const Language& b) {
  CHECK(a.level == b.level);
  CHECK(a.longest == b.longest);
  CHECK(a.lower == b.lower);
  CHECK(a.ends == b.ends);
  CHECK(a.source.words() == b.source.words());
  CHECK(a.target.words() == b.target.words());
}

void check_equal(const Checkpoint& a, const Checkpoint& b) {
  for (int Sizes::*size :
       {&Sizes::source_words, &Sizes::target_words, &Sizes::embedding, &Sizes::hidden})
    CHECK(a.sizes.*size == b.sizes.*size);
  CHECK(a.sizes.dropout == b.sizes.dropout);
  CHECK(a.sizes.attends == b.sizes.attends);
  CHECK(a.epoch == b.epoch);
  CHECK(a.best == b.best);
  CHECK(same_state(a.model.state_dict(), b.model.state_dict()));
  check_equal(a.language, b.language);
}

Sizes sizes_of(const Language& language, double dropout = 0.3, bool attends = true) {
  return {language.source.size(), language.target.size(), 5, 6, dropout, attends};
}

// Some numbers to a task: sentences of 1 to 6 words, and the same backwards.
std::string numbers_backwards() {
  const char* const words[] = {"one", "two", "three", "four", "five"};
  Generator random(1);
  std::string text;
  for (int i = 0; i < 60; ++i) {
    std::string source, target;
    for (int n = int(random.randint(1, 7)); n > 0; --n) {
      std::string word = words[random.randint(0, 5)];
      source += word + " ", target = word + " " + target;
    }
    text += source + "\t" + target + "\n";
  }
  return text;
}

// A tiny corpus, a tiny model, and the file that it is saved to.
struct Lesson {
  TemporaryDirectory directory;
  std::string path = directory / "model.safetensors";
  Corpus corpus;
  Plan plan{4, 8, {{.lr = 0.05}, 1, 0.5}, path, 7};

  Lesson() {
    write_file(directory / "pairs.tsv", numbers_backwards());
    CorpusOptions options;
    options.pairs = directory / "pairs.tsv";
    corpus = read_corpus(options, Language());
  }

  Checkpoint fresh() const {
    manual_seed(0);
    return Checkpoint(sizes_of(corpus.language), corpus.language);
  }
  // As many epochs of the plan's as are wanted.
  void train(Checkpoint& saved, int epochs) const {
    captured([&] {
      Training training(saved, corpus, plan);
      while (epochs-- > 0) training.epoch();
      if (training.done()) training.finish();
      return 0;
    });
  }
  Checkpoint read() const { return Checkpoint::read(path); }
};

}  // namespace

TEST_CASE("checkpoint: a model that is only used comes back as it was") {
  TemporaryDirectory directory;
  const std::string path = directory / "dates.safetensors";
  manual_seed(0);
  for (bool attends : {true, false}) {
    Checkpoint saved(sizes_for_dates(attends, 5, 7), date_language());
    saved.write(path);
    Checkpoint read = Checkpoint::read(path);
    check_equal(read, saved);
    CHECK(read.epoch == 0);
    SGD optimizer(read.model.named_parameters(), {.lr = 1});
    CHECK(same_state(read.resume(optimizer), saved.model.state_dict()));
    CHECK(same_state(read.model.state_dict(), saved.model.state_dict()));
  }
}

TEST_CASE("checkpoint: words with every odd character come back") {
  Language language;
  std::vector<std::string> words = {"<pad>", "<bos>", "<eos>", "<unk>", "\"\\\"",
                                    "\\n",   "{}",    "a b",   " ",     "\r\n"};
  words.back().pop_back();  // a newline ends a line of the corpus, so no word has one
  for (int c = 1; c < 0x20; ++c)
    if (c != '\n' && c != '\r') words.push_back(std::string(1, char(c)));
  for (const char* word : {"\x7F", "\u00A0", "\u0085", "\u0301", "\u2028", "\uFEFF", "\uFFFD",
                           "\uFFFF", "é", "中", "🙂", "👩\u200D👧", "שלום", "\U0010FFFF"})
    words.push_back(word);
  language.source = Vocabulary(words);
  words.push_back(std::string(100000, 'x'));
  language.target = Vocabulary(words);
  TemporaryDirectory directory;
  for (Level level : {Level::words, Level::characters})
    for (bool on : {true, false}) {
      language.level = level, language.lower = on, language.ends = !on;
      language.longest = on ? 1 : 1000000;
      Checkpoint saved(sizes_of(language), language);
      saved.write(directory / "odd");
      check_equal(Checkpoint::read(directory / "odd"), saved);
    }
}

TEST_CASE("checkpoint: no digit of a number is lost") {
  Lesson lesson;
  Checkpoint saved(sizes_of(lesson.corpus.language, 0.1234567891234567),
                   lesson.corpus.language);
  saved.epoch = 3;
  for (double best :
       {12.345678901234567, 1 + 1e-15, 1e300, std::numeric_limits<double>::infinity()}) {
    saved.best = best;
    Adam adam(saved.model.named_parameters(), {});
    saved.write(lesson.path, saved.model.state_dict(), adam);
    check_equal(lesson.read(), saved);
  }
}

TEST_CASE("checkpoint: the best weights, the last ones, and the optimizer's numbers") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  Adam adam(saved.model.named_parameters(), {});
  StateDict best = saved.model.state_dict();
  for (Tensor p : saved.model.parameters()) sum(p * p).backward();
  adam.step();
  saved.epoch = 1, saved.best = 2.5;
  saved.write(lesson.path, best, adam);

  Checkpoint read = lesson.read();
  CHECK(same_state(read.model.state_dict(), best));
  CHECK(!same_state(saved.model.state_dict(), best));
  Adam other(read.model.named_parameters(), {});
  CHECK(same_state(read.resume(other), best));
  CHECK(same_state(read.model.state_dict(), saved.model.state_dict()));
  CHECK(same_state(other.state_dict(), adam.state_dict()));
}

// ---- Training that is broken off

TEST_CASE("checkpoint: four epochs are two and two, bit for bit, whatever the break") {
  Lesson lesson;
  Checkpoint whole = lesson.fresh();
  lesson.train(whole, 4);
  std::string file = read_file(lesson.path);
  for (int before : {1, 2, 3}) {
    Checkpoint first = lesson.fresh();
    lesson.train(first, before);
    manual_seed(99);  // what another program has drawn meanwhile
    Checkpoint second = lesson.read();
    CHECK(second.epoch == before);
    lesson.train(second, 4 - before);
    CHECK(same_state(second.model.state_dict(), whole.model.state_dict()));
    CHECK(read_file(lesson.path) == file);
  }
}

TEST_CASE("checkpoint: the learning rate falls in the second half of the plan") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  Trainer trainer(saved.model, lesson.plan.trainer);
  const std::vector<Example>& pairs = lesson.corpus.train.examples;
  const int batches = int((pairs.size() + 7) / 8);
  for (saved.epoch = 1; saved.epoch <= 4; ++saved.epoch) {
    train_epoch(saved, trainer, pairs, lesson.plan);
    const int step = saved.epoch * batches - 1, half = 2 * batches;
    CHECK(trainer.adam.lr == 0.05 * (step < half ? 1 : cosine(step - half, half, 0.02)));
  }
}

TEST_CASE("checkpoint: training more changes nothing when all epochs are done") {
  Lesson lesson;
  Checkpoint whole = lesson.fresh();
  lesson.train(whole, 4);
  std::string file = read_file(lesson.path);
  Checkpoint again = lesson.read();
  captured([&] { return train(again, lesson.corpus, lesson.plan), 0; });
  CHECK(same_state(again.model.state_dict(), whole.model.state_dict()));
  CHECK(read_file(lesson.path) == file);
}

TEST_CASE("checkpoint: the weights that are kept are those of the best epoch") {
  Lesson lesson;
  for (Example& e : lesson.corpus.valid.examples) e.target = {UNK, UNK};  // never trained
  Checkpoint saved = lesson.fresh();
  std::vector<Batch> valid = in_order(lesson.corpus.valid.examples, lesson.plan.batch);
  double best = std::numeric_limits<double>::infinity(), last = 0;
  StateDict best_weights;
  Training training(saved, lesson.corpus, lesson.plan);
  while (!training.done()) {
    captured([&] { return training.epoch(), 0; });
    last = perplexity(saved.model, valid).free;
    if (last < best) best = last, best_weights = saved.model.state_dict();
    CHECK(saved.best == best);
    Checkpoint read = lesson.read();
    CHECK(read.best == best);
    CHECK(same_state(read.model.state_dict(), best_weights));
    CHECK(same_state(read.last, saved.model.state_dict()));
  }
  training.finish();
  CHECK(last > best);
  CHECK(same_state(saved.model.state_dict(), best_weights));
}

TEST_CASE("checkpoint: without a place to save, nothing is written") {
  Lesson lesson;
  lesson.plan.save = "";
  Checkpoint saved = lesson.fresh();
  lesson.train(saved, 4);
  CHECK(!std::filesystem::exists(lesson.path));
  CHECK(saved.epoch == 4);
}

// ---- Damaged files

TEST_CASE("checkpoint: a file that is cut off is an error, wherever") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  lesson.train(saved, 1);
  const std::string file = read_file(lesson.path);
  for (size_t n = 0; n < file.size(); n += 97) {
    write_file(lesson.path, file.substr(0, n));
    CAPTURE(n);
    expect_error([&] { lesson.read(); }, {"model.safetensors"});
  }
  write_file(lesson.path, file);
  CHECK(lesson.read().epoch == 1);
}

// What a byte of the header says may be wrong, or may still make sense; nothing crashes.
TEST_CASE("checkpoint: a wrong byte is an error or none, and no crash") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  saved.write(lesson.path);
  const std::string file = read_file(lesson.path);
  int errors = 0;
  for (size_t at = 0; at < file.size(); at += 31)
    for (char byte : {'\0', '"', '7', '\xFF'}) {
      std::string damaged = file;
      damaged[at] = byte;
      write_file(lesson.path, damaged);
      try {
        lesson.read();
      } catch (const Error&) { ++errors; }
    }
  CHECK(errors > 100);
}

TEST_CASE("checkpoint: notes that are missing or make no sense are errors that name them") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  lesson.train(saved, 1);
  const StateDict file = load(lesson.path);
  for (const auto& entry : file.notes) {
    const std::string &name = entry.first, &text = entry.second;
    CAPTURE(name);
    auto read_with = [&](const std::string& wrong) {
      StateDict damaged = file;
      damaged.notes[name] = wrong;
      save(lesson.path, damaged);
      lesson.read();
    };
    StateDict without = file;
    without.notes.erase(name);
    save(lesson.path, without);
    expect_error([&] { lesson.read(); }, {"model.safetensors", name.c_str()});
    std::vector<std::string> wrong = {"", "x", text + "x", "-1", "nan"};
    const bool words = name.ends_with(" words");
    if (words)
      wrong = {"", "x", text + "x\n", text + text, text + "\n", "\n" + text};
    else if (name != "best" && name != "dropout")
      wrong.insert(wrong.end(), {" 1", "1.5", "0x1", "99999999999999999999"});
    for (const std::string& w : wrong) {
      CAPTURE(w);
      if (words)
        expect_error([&] { read_with(w); }, {"["});
      else
        expect_error([&] { read_with(w); }, {"model.safetensors", name.c_str()});
    }
  }
  CHECK(file.notes.size() == 14);
}

TEST_CASE("checkpoint: sizes that are not those of the weights are errors, and soon") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  saved.write(lesson.path);
  const StateDict file = load(lesson.path);
  auto read_with = [&](const char* name, const char* value) {
    StateDict damaged = file;
    damaged.notes[name] = value;
    save(lesson.path, damaged);
    lesson.read();
  };
  for (const char* value : {"6", "4096"})
    expect_error([&] { read_with("embedding", value); },
                 {"[load]", "model.safetensors: has no encoder.embedding.weight"});
  for (const char* value : {"5", "4096"})  // with 4,096 it would be a model of gigabytes
    expect_error([&] { read_with("hidden", value); },
                 {"[load]", "model.safetensors: has no encoder.bridge.weight"});
  expect_error([&] { read_with("attends", "0"); }, {"unknown: decoder.attention."});
}

TEST_CASE("checkpoint: files of others") {
  Lesson lesson;
  expect_error([&] { Checkpoint::read("tests/golden/lesson00.safetensors"); },
               {"[load] tests/golden/lesson00.safetensors: says nothing about its lesson"});
  expect_error([&] { Checkpoint::read("README.md"); }, {"README.md"});
  expect_error([&] { Checkpoint::read(lesson.path); }, {"model.safetensors"});
  expect_error([&] { Checkpoint::read(lesson.directory.path); }, {"not a file"});
  Checkpoint saved = lesson.fresh();
  saved.write(lesson.path);
  StateDict other = load(lesson.path);
  other.notes["lesson"] = "06";
  save(lesson.path, other);
  expect_error([&] { lesson.read(); }, {"saved by lesson 06, not by this one"});
}

TEST_CASE("checkpoint: what going on needs and does not find is an error") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  lesson.train(saved, 1);
  const StateDict file = load(lesson.path);
  for (const char* missing : {"last.", "adam.", "adam.exp_avg_sq.", "last.decoder.out.bias"}) {
    StateDict damaged = file;
    std::erase_if(damaged.tensors, [&](auto& t) { return t.first.starts_with(missing); });
    std::erase_if(damaged.counters, [&](auto& c) { return c.first.starts_with(missing); });
    save(lesson.path, damaged);
    expect_error(
        [&] {
          Checkpoint read = lesson.read();
          Adam adam(read.model.named_parameters(), {});
          read.resume(adam);
        },
        {"[load]", "model.safetensors: "});
  }
}

TEST_CASE("checkpoint: a number that is NaN or infinite is an error, and names its tensor") {
  Lesson lesson;
  Checkpoint saved = lesson.fresh();
  lesson.train(saved, 1);
  const StateDict file = load(lesson.path);
  for (const char* name : {"model.encoder.bridge.weight", "last.decoder.out.bias",
                           "adam.exp_avg_sq.decoder.out.bias"})
    for (double number : {NAN, -INFINITY}) {
      StateDict damaged = file;
      for (auto& [found, tensor] : damaged.tensors)
        if (found == name) {
          std::vector<Scalar> numbers = tensor.to_vector();
          numbers.back() = Scalar(number);
          tensor = heed::tensor(numbers, tensor.shape());
        }
      save(lesson.path, damaged);
      expect_error([&] { lesson.read(); },
                   {"[load]", "model.safetensors: ", name,
                    number < 0 ? " holds -inf, wanted finite numbers"
                               : " holds nan, wanted finite numbers"});
    }
  save(lesson.path, file);
  lesson.read();
}
