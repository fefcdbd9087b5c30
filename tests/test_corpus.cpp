// Text on its way into a model: UTF-8, lower case, words, vocabulary, pairs, batches.
#include "autograd/check.h"
#include <doctest/doctest.h>
#include <algorithm>
#include <map>
#include <numeric>
#include <sstream>
#include "lessons/support/examples.h"
#include "lessons/support/files.h"
#include "lessons/support/pairs.h"
#include "lessons/support/utf8.h"
#include "lessons/support/vocabulary.h"
#include "lessons/support/words.h"
#include "tests/expect_error.h"
#include "tests/run_command.h"

using namespace heed;
using namespace heed_tests;

namespace {

using Tokens = std::vector<std::string>;
constexpr size_t npos = std::string::npos;

std::string utf8_of(char32_t point) {
  std::string text;
  utf8::append(text, point);
  return text;
}

std::string words_of(std::string_view text) {
  std::string shown;
  for (const std::string& word : split(text, Level::words)) shown += "|" + word;
  return shown;
}

// A file with this text, read.
std::vector<Pair> pairs_in(std::string_view text) {
  TemporaryDirectory directory;
  write_file(directory / "corpus.tsv", std::string(text));
  return read_pairs(directory / "corpus.tsv");
}

Example example(std::vector<int> source, std::vector<int> target) {
  return {std::move(source), std::move(target)};
}

// n examples whose lengths are drawn: sources of 1 to 40 tokens, targets of about as many.
std::vector<Example> drawn_examples(int n, uint64_t seed) {
  Generator random(seed);
  std::vector<Example> examples;
  for (int i = 0; i < n; ++i) {
    size_t length = size_t(random.randint(1, 41)),
           other = length + size_t(random.randint(0, 5));
    examples.push_back(example(std::vector<int>(length, 7), std::vector<int>(other, 8)));
  }
  return examples;
}

}  // namespace

TEST_CASE("utf8: every sequence of one or two bytes is judged rightly") {
  for (int a = 0; a < 256; ++a) {
    CHECK(first_bad_utf8(std::string(1, char(a))) == (a < 0x80 ? npos : 0));
    for (int b = 0; b < 256; ++b) {
      bool pair = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
      size_t expected = pair ? npos : a >= 0x80 ? 0 : b >= 0x80 ? 1 : npos;
      CHECK(first_bad_utf8(std::string{char(a), char(b)}) == expected);
    }
  }
}

TEST_CASE("utf8: every code point but the surrogates is there, in its one form") {
  std::string all;
  for (char32_t point = 0; point < 0x110000; ++point) {
    bool surrogate = point >= 0xD800 && point < 0xE000;
    std::string text = utf8_of(point);
    if (surrogate) CHECK(first_bad_utf8(text) == 0);
    if (surrogate) continue;
    size_t length;
    if (utf8::decode(text, 0, length) != point || length != text.size())
      CHECK_MESSAGE(false, int(point));
    all += text;
  }
  CHECK(all.size() == 128 + 2 * 1920 + 3 * (65536 - 2048 - 2048) + 4 * 1048576);
  CHECK(first_bad_utf8(all) == npos);
}

TEST_CASE("utf8: the first bad byte") {
  const struct {
    std::string_view text;
    size_t bad;
  } cases[] = {
      {"", npos},
      {"plain", npos},
      {"a\xC3\xA4", npos},
      {"\xEF\xBF\xBD", npos},      // U+FFFD itself
      {"\xE0\xA0\x80", npos},      // U+0800
      {"\xE0\x9F\xBF", 0},         // U+07FF in three bytes
      {"\xED\x9F\xBF", npos},      // U+D7FF
      {"\xED\xA0\x80", 0},         // U+D800
      {"\xED\xBF\xBF", 0},         // U+DFFF
      {"\xEE\x80\x80", npos},      // U+E000
      {"\xF0\x90\x80\x80", npos},  // U+10000
      {"\xF0\x8F\xBF\xBF", 0},     // U+FFFF in four bytes
      {"\xF4\x8F\xBF\xBF", npos},  // U+10FFFF
      {"\xF4\x90\x80\x80", 0},     // U+110000
      {"\xF5\x80\x80\x80", 0},
      {"\xF8\x88\x80\x80\x80", 0},  // five bytes
      {"\xC0\x80", 0},              // NUL in two bytes
      {"\xC1\xBF", 0},
      {"ab\xE4", 2},  // Latin-1
      {"ab\xE4\x62", 2},
      {"ab\xE2\x82", 2},  // cut
      {"ab\xE2\x82z", 2},
      {"ab\xF0\x9F\x98", 2},
      {"\xC3\xA4\xA4", 2},  // a tail too many
      {"\xFF\xFEz", 0},
      {"\xE4\xB8\xAD\xE4\xB8", 3},
  };
  for (const auto& c : cases) {
    CAPTURE(std::string(c.text));
    CHECK(first_bad_utf8(c.text) == c.bad);
  }
}

