// Lesson 06 with a corpus of the reader's own. What it shares with lesson 04 is tested there
// (test_pairs.cpp, test_checkpoint.cpp); here is what the Transformer adds.
#include "lessons/06_transformer/corpus.h"
#include "tests/desk.h"
#include "tests/expect_error.h"

using namespace heed;
using namespace heed_tests;
using namespace lesson_06;

namespace {

struct Desk : LessonDesk {
  Desk()
      : LessonDesk("lesson-06",
                   "--width 8 --heads 2 --hidden 12 --layers 1 --batch 32 --epochs 1 ") {}
};

Language some_words() {
  Language language;
  language.source = Vocabulary({"<pad>", "<bos>", "<eos>", "<unk>", "ein", "Mann", "geht"});
  language.target = Vocabulary({"<pad>", "<bos>", "<eos>", "<unk>", "a", "man", "walks"});
  language.longest = 9;
  return language;
}

bool same_weights(const Transformer& a, const Transformer& b) {
  auto x = a.named_parameters(), y = b.named_parameters();
  bool equal = x.size() == y.size();
  for (size_t i = 0; equal && i < x.size(); ++i)
    equal = x[i].first == y[i].first && x[i].second.to_vector() == y[i].second.to_vector();
  return equal;
}

}  // namespace

// ---- In a file

TEST_CASE("pairs_06: a Transformer comes back from its file as it was") {
  TemporaryDirectory directory;
  manual_seed(0);
  const Language language = some_words();
  for (Norm norm : {Norm::first, Norm::last}) {
    Checkpoint saved({7, 7, 6, 3, 10, 2, 1, norm, 0.1234567, 11}, language);
    saved.write(directory / "m.st");
    Checkpoint read = Checkpoint::read(directory / "m.st");
    for (int Sizes::*size :
         {&Sizes::source_words, &Sizes::target_words, &Sizes::width, &Sizes::heads,
          &Sizes::hidden, &Sizes::encoder_layers, &Sizes::decoder_layers, &Sizes::longest})
      CHECK(read.sizes.*size == saved.sizes.*size);
    CHECK(read.sizes.norm == norm);
    CHECK(read.sizes.dropout == 0.1234567);
    CHECK(same_weights(read.model, saved.model));
  }
}

TEST_CASE("pairs_06: a model for dates translates them from its file") {
  TemporaryDirectory directory;
  manual_seed(0);
  Checkpoint saved(sizes_for_dates(), date_language(), Transformer(sizes_for_dates()));
  saved.write(directory / "dates.st");
  Checkpoint read = Checkpoint::read(directory / "dates.st");
  CHECK(same_weights(read.model, saved.model));
  Settings settings;
  settings.translate = "5/3/79";
  Run before = captured([&] { return talk(settings, saved), 0; }),
      after = captured([&] { return talk(settings, read), 0; });
  CHECK(before.out == after.out);
  CHECK(has(after.out, "5/3/79"));
}

TEST_CASE("pairs_06: the longest sentence, its two ends included, has a position") {
  Settings settings;
  settings.width = 4, settings.heads = 2, settings.hidden = 4, settings.layers = 1;
  Checkpoint fresh = new_model(settings, some_words());
  fresh.model.eval();
  NoGrad guard;
  std::vector<std::string> unknown;
  auto longest = fresh.language.read("ein Mann geht ein Mann geht ein Mann geht", unknown);
  Example example{longest, {}};
  Translation writer(fresh.model, make_batch(std::span(&example, 1)));
  greedy(writer, 1, fresh.language.longest);  // an error if a position were missing
  CHECK(longest.size() == 11);
}

TEST_CASE("pairs_06: a map shows the mean of all heads, of all layers") {
  manual_seed(3);
  const Language language = some_words();
  Checkpoint saved({7, 7, 6, 3, 10, 1, 2, Norm::first, 0, 11}, language);
  saved.model.eval();
  NoGrad guard;
  std::vector<std::string> unknown;
  Example example{language.read("ein Mann geht", unknown), {}};
  Translation writer(saved.model, make_batch(std::span(&example, 1)));
  greedy(writer, 1, language.longest);
  REQUIRE(writer.weights[0].shape() == Shape{1, 6, 5});
  HeatMap map = map_of(saved.model, language, "ein Mann geht");
  for (int64_t key = 0; key < 5; ++key) {
    double sum = 0;
    for (int64_t head = 0; head < 6; ++head)
      sum += double(writer.weights[0].at({0, head, key}));
    CHECK(map.values[size_t(key)] == doctest::Approx(sum / 6));
  }
}

