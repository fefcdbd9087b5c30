// BLEU against sacrebleu: tests/golden/bleu.txt, made by make_bleu.py.
#include "lessons/support/bleu.h"
#include "tests/expect_error.h"
#include <doctest/doctest.h>
#include <cmath>
#include <fstream>
#include <sstream>

using namespace heed;
using namespace heed_tests;

namespace {

using Corpus = std::vector<std::vector<std::string>>;

std::vector<std::string> rest_of(std::istream& in) {
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace

TEST_CASE("bleu: score, precisions and brevity are sacrebleu's") {
  std::ifstream file("tests/golden/bleu.txt");
  REQUIRE(file);
  Corpus hypotheses, references;
  int lines = 0, promised = -1, corpora = 0;
  for (std::string line, kind; std::getline(file, line); ++lines) {
    std::istringstream in(line);
    in >> kind;
    if (kind == "#") --lines;
    if (kind == "h") hypotheses.push_back(rest_of(in));
    if (kind == "r") references.push_back(rest_of(in));
    if (kind == "end" && in >> promised) break;
    if (kind != "bleu") continue;
    ++corpora;
    INFO("corpus ", corpora, ": ", line);
    Bleu bleu = corpus_bleu(hypotheses, references);
    const double* p = bleu.precisions;
    for (double got : {bleu.score, p[0], p[1], p[2], p[3], bleu.brevity}) {
      double expected = -1;
      in >> expected;
      CHECK(std::abs(got - expected) < 1e-12);
      CHECK(got >= 0);
      CHECK(got <= 1);
    }
    hypotheses.clear(), references.clear();
  }
  CHECK(lines == promised);  // the file is whole
  CHECK(corpora == 56);
}

TEST_CASE("bleu: of a corpus with itself it is exactly 1") {
  Corpus corpus = {{"a", "small", "cat", "eats", "."}, {"a", "dog"}, {}};
  CHECK(corpus_bleu(corpus, corpus).score == 1);
}

TEST_CASE("bleu: n-grams are sequences of whole tokens") {
  CHECK(corpus_bleu({{"ab", "c"}}, {{"a", "bc"}}).precisions[0] == 0);
  CHECK(corpus_bleu({{"a b", "c"}}, {{"a", "b c"}}).precisions[1] == 0);
}

TEST_CASE("bleu: no sentences, or different numbers of them, are refused") {
  expect_error([] { corpus_bleu({}, {}); }, {"[corpus_bleu]", "no sentences"});
  expect_error([] { corpus_bleu({}, {{"a"}}); }, {"[corpus_bleu]"});
  expect_error(
      [] {
        corpus_bleu({{"a"}, {"b"}}, {{"a"}});
      },
      {"[corpus_bleu]", "2 hypotheses", "1 references"});
}