TEST_CASE("lower case: Latin, Greek and Cyrillic as in Python, all else as it is") {
  std::map<char32_t, char32_t> expected;
  std::istringstream golden(read_file("tests/golden/lower_case.txt"));
  int lines = 0;
  for (std::string line; std::getline(golden, line);) {
    if (line[0] == '#') continue;
    if (line.starts_with("end")) CHECK(line == "end " + std::to_string(lines));
    size_t colon = line.find(':');
    if (colon == npos) continue;
    ++lines;
    char32_t first = char32_t(std::stoul(line, nullptr, 16)), point = first;
    std::istringstream forms(line.substr(colon + 1));
    for (std::string form; forms >> form; ++point)
      if (form != "-") expected[point] = char32_t(std::stoul(form, nullptr, 16));
    CHECK((point == first || point == first + 16));
  }
  CHECK(lines == 77);
  int changed = 0;
  for (char32_t point = 0; point < 0x110000; ++point) {
    auto found = expected.find(point);
    char32_t small = found == expected.end() ? point : found->second;
    changed += small != point;
    if (lower_case(utf8_of(point)) != utf8_of(small)) CHECK_MESSAGE(false, int(point));
  }
  CHECK(changed == 554);
}

TEST_CASE("lower case: whole texts") {
  CHECK(lower_case("") == "");
  CHECK(lower_case("Zwei ÄLTERE Männer, GROSS") == "zwei ältere männer, gross");
  CHECK(lower_case("ÉCOLE ŒUVRE ŸVES") == "école œuvre ÿves");
  CHECK(lower_case("ПРИВЕТ Ёж ЇЖАК") == "привет ёж їжак");
  CHECK(lower_case("中文 ΩΔ עברית 日本") == "中文 ωδ עברית 日本");
  CHECK(lower_case("Ο ΟΔΥΣΣΕΥΣ, ΤΗΣ ΟΔΟΥ") == "ο οδυσσευς, της οδου");
  CHECK(lower_case("Σ ΑΣ\u0301 ΑΣ1 «ΣΑΣ»") == "σ ασ\u0301 ασ1 «σας»");
  CHECK(lower_case("Α\u0301Σ") == "α\u0301ς");
  CHECK(lower_case("ẞ ſ ß") == "ß ſ ß");
  CHECK(lower_case(std::string("A\0B", 3)) == std::string("a\0b", 3));
  CHECK(lower_case("A\xE4\xC3") == "a\xE4\xC3");  // not UTF-8: as it is
}

TEST_CASE("split: words of many languages") {
  const char* cases[][2] = {
      {"", ""},
      {" \t\r\n", ""},
      {"Two young, White males.", "|Two|young|,|White|males|."},
      {"don't stop", "|don|'|t|stop"},
      {"a man's t-shirt (no. 12b)...", "|a|man|'|s|t|-|shirt|(|no|.|12b|)|.|.|."},
      {"snake_case 3.14 50%", "|snake_case|3|.|14|50|%"},
      {"„Größe“ – für 5 €", "|„|Größe|“|–|für|5|€"},
      {"L’été, c’est «bien»\u00A0!", "|L|’|été|,|c|’|est|«|bien|»|!"},
      {"Τι κάνεις; Καλά.", "|Τι|κάνεις|;|Καλά|."},
      {"Привет, мир! Съешь ещё", "|Привет|,|мир|!|Съешь|ещё"},
      {"我爱你。OK吗?", "|我|爱|你|。|OK|吗|?"},
      {"これはペンです。", "|こ|れ|は|ペ|ン|で|す|。"},
      {"ภาษาไทยดี", "|ภ|า|ษ|า|ไ|ท|ย|ดี"},
      {"한국어 좋아요!", "|한국어|좋아요|!"},
      {"مرحبا، كيف حالك؟", "|مرحبا|،|كيف|حالك|؟"},
      {"שלום, עולם", "|שלום|,|עולם"},
      {"हिन्दी में लिखो।", "|हिन्दी|में|लिखो|।"},
      {"cafe\u0301 na\u0308h", "|cafe\u0301|na\u0308h"},
      {"か\u3099く", "|か\u3099|く"},
      {"go🙂🙂home", "|go|🙂|🙂|home"},
      {"👍🏽 ❤\uFE0F", "|👍🏽|❤\uFE0F"},
      {"👩\u200D👧x", "|👩\u200D👧|x"},
      {"m² H₂O ½", "|m²|H₂O|½"},
      {"2×3÷4", "|2|×|3|÷|4"},
      {"a\u3000b\u2009c\u200Bd", "|a|b|c|d"},
      {"\u0301x \u0301", "|\u0301x|\u0301"},
      {"a\xFF\xE4z", "|a|\uFFFD|\uFFFD|z"},
  };
  for (const auto& [text, words] : cases) CHECK(words_of(text) == words);
}

