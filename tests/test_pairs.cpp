// Lesson 04 with a corpus of the reader's own: what must work, and what must be refused before
// any work. The model is tiny, so that a run takes some hundredths of a second.
#include "tests/desk.h"
#include <algorithm>

using namespace heed_tests;

namespace {

struct Desk : LessonDesk {
  Desk() : LessonDesk("lesson-04", "--embedding 8 --hidden 16 --batch 32 --epochs 1 ") {}
};

}  // namespace

// ---- What works

TEST_CASE("pairs: a corpus in many scripts is learnt, saved, and used") {
  Desk desk;
  desk.write("a.tsv", corpus(1500, 1));
  Run result = desk.train(
      "--pairs a.tsv --test a.tsv --lr 0.03 --teacher-forcing 1 --epochs 6 --save m.st");
  REQUIRE_MESSAGE(result.status == 0, result.err);
  CHECK(result.err == "");
  CHECK(
      has(result.out, "a.tsv: 1350 pairs to train on, 150 to validate with, 1500 to test on"));
  auto rows = epochs_of(result);
  REQUIRE(rows.size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    REQUIRE(rows[i].size() == 7);  // epoch, training, told, free, seconds, left, GB
    CHECK(rows[i][0] == double(i + 1));
  }
  CHECK(rows[0][2] > 5);
  CHECK(rows[5][2] < 3);
  CHECK(rows[5][5] == 0);
  for (const char* figure : {"BLEU, greedy", "BLEU, beam of 5", "read", "written", "wanted"})
    CHECK(line_with(result, figure) != "");

  result = desk("--load m.st --translate 'NAÏVE 猫, 猫 qwertz.'");
  CHECK(result.status == 0);
  CHECK(result.err ==
        "warning: ',' was never seen in training\n"
        "warning: 'qwertz' was never seen in training\n");
  auto lines = lines_of(result.out);
  REQUIRE(lines.size() > 2);
  CHECK(lines[0].ends_with("!"));
  CHECK(lines[1] == "NAÏVE 猫, 猫 qwertz.");  // the map's title
}

TEST_CASE("pairs: training that Ctrl-C ended goes on to the same file") {
  Desk desk;
  desk.write("a.tsv", corpus(1500, 2));
  // Words that nobody learns: the first epoch is the best, the last one is another.
  desk.write("valid.tsv", repeated("猫 我\tnever seen\n", 5));
  const std::string
      sizes = "--embedding 8 --hidden 16 --dropout 0.1234567 ",
      training = "--pairs a.tsv --valid valid.tsv --epochs 5 --batch 8 --lr 0.01 --seed 3 ";
  Run whole = desk(sizes + training + "--save whole.st");
  REQUIRE_MESSAGE(whole.status == 0, whole.err);
  CHECK(interrupted(desk, sizes + training + "--save part.st") == 128 + SIGINT);
  REQUIRE(desk.exists("part.st"));
  CHECK(desk.read("part.st") != desk.read("whole.st"));
  CHECK(desk("--load part.st --translate 猫").status == 0);
  Run rest = desk("--load part.st --save part.st " + training);
  CHECK_MESSAGE(rest.status == 0, rest.err);
  CHECK(epochs_of(rest).size() >= 2);
  CHECK(std::count(whole.out.begin(), whole.out.end(), '*') == 1);
  CHECK(desk.read("part.st") == desk.read("whole.st"));
  auto tail = [](const std::string& text) { return text.substr(text.find("The best epoch")); };
  CHECK(tail(rest.out) == tail(whole.out));
}

TEST_CASE("pairs: when nothing is left to train, --save leaves a file all the same") {
  Desk desk;
  Run result = desk.train("--pairs a.tsv --epochs 0 --save zero.st");
  CHECK(result.status == 0);
  CHECK(
      has(result.out, "nothing to train: 0 epochs are done, and --epochs 0 asks for no more"));
  REQUIRE(desk.exists("zero.st"));
  CHECK(desk.train("--pairs a.tsv --epochs 2 --save two.st").status == 0);
  CHECK(desk.train("--pairs a.tsv --epochs 2 --load zero.st --save zero.st").status == 0);
  CHECK(desk.read("zero.st") == desk.read("two.st"));
  result = desk.train("--pairs a.tsv --epochs 1 --load two.st --save copy.st");
  CHECK(result.status == 0);
  CHECK(
      has(result.out, "nothing to train: 2 epochs are done, and --epochs 1 asks for no more"));
  REQUIRE(desk.exists("copy.st"));
  CHECK(desk.read("copy.st") == desk.read("two.st"));
}