TEST_CASE("pairs_06: a perplexity is measured without dropout and without smoothing") {
  manual_seed(1);
  Sizes sizes{7, 7, 8, 2, 8, 1, 1, Norm::first, 0.5, 11};
  Transformer model(sizes);
  std::vector<Example> examples = {{{BOS, 4, 5, EOS}, {4, 5}}, {{BOS, 6, EOS}, {6}}};
  std::vector<Batch> batches{make_batch(examples)};
  double measured = perplexity(model, batches).told;
  CHECK(model.training);
  model.eval();
  NoGrad guard;
  Tensor scores = log_softmax(model.out(model(batches[0])), 2);
  double sum = 0;
  for (auto [row, place, word] :
       {std::tuple(0, 0, 4), {0, 1, 5}, {0, 2, EOS}, {1, 0, 6}, {1, 1, EOS}})
    sum -= double(scores.at({row, place, word}));
  CHECK(measured == doctest::Approx(exact::exp(sum / 5)));
}

// ---- On the command line

TEST_CASE("pairs_06: a corpus in many scripts is learnt, saved, and used") {
  Desk desk;
  desk.write("a.tsv", corpus(1500, 1));
  Run result = desk(
      "--width 32 --heads 4 --hidden 32 --layers 1 --batch 32 --dropout 0 "
      "--pairs a.tsv --test a.tsv --lr 0.01 --epochs 6 --save m.st");
  REQUIRE_MESSAGE(result.status == 0, result.err);
  CHECK(result.err == "");
  auto rows = epochs_of(result);
  REQUIRE(rows.size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    REQUIRE(rows[i].size() == 6);  // epoch, training, told, seconds, left, GB
    CHECK(rows[i][0] == double(i + 1));
  }
  CHECK(rows[0][2] > 3);
  CHECK(rows[5][2] < 2);
  for (const char* figure :
       {"told the right ones", "BLEU, greedy", "BLEU, beam of 5", "written"})
    CHECK(line_with(result, figure) != "");
  CHECK(!has(result.out, "on its own words"));

  result = desk("--load m.st --translate 'NAÏVE 猫 qwertz.'");
  CHECK(result.status == 0);
  auto lines = lines_of(result.out);
  REQUIRE(lines.size() > 2);
  CHECK(result.err == "warning: 'qwertz' was never seen in training\n");
  CHECK(lines[0].ends_with("!"));
  CHECK(lines[1] == "NAÏVE 猫 qwertz.");  // the map's title
}

TEST_CASE("pairs_06: training that Ctrl-C ended goes on to the same file") {
  Desk desk;
  desk.write("a.tsv", corpus(1500, 2));
  const std::string sizes = "--width 8 --heads 2 --hidden 12 --layers 1 --norm last ",
                    training = "--pairs a.tsv --epochs 5 --batch 8 --lr 0.01 --seed 3 ";
  Run whole = desk(sizes + training + "--save whole.st");
  REQUIRE_MESSAGE(whole.status == 0, whole.err);
  CHECK(interrupted(desk, sizes + training + "--save part.st") == 128 + SIGINT);
  REQUIRE(desk.exists("part.st"));
  CHECK(desk.read("part.st") != desk.read("whole.st"));
  Run rest = desk("--load part.st --save part.st " + training);
  CHECK_MESSAGE(rest.status == 0, rest.err);
  CHECK(epochs_of(rest).size() >= 2);
  CHECK(desk.read("part.st") == desk.read("whole.st"));
}