TEST_CASE("split: letters, signs and blanks are those of Python's re") {
  std::istringstream golden(read_file("tests/golden/words.txt"));
  int lines = 0;
  for (std::string line; std::getline(golden, line);) {
    if (line[0] == '#') continue;
    if (line.starts_with("end")) CHECK(line == "end " + std::to_string(lines));
    size_t colon = line.find(':');
    if (colon == npos) continue;
    ++lines;
    REQUIRE(line.size() == colon + 2 + 64);
    char32_t point = char32_t(std::stoul(line, nullptr, 16));
    for (char kind : line.substr(colon + 2)) {
      std::string c = utf8_of(point++);
      std::string expected = kind == 's'   ? "|a|" + c + "|z"
                             : kind == 'b' ? "|a|z"
                                           : "|a" + c + "z";
      if (kind != '.' && words_of("a" + c + "z") != expected)
        CHECK_MESSAGE(false, line.substr(0, colon), ": ", c, " is ", kind);
    }
  }
  CHECK(lines == 185);
}

TEST_CASE("split: characters are all code points") {
  CHECK(split("aé 中🙂", Level::characters) == Tokens{"a", "é", " ", "中", "🙂"});
  CHECK(split("", Level::characters).empty());
  CHECK(split("a\xFFz", Level::characters) == Tokens{"a", "\uFFFD", "z"});
}

TEST_CASE("split: no byte but blanks is lost; a text is blank if it has no word") {
  for (char32_t point = 0; point < 0x20000; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    std::string one = utf8_of(point);
    Tokens words = split(one, Level::words);
    bool is_blank = blank(one);
    if (words != (is_blank ? Tokens{} : Tokens{one})) CHECK_MESSAGE(false, int(point));
    std::string text = "a " + one + " b";
    if (join(split(text, Level::words), Level::words) != (is_blank ? "a b" : text))
      CHECK_MESSAGE(false, int(point));
  }
  CHECK(blank(""));
  CHECK(blank(" \u00A0\t"));
  CHECK(!blank(" ."));
  CHECK(!blank("\xFF"));
}

TEST_CASE("join: words by blanks, characters by nothing") {
  CHECK(join({}, Level::words) == "");
  CHECK(join({"a", "b", "."}, Level::words) == "a b .");
  CHECK(join({"", "b"}, Level::words) == " b");
  CHECK(join({"a", " ", "中"}, Level::characters) == "a 中");
}

TEST_CASE("vocabulary: a word's id is its place") {
  Vocabulary vocabulary({"a", "中", "b c"});
  CHECK(vocabulary.size() == 3);
  for (int i = 0; i < 3; ++i) CHECK(vocabulary.find(vocabulary.word(i)) == i);
  CHECK(vocabulary.word(1) == "中");
  CHECK(vocabulary.words() == Tokens{"a", "中", "b c"});
  CHECK(vocabulary.find("A") == -1);
  CHECK(vocabulary.find("") == -1);
  CHECK(Vocabulary().size() == 0);
  CHECK(Vocabulary().find("a") == -1);
  Vocabulary copy = vocabulary;
  vocabulary = Vocabulary();
  CHECK(copy.find("b c") == 2);
  expect_error([&] { copy.word(3); }, {"[Vocabulary] no word has id 3", "3 words"});
  expect_error([&] { copy.word(-1); }, {"[Vocabulary] no word has id -1"});
  expect_error(
      [&] {
        Vocabulary({"a", "b", "a"});
      },
      {"[Vocabulary] 'a' is there twice", "0 and 2"});
  expect_error([&] { Vocabulary({"a", ""}); }, {"[Vocabulary] word 1 is empty"});
}