TEST_CASE("pairs: going on, a model is not validated on what it was trained on") {
  Desk desk;
  CHECK(desk.train("--pairs a.tsv --epochs 1 --save m.st").status == 0);
  desk.write("longer.tsv", desk.read("a.tsv") + "新 词\ta new word\n");
  desk.refuses("--pairs longer.tsv --load m.st --epochs 2",
               "m.st was validated on other sentences");
  CHECK(desk.train("--pairs a.tsv --valid a.tsv --epochs 1 --save v.st").status == 0);
  desk.refuses("--pairs a.tsv --load v.st --epochs 2", "v.st was validated on other sentences");
  // Given by name they are taken, and the best so far, which was another set's, is forgotten.
  Run result = desk.train("--pairs longer.tsv --valid a.tsv --load m.st --epochs 2");
  CHECK_MESSAGE(result.status == 0, result.err);
  CHECK(has(result.out, " *"));
  CHECK(desk.train("--pairs a.tsv --load m.st --epochs 2").status == 0);
}

TEST_CASE("pairs: strange corpora and settings that do no harm") {
  Desk desk;
  desk.write("one.tsv", "a b\tc d\n");
  desk.write("words.tsv", repeated("a\tb\r\nc\td\r\n", 20));
  desk.write("same.tsv", "\uFEFF" + repeated("a b\tthe same\nc\tthe same\nb c\tthe same", 1) +
                             repeated("\na\tthe same", 30));
  desk.write("unknown.tsv", "ü ö\tq w\nz\tr\n");
  desk.write("long.tsv", repeated("a b\tc d\n", 20) + repeated("x ", 100000) + "\t" +
                             repeated("y ", 100000) + "\n");
  const struct {
    const char *arguments, *line;
  } runs[] = {
      {"--pairs one.tsv --valid one.tsv --min-count 1", "vocabularies of 6 and 6"},
      {"--pairs words.tsv --longest 1", "36 pairs to train on, 4 to validate with"},
      {"--pairs same.tsv --beam 100", "BLEU, beam of 100"},
      {"--pairs a.tsv --valid unknown.tsv", "200 pairs to train on, 2 to validate with"},
      {"--pairs long.tsv", "left out, with more than 60 tokens: 1, 0, 0"},
      {"--pairs a.tsv --batch 4096", "180 pairs to train on"},
      {"--pairs a.tsv --level characters --longest 300", "left out, with more than 300"},
      {"--pairs a.tsv --dropout 0.99", "180 pairs to train on"},
      {"--pairs a.tsv --lr 0", "180 pairs to train on"},
  };
  for (const auto& one : runs) {
    Run result = desk.train(one.arguments);
    CAPTURE(std::string(one.arguments));
    CHECK_MESSAGE(result.status == 0, result.err);
    CHECK(result.err == "");
    CHECK_MESSAGE(has(result.out, one.line), result.out);
    CHECK(epochs_of(result).size() == 1);
    CHECK(!has(result.out, "nan"));
  }
}

TEST_CASE("pairs: one that is left out teaches no word and is not validated with") {
  Desk desk;
  std::string texts = repeated("a b\tc d\n", 18);
  for (int i = 0; i < 2; ++i)
    texts += repeated("x ", 61) + "\ty\n" + "x\t" + repeated("y ", 61) + "\n";
  desk.write("b.tsv", texts);
  Run result = desk.train("--pairs b.tsv --save m.st");
  CHECK_MESSAGE(result.status == 0, result.err);
  CHECK(has(result.out, "17 pairs to train on, 1 to validate with"));
  CHECK(has(result.out, "left out, with more than 60 tokens: 4, 0, 0"));
  CHECK(has(result.out, "vocabularies of 6 and 6"));
  CHECK(has(desk("--load m.st --translate x").err, "warning: 'x' was never seen"));
}