TEST_CASE("pairs_06: options that contradict each other") {
  Desk desk;
  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  const struct {
    const char *arguments, *message;
  } runs[] = {
      {"--pairs a.tsv --steps 60", "[--steps] is for the lesson's own tasks"},
      {"--pairs a.tsv --seeds 1", "[--seeds] is for the lesson's own tasks"},
      {"--load m.st --translate 我 --warm-up", "[--warm-up] is for the lesson's own tasks"},
      {"--width 64", "[--width] is for a corpus of your own"},
      {"--heads 1", "[--heads] is for a corpus of your own"},
      {"--hidden 64", "[--hidden] is for a corpus of your own"},
      {"--layers 2", "[--layers] is for a corpus of your own"},
      {"--batch 64", "[--batch] is for a corpus of your own"},
      {"--valid a.tsv", "[--valid] is for a corpus of your own"},
      {"--pairs a.tsv --width 8 --heads 3", "[--heads] 3 heads share 8 numbers (--width)"},
      {"--load m.st", "[--load] nothing to do with m.st"},
      {"--load m.st --translate 我 --save b.st", "[--save] nothing is trained"},
      {"--warm-up --save b.st", "[--warm-up] compares models"},
      {"--warm-up --translate 5/3/79", "[--warm-up] compares models"},
      {"--warm-up --lr 0.01", "[--lr] does nothing beside --warm-up"},
      {"--warm-up --steps 300", "[--steps] does nothing beside --warm-up"},
      {"--warm-up --norm first", "[--norm] does nothing beside --warm-up"},
      {"--load m.st --translate 我 --lr 1", "[--lr] does nothing beside --load"},
      {"--load m.st --interactive --seed 1", "[--seed] does nothing beside --load"},
      {"--load m.st --pairs a.tsv --width 16", "[--width] 16, but m.st has 8"},
      {"--load m.st --pairs a.tsv --heads 4", "[--heads] 4, but m.st has 2"},
      {"--load m.st --pairs a.tsv --heads 3", "[--heads] 3, but m.st has 2"},
      {"--load m.st --pairs a.tsv --min-count 5", "[--min-count] 5, but m.st has its words"},
      {"--load m.st --pairs a.tsv --hidden 16", "[--hidden] 16, but m.st has 12"},
      {"--load m.st --pairs a.tsv --layers 3", "[--layers] 3, but m.st has 1"},
      {"--load m.st --pairs a.tsv --norm last", "[--norm] last, but m.st has first"},
      {"--load m.st --pairs a.tsv --dropout 0.4", "[--dropout] 0.4, but m.st has 0.2"},
  };
  for (const auto& [arguments, message] : runs) desk.refuses(arguments, message);
  for (const char* arguments :
       {"--load m.st --pairs a.tsv --epochs 1 --norm first --longest 60 --lr 0.1 --seed 1",
        "--load m.st --translate 我 --norm first"}) {
    CAPTURE(std::string(arguments));
    Run result = desk(arguments);
    CHECK_MESSAGE(result.status == 0, result.err);
  }
}

TEST_CASE("pairs_06: a file of weights that is damaged or another's") {
  Desk desk;
  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  const std::string whole = desk.read("m.st");
  for (size_t size : {size_t(0), size_t(8), whole.size() / 2, whole.size() - 1}) {
    desk.write("cut.st", whole.substr(0, size));
    desk.refuses("--load cut.st --translate 我", "cut.st: ");
  }
  const struct {
    const char *note, *text, *message;
  } notes[] = {
      {"lesson", "04", "g.st: saved by lesson 04, not by this one"},
      {"width", "9", "g.st: has no source.weight"},
      {"heads", "3", "g.st: [MultiHeadAttention] width 8 for 3 heads"},
      {"hidden", "13", "g.st: has no encoder.layers.0.linear1.weight (13, 8)"},
      {"encoder layers", "2", "g.st: has no encoder.layers.1.linear1.weight (12, 8)"},
      {"decoder layers", "2", "g.st: has no decoder.layers.1.linear1.weight (12, 8)"},
      {"decoder layers", "0", "g.st: its decoder layers is '0'"},
      {"positions", "61", "g.st: its positions is '61'"},
      {"positions", "70", "g.st: has no positions.pe (1, 70, 8)"},
      {"norm", "middle", "g.st: its norm is 'middle': first or last wanted"},
      {"norm", "last", "g.st: "},  // one more in the encoder than such a model has
      {"dropout", "2", "dropout 2"},
      {"dropout", " 0x1p-1", "g.st: its dropout is ' 0x1p-1'"},
  };
  for (const auto& one : notes) {
    garble(desk, "g.st", [&](SafeTensors& file) { file.metadata[one.note] = one.text; });
    desk.refuses("--load g.st --translate 我", one.message);
    garble(desk, "g.st", [&](SafeTensors& file) { file.metadata.erase(one.note); });
    desk.refuses("--load g.st --translate 我",
                 "g.st: says nothing about its " + std::string(one.note));
  }
}

TEST_CASE("pairs_06: a path that cannot be written, and training that diverges") {
  Desk desk;
  desk.refuses(desk.small + "--pairs a.tsv --save none/m.st",
               "cannot write none/m.st: there is no directory none");
  desk.refuses(desk.small + "--pairs a.tsv --save a.tsv",
               "[--save] a.tsv is the corpus itself");
  REQUIRE(desk.train("--pairs a.tsv --save m.st").status == 0);
  garble(desk, "huge.st", [](SafeTensors& file) {
    for (auto& [name, tensor] : file.tensors)
      if (name.starts_with("adam.exp_avg."))
        std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::byte(0x7F));  // 3e38
  });
  auto before = desk.files();
  Run result = desk.train("--load huge.st --pairs a.tsv --epochs 2 --save huge.st");
  CHECK(result.status == 1);
  CHECK(has(result.err, "error: [train] epoch 2: the loss is not finite"));
  CHECK(desk.files() == before);
}