TEST_CASE("vocabulary: counted, the most frequent first, equal counts in byte order") {
  std::vector<Tokens> texts = {{"b", "a", "ä", "b"}, {}, {"Z", "a", "c", "b"}, {"ä", "d"}};
  const Tokens specials = {"<pad>", "<bos>", "<eos>", "<unk>"};
  auto counted = [&](int min_count) {
    Tokens words = count_vocabulary(texts, min_count).words();
    CHECK(Tokens(words.begin(), words.begin() + 4) == specials);
    return Tokens(words.begin() + 4, words.end());
  };
  CHECK(counted(1) == Tokens{"b", "a", "ä", "Z", "c", "d"});
  CHECK(counted(2) == Tokens{"b", "a", "ä"});
  CHECK(counted(3) == Tokens{"b"});
  CHECK(counted(4).empty());
  CHECK(count_vocabulary(texts, 2).find("<unk>") == UNK);
  CHECK(count_vocabulary(texts, 2).find("<pad>") == PAD);
  CHECK(count_vocabulary(texts, 2).find("<bos>") == BOS);
  CHECK(count_vocabulary(texts, 2).find("<eos>") == EOS);
  CHECK(count_vocabulary({}, 1).words() == specials);
  expect_error([&] { count_vocabulary(texts, 0); }, {"[count_vocabulary] min_count = 0"});
  expect_error([&] { count_vocabulary({{""}}, 1); }, {"[Vocabulary] word 4 is empty"});
}

TEST_CASE("vocabulary: a text that has <unk> and the like means these") {
  Vocabulary vocabulary = count_vocabulary({{"<unk>", "a", "<unk>", "<eos>"}}, 1);
  CHECK(vocabulary.words() == Tokens{"<pad>", "<bos>", "<eos>", "<unk>", "a"});
}

TEST_CASE("pairs: source, tab, target, whatever the line ends with") {
  const std::vector<Pair> two = {{"Ein Hund.", "A dog."}, {"Zwei 猫", "two cats"}};
  for (const char* text : {
           "Ein Hund.\tA dog.\nZwei 猫\ttwo cats\n",
           "Ein Hund.\tA dog.\nZwei 猫\ttwo cats",
           "Ein Hund.\tA dog.\r\nZwei 猫\ttwo cats\r\n",
           "Ein Hund.\tA dog.\nZwei 猫\ttwo cats\r",
           "\uFEFFEin Hund.\tA dog.\nZwei 猫\ttwo cats\n",
           "Ein Hund.\tA dog.\nZwei 猫\ttwo cats\n\n\r\n\n",
           "Ein Hund.\tA dog.\tCC-BY 2.0\t#3\nZwei 猫\ttwo cats\t\n",
       }) {
    CAPTURE(text);
    CHECK(pairs_in(text) == two);
  }
  CHECK(pairs_in(" a \t b ") == std::vector<Pair>{{" a ", " b "}});
  CHECK(pairs_in("\uFEFF\uFEFFa\tb")[0].source == "\uFEFFa");  // one mark, not two
}