TEST_CASE("pairs: --interactive goes on after a mistake, to the end of its input") {
  Desk desk;
  const std::string training = "--pairs a.tsv --lr 0.03 --teacher-forcing 1 --epochs 4 ";
  REQUIRE(desk("--embedding 8 --hidden 16 " + training + "--save m.st").status == 0);
  CHECK(desk("--load m.st --interactive </dev/null").out == "");
  CHECK(desk("--load m.st --interactive <&-").status == 0);
  desk.write("in", "我\n\n \n\xFF\n" + repeated(". ", 61) + "\n我 ☃ ☃ ☃\r\n猫");
  Run result = desk("--load m.st --interactive <in");
  CHECK(result.status == 0);
  auto lines = lines_of(result.out), asides = lines_of(result.err);
  REQUIRE(lines.size() == 7);  // as many as were given
  for (size_t i : {0, 5, 6}) CHECK(lines[i] != "");
  for (size_t i : {1, 2, 3, 4}) CHECK(lines[i] == "");
  REQUIRE(asides.size() >= 5);
  CHECK(asides[0] == "[translate] nothing to translate");
  CHECK(asides[1] == "[translate] nothing to translate");
  CHECK(asides[2] == "[translate] byte 1 is no UTF-8");
  CHECK(asides[3].starts_with("[translate] 61 tokens, and the model takes at most 60"));
  CHECK(asides.back() == "warning: '☃' was never seen in training");  // once
}

TEST_CASE("pairs: a run that draws nothing makes no directory for figures") {
  Desk desk;
  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  CHECK(fs::is_directory(desk.directory / "out"));
  fs::remove_all(desk.directory / "out");
  desk.write("out", "in the way");
  for (const char* arguments : {"--count", "--masks --steps 50", "--load m.st --translate 我",
                                "--load m.st --interactive </dev/null"}) {
    Run result = desk(arguments);
    CAPTURE(std::string(arguments));
    CHECK_MESSAGE(result.status == 0, result.err);
    CHECK(desk.read("out") == "in the way");
  }
}

// ---- What is refused

TEST_CASE("pairs: what is wrong with a corpus is said before any work") {
  Desk desk;
  fs::create_directory(desk.directory / "directory");
  desk.write("empty.tsv", "");
  desk.write("no_tab.tsv", "a\tb\nno tab here\n");
  desk.write("latin.tsv", "a\tb\nc\td\nM\xE4nner\tmen\n");
  desk.write("one.tsv", "a b\tc d\n");
  desk.write("short.tsv", repeated("a\tb\n", 5));
  const struct {
    const char *arguments, *message;
  } runs[] = {
      {"--pairs empty.tsv", "empty.tsv: no pairs"},
      {"--pairs no_tab.tsv", "no_tab.tsv, line 2: no tab"},
      {"--pairs latin.tsv", "latin.tsv, line 3: byte 2 of the line is no UTF-8"},
      {"--pairs directory", "cannot read directory: it is a directory"},
      {"--pairs missing.tsv", "cannot read missing.tsv: No such file"},
      {"--pairs one.tsv", "one.tsv: one pair cannot be divided"},
      {"--pairs a.tsv --longest 1", "a.tsv: all 200 pairs have more than 1 tokens"},
      {"--pairs a.tsv --valid missing.tsv", "cannot read missing.tsv"},
      {"--pairs a.tsv --test latin.tsv", "latin.tsv, line 3"},
      {"--pairs short.tsv --valid a.tsv --longest 2", "a.tsv: all 200 pairs have more than 2"},
      {"--pairs a.tsv --min-count 1000", "no token is there 1000 times; see --min-count"},
      {"--pairs a.tsv --translate ' '", "[translate] nothing to translate"},
      {"--pairs a.tsv --translate 'a\xFF'", "[translate] byte 2 is no UTF-8"},
  };
  for (const auto& [arguments, message] : runs)
    desk.refuses(desk.small + "--save new.st " + arguments, message);
  desk.refuses("--pairs a.tsv --translate '" + repeated(". ", 61) + "'",
               "61 tokens, and the model takes at most 60 (--longest");
  desk.refuses("--translate '中'", "not one of its 1 tokens is known");
}

TEST_CASE("pairs: options that contradict each other") {
  Desk desk;
  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  REQUIRE(desk("--embedding 8 --hidden 16 --steps 50 --save dates.st").status == 0);
  const struct {
    const char *arguments, *message;
  } runs[] = {
      {"--pairs a.tsv --dates 2", "[--dates] is for the lesson's own tasks"},
      {"--pairs a.tsv --masks", "[--masks] is for the lesson's own tasks"},
      {"--pairs a.tsv --steps 60", "[--steps] is for the lesson's own tasks"},
      {"--pairs a.tsv --seeds 1", "[--seeds] is for the lesson's own tasks"},
      {"--load m.st --translate 我 --masks", "[--masks] is for the lesson's own tasks"},
      {"--valid a.tsv", "[--valid] is for a corpus of your own"},
      {"--test a.tsv", "[--test] is for a corpus of your own"},
      {"--load m.st", "[--load] nothing to do with m.st"},
      {"--load m.st --translate 我 --save b.st", "[--save] nothing is trained"},
      {"--masks --save b.st", "[--masks] compares models"},
      {"--masks --translate 5/3/79", "[--masks] compares models"},
      {"--dates 2 --save b.st", "[--dates] compares models"},
      {"--dates 3 --interactive", "[--dates] compares models"},
      {"--load dates.st --pairs a.tsv", "[--load] dates.st has been trained on dates"},
      {"--load m.st --pairs a.tsv --hidden 32", "[--hidden] 32, but m.st has 16"},
      {"--load m.st --pairs a.tsv --embedding 9", "[--embedding] 9, but m.st has 8"},
      {"--load m.st --pairs a.tsv --dropout 0.4", "[--dropout] 0.4, but m.st has 0.5"},
      {"--load m.st --pairs a.tsv --longest 61", "[--longest] 61, but m.st has 60"},
      {"--load m.st --pairs a.tsv --level characters",
       "[--level] characters, but m.st has words"},
      {"--count --seed 1", "[--seed] does nothing beside --count"},
      {"--count --save b.st", "[--save] does nothing beside --count"},
      {"--count --translate 5/3/79", "[--translate] does nothing beside --count"},
      {"--count --pairs a.tsv", "[--pairs] does nothing beside --count"},
      {"--count --load m.st --translate 我", "[--load] does nothing beside --count"},
      {"--count --hidden 64", "[--hidden] does nothing beside --count"},
      {"--count --masks", "[--masks] does nothing beside --count: leave one of the two out"},
      {"--masks --hidden 64", "[--hidden] does nothing beside --masks"},
      {"--masks --embedding 32", "[--embedding] does nothing beside --masks"},
      {"--masks --batch 32", "[--batch] does nothing beside --masks"},
      {"--masks --lr 0.005", "[--lr] does nothing beside --masks"},
      {"--masks --teacher-forcing 1", "[--teacher-forcing] does nothing beside --masks"},
      {"--masks --dates 2", "[--dates] does nothing beside --masks"},
      {"--masks --seeds 2", "[--seeds] does nothing beside --masks"},
      {"--load m.st --translate 我 --seed 1", "[--seed] does nothing beside --load"},
      {"--load m.st --translate 我 --batch 1", "[--batch] does nothing beside --load"},
      {"--load m.st --interactive --lr 1", "[--lr] does nothing beside --load"},
      {"--load m.st --interactive --teacher-forcing 0",
       "[--teacher-forcing] does nothing beside --load"},
      {"--load m.st --translate 我 --hidden 32", "[--hidden] 32, but m.st has 16"},
  };
  for (const auto& [arguments, message] : runs) desk.refuses(arguments, message);
  // What the file has may be said once more; what is read, and what is never too much.
  for (const char* arguments :
       {"--load m.st --pairs a.tsv --embedding 8 --hidden 16 --level words --longest 60",
        "--load m.st --pairs a.tsv --lr 0.1 --seed 1 --batch 16 --teacher-forcing 1",
        "--load m.st --embedding 8 --hidden 16 --translate 我 --interactive </dev/null",
        "--count --threads 1", "--masks --seed 1 --steps 50",
        "--dates 2 --embedding 4 --hidden 4 --batch 2 --lr 0.1 --teacher-forcing 0.5 "
        "--steps 50 --seeds 1 --seed 1"}) {
    CAPTURE(std::string(arguments));
    Run result = desk(arguments);
    CHECK_MESSAGE(result.status == 0, result.err);
  }
}

TEST_CASE("pairs: a file of weights that is damaged or another's") {
  Desk desk;
  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  const std::string whole = desk.read("m.st");
  for (size_t size :
       {size_t(0), size_t(7), size_t(8), size_t(5000), whole.size() / 2, whole.size() - 1}) {
    desk.write("cut.st", whole.substr(0, size));
    desk.refuses("--load cut.st --translate 我", "cut.st: ");
  }
  desk.refuses("--load a.tsv --translate 我", "a.tsv: ");
  desk.refuses("--load missing.st --translate 我", "missing.st: cannot be opened");
  desk.refuses("--load out --translate 我", "out: not a file");

  const struct {
    const char *note, *text, *message;
  } notes[] = {
      {"lesson", "06", "g.st: saved by lesson 06, not by this one"},
      {"hidden", "17", "g.st: has no encoder.bridge.weight (17, 34)"},
      {"hidden", "many", "g.st: its hidden is 'many'"},
      {"dropout", "2", "g.st: [Dropout] dropout 2"},
      {"level", "letters", "g.st: its level is 'letters'"},
      {"epoch", "-1", "g.st: its epoch is '-1'"},
      {"best", "nan", "g.st: its best is 'nan'"},
      {"source words", "", "g.st: has no encoder.embedding.weight (0, 8)"},
      {"target words", "a\nb\na\n", "g.st: [Vocabulary] 'a' is there twice"},
  };
  for (const auto& one : notes) {
    garble(desk, "g.st", [&](heed::SafeTensors& file) { file.metadata[one.note] = one.text; });
    desk.refuses("--load g.st --translate 我", one.message);
    garble(desk, "g.st", [&](heed::SafeTensors& file) { file.metadata.erase(one.note); });
    desk.refuses("--load g.st --translate 我",
                 "g.st: says nothing about its " + std::string(one.note));
  }
  garble(desk, "g.st", [](heed::SafeTensors& file) {
    std::erase_if(file.tensors, [](auto& entry) { return entry.first.starts_with("last."); });
  });
  desk.refuses("--load g.st --pairs a.tsv --epochs 2 --save new.st",
               "g.st: [state] no name begins with last.");
}