TEST_CASE("pairs: each mistake names path and line") {
  using namespace std::string_view_literals;
  const struct {
    std::string_view text;
    const char* message;
  } mistakes[] = {
      {"a\tb\nc d\ne\tf\n"sv, "corpus.tsv, line 2: no tab; a line is source, tab, target"},
      {"a\tb\n\nc\td\n"sv, "corpus.tsv, line 2: no tab"},
      {"\na\tb\n"sv, "corpus.tsv, line 1: no tab"},
      {"a\tb\n   \n"sv, "corpus.tsv, line 2: no tab"},
      {"\tb\n"sv, "corpus.tsv, line 1: no text before the tab"},
      {"\uFEFF\tb\n"sv, "corpus.tsv, line 1: no text before the tab"},
      {"a\tb\na\t\r\n"sv, "corpus.tsv, line 2: no text after the tab"},
      {"a\t\tb\n"sv, "corpus.tsv, line 1: no text after the tab"},
      {"a\t \u00A0\u3000\n"sv, "corpus.tsv, line 1: no text after the tab"},
      {"a\tb\r\nc\td\r\nM\xE4nner\tmen\r\n"sv,
       "corpus.tsv, line 3: byte 2 of the line is no UTF-8; save the file as UTF-8"},
      {"\xFF\xFE\x61\0\t\0"sv, "corpus.tsv, line 1: byte 1 of the line is no UTF-8"},
      {"a\tb\tc\xC3"sv, "corpus.tsv, line 1: byte 6 of the line is no UTF-8"},
      {"a\tb\nc\tx\0y\n"sv, "corpus.tsv, line 2: byte 4 of the line is NUL"},
      {""sv, "corpus.tsv: no pairs; a line is source, tab, target"},
      {"\n\r\n"sv, "corpus.tsv: no pairs"},
      {"\uFEFF"sv, "corpus.tsv: no pairs"},
  };
  for (const auto& mistake : mistakes) {
    CAPTURE(std::string(mistake.text));
    expect_error([&] { pairs_in(mistake.text); }, {mistake.message});
  }
  TemporaryDirectory directory;
  expect_error([&] { read_pairs(directory / "none.tsv"); },
               {"cannot read ", "/none.tsv: No such file"});
  expect_error([&] { read_pairs(directory.path); },
               {"cannot read ", directory.path.c_str(), ": it is a directory"});
}

TEST_CASE("pairs: a line of a megabyte, and many lines") {
  std::string megabyte(1 << 20, 'x');
  std::vector<Pair> pairs = pairs_in(megabyte + "\t" + megabyte + "y\na\tb");
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].source == megabyte);
  CHECK(pairs[0].target == megabyte + "y");
  CHECK(pairs[1] == Pair{"a", "b"});
  CHECK(split(megabyte, Level::words) == Tokens{megabyte});

  std::string many;
  for (int i = 0; i < 10000; ++i) many += std::to_string(i) + "\tn " + std::to_string(i) + "\n";
  pairs = pairs_in(many);
  REQUIRE(pairs.size() == 10000);
  CHECK(pairs[9999] == Pair{"9999", "n 9999"});
}

TEST_CASE("batch: padded to the longest, <bos> before the target, <eos> after it") {
  const std::vector<Example> examples = {example({11, 12}, {21, 22, 23}), example({13}, {}),
                                         example({14, 15, 16}, {24})};
  Batch all = make_batch(examples);
  CHECK(all.size == 3);
  CHECK(all.source_length == 3);
  CHECK(all.target_length == 4);
  CHECK(all.lengths == std::vector<int>{2, 1, 3});
  CHECK(all.source == std::vector<int>{11, 12, PAD, 13, PAD, PAD, 14, 15, 16});
  CHECK(all.input == std::vector<int>{BOS, 21, 22, 23, BOS, PAD, PAD, PAD, BOS, 24, PAD, PAD});
  CHECK(all.labels == std::vector<int>{21, 22, 23, EOS, EOS, PAD, PAD, PAD, 24, EOS, PAD, PAD});

  Batch some = make_batch(examples, std::vector<int>{2, 1});
  CHECK(some.size == 2);
  CHECK(some.source_length == 3);
  CHECK(some.target_length == 2);
  CHECK(some.lengths == std::vector<int>{3, 1});
  CHECK(some.source == std::vector<int>{14, 15, 16, 13, PAD, PAD});
  CHECK(some.input == std::vector<int>{BOS, 24, BOS, PAD});
  CHECK(some.labels == std::vector<int>{24, EOS, EOS, PAD});

  CHECK(make_batch(examples, std::vector<int>{1, 1}).labels == std::vector<int>{EOS, EOS});
}

TEST_CASE("batch: mistakes") {
  std::vector<Example> examples = {example({1}, {2}), example({}, {2})};
  expect_error([&] { make_batch({}); }, {"[make_batch] no examples"});
  expect_error([&] { make_batch(examples, std::vector<int>{}); }, {"[make_batch] no examples"});
  expect_error([&] { make_batch(examples); },
               {"[make_batch] the source of example 1 has no tokens"});
  expect_error(
      [&] {
        make_batch(examples, std::vector<int>{0, 2});
      },
      {"[make_batch] no example 2: there are 2"});
  expect_error([&] { make_batch(examples, std::vector<int>{-1}); },
               {"[make_batch] no example -1"});
  CHECK(make_batch(examples, std::vector<int>{0}).size == 1);
}