TEST_CASE("pairs: a path that cannot be written is refused before the training") {
  Desk desk;
  fs::create_directory(desk.directory / "directory");
  desk.write("valid.tsv", corpus(10, 5));
  const std::string long_name(250, 'n');
  const std::pair<std::string, std::string> runs[] = {
      {"none/m.st", "cannot write none/m.st: there is no directory none"},
      {"directory", "cannot write directory: it is a directory"},
      {"directory/", "cannot write directory/: it is a directory"},
      {"a.tsv/m.st", "cannot write a.tsv/m.st: there is no directory a.tsv"},
      {"/dev/null", "cannot write /dev/null: it is not a regular file"},
      {long_name, "cannot write " + long_name + ": "},
      {"a.tsv", "[--save] a.tsv is the corpus itself"},
      {"./directory/../valid.tsv", "valid.tsv is the corpus itself"},
  };
  for (const auto& [path, message] : runs)
    desk.refuses(desk.small + "--pairs a.tsv --valid valid.tsv --save " + path, message);
  if (getuid() == 0) return;  // root may write anywhere
  fs::permissions(desk.directory / "directory", fs::perms::owner_read | fs::perms::owner_exec);
  desk.refuses("--pairs a.tsv --epochs 1 --save directory/m.st",
               "cannot write directory/m.st: Permission denied");
}

TEST_CASE("pairs: training that diverges ends with an error, and leaves the file as it was") {
  Desk desk;
  Run result = desk.train("--pairs a.tsv --lr 10 --teacher-forcing 1 --batch 2 --save new.st");
  CHECK(result.status == 1);
  CHECK(has(result.err, "error: [train] epoch 1: the perplexity is not finite"));
  CHECK(has(result.err, "smaller --lr than 10"));
  CHECK(!has(result.out, "inf"));
  CHECK(!desk.exists("new.st"));

  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  for (const char* part : {"model", "last"}) {
    garble(desk, "nan.st", [&](heed::SafeTensors& file) {
      for (auto& [name, tensor] : file.tensors)
        if (name == std::string(part) + ".decoder.out.bias")
          std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::byte(0xFF));
    });
    for (const char* arguments : {"--translate 我", "--pairs a.tsv --epochs 2 --save nan.st"})
      desk.refuses("--load nan.st " + std::string(arguments),
                   "[load] nan.st: " + std::string(part) +
                       ".decoder.out.bias holds nan, wanted finite numbers");
  }
  garble(desk, "huge.st", [](heed::SafeTensors& file) {
    for (auto& [name, tensor] : file.tensors)
      if (name.starts_with("adam.exp_avg."))
        std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::byte(0x7F));  // 3e38
  });
  auto before = desk.files();
  result = desk.train("--load huge.st --pairs a.tsv --epochs 2 --save huge.st");
  CHECK(result.status == 1);
  CHECK(has(result.err, "error: [train] epoch 2: the loss is not finite"));
  CHECK(desk.files() == before);
  result = desk.train("--pairs a.tsv --lr 10");  // finite, and very large
  CHECK(result.status == 0);
  std::string row = line_with(result, "    1  ");
  CHECK_MESSAGE((has(row, "e+") && row.size() < 80), row);

  desk.write("many.tsv", corpus(24000, 3));
  result = desk.train("--pairs many.tsv --batch 1 --epochs 100000 --save new.st");
  CHECK(result.status == 1);
  CHECK_MESSAGE(has(result.err, "error: [train] 100000 epochs of 23000 batches"), result.err);
}