TEST_CASE("similar lengths: each example once, in batches of similar lengths") {
  const std::vector<Example> examples = drawn_examples(1003, 1);
  Generator random(5);
  auto batches = similar_lengths(examples, 16, 20, random);
  CHECK(batches.size() == 63);
  std::vector<int> all;
  int short_ones = 0, padded = 0, tokens = 0;
  for (const auto& batch : batches) {
    short_ones += batch.size() != 16;
    all.insert(all.end(), batch.begin(), batch.end());
    Batch made = make_batch(examples, batch);
    padded += made.size * made.target_length;
    for (int i : batch) tokens += int(examples[size_t(i)].target.size()) + 1;
  }
  CHECK(short_ones == 1);
  std::sort(all.begin(), all.end());
  std::vector<int> expected(1003);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(all == expected);
  CHECK(padded < 1.15 * tokens);  // in the order of the shuffle it is about 1.8
}

TEST_CASE("similar lengths: the order is drawn, and drawn again the same") {
  const std::vector<Example> examples = drawn_examples(200, 2);
  auto drawn = [&](uint64_t seed) {
    Generator random(seed);
    return similar_lengths(examples, 8, 5, random);
  };
  CHECK(drawn(3) == drawn(3));
  CHECK(drawn(3) != drawn(4));
  Generator random(3);
  auto first = similar_lengths(examples, 8, 5, random);
  CHECK(first == drawn(3));
  CHECK(similar_lengths(examples, 8, 5, random) != first);  // the next epoch's
}

// 3 pools of 4 batches of 5, the last pool of 2 batches, the last batch of 3.
TEST_CASE("similar lengths: pools are cut from a shuffle, sorted each, and mixed") {
  const int n = 3 * 20 + 8;
  const std::vector<Example> examples = drawn_examples(n, 3);
  Generator random(6), copy = random;
  auto batches = similar_lengths(examples, 5, 4, random);
  std::vector<int> shuffled = copy.randperm(n), pool_of(n), pools;
  for (int i = 0; i < n; ++i) pool_of[size_t(shuffled[size_t(i)])] = i / 20;
  auto lengths = [&](int i) {
    const Example& e = examples[size_t(i)];
    return std::pair(e.target.size(), e.source.size());
  };
  std::vector<std::vector<std::vector<int>>> sorted(4);
  for (const auto& batch : batches) {
    pools.push_back(pool_of[size_t(batch[0])]);
    for (int i : batch) CHECK(pool_of[size_t(i)] == pools.back());
    sorted[size_t(pools.back())].push_back(batch);
  }
  CHECK(batches.size() == 14);
  CHECK(!std::is_sorted(pools.begin(), pools.end()));
  CHECK(batches.back().size() == 5);  // the short one is among the others
  int in_order = 0;
  for (auto& pool : sorted) {
    auto shorter = [&](int i, int j) { return lengths(i) < lengths(j); };
    auto first = [&](const auto& a, const auto& b) { return shorter(a[0], b[0]); };
    in_order += std::is_sorted(pool.begin(), pool.end(), first);
    std::sort(pool.begin(), pool.end(), first);
    std::vector<int> all;
    for (const auto& batch : pool) all.insert(all.end(), batch.begin(), batch.end());
    CHECK(std::is_sorted(all.begin(), all.end(), shorter));
  }
  CHECK(in_order < 2);  // but the last, of two batches
}

TEST_CASE("similar lengths: equal lengths stay in the shuffle's order") {
  const std::vector<Example> examples(50, example({1, 2}, {3}));
  Generator random(7), copy = random;
  auto batches = similar_lengths(examples, 50, 1, random);
  REQUIRE(batches.size() == 1);
  CHECK(batches[0] == copy.randperm(50));
}

TEST_CASE("similar lengths: sizes at the border, and mistakes") {
  const std::vector<Example> examples = drawn_examples(5, 4);
  Generator random(8);
  CHECK(similar_lengths(examples, 1, 1, random).size() == 5);
  CHECK(similar_lengths(examples, 5, 1, random).size() == 1);
  CHECK(similar_lengths(examples, 2147483647, 2147483647, random).size() == 1);
  expect_error([&] { similar_lengths({}, 1, 1, random); }, {"[similar_lengths] no examples"});
  expect_error([&] { similar_lengths(examples, 0, 1, random); },
               {"[similar_lengths] batch size 0: must be at least 1"});
  expect_error([&] { similar_lengths(examples, 1, -1, random); },
               {"[similar_lengths] pool = -1 batches: must be at least 1"});
}
