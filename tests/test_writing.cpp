// Greedy and beam search, on writers whose next word follows from a small table.
#include "lessons/support/writing.h"
#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include "autograd/random.h"
#include "autograd/tensor.h"
#include "tests/expect_error.h"

using namespace heed;
using namespace heed_tests;

namespace {

using Words = std::vector<int>;

// Scores of the next word after any two words, for a vocabulary of V.
class Table {
 public:
  Table(int V, uint64_t seed) : V(V), scores_(size_t(V * V * V)) {
    Generator(seed).normal(scores_.data(), std::ssize(scores_));
  }
  // Where one word always follows another: successor[word].
  explicit Table(const Words& successor)
      : V(int(successor.size())), scores_(successor.size() * size_t(V * V)) {
    for (int before = 0; before < V; ++before)
      for (int last = 0; last < V; ++last)
        scores_[size_t((before * V + last) * V + successor[size_t(last)])] = 9;
  }

  std::span<Scalar> after(int before, int last) {
    return std::span(scores_).subspan(size_t((before * V + last) * V), size_t(V));
  }
  std::span<Scalar> after(const Words& text) {
    return after(text.size() < 2 ? BOS : text[text.size() - 2],
                 text.empty() ? BOS : text.back());
  }

  int V;

 private:
  std::vector<Scalar> scores_;
};

// Sentence s is written by table s. Each row knows what it has written so far, so that rows
// which change places, or do not, show.
class TableWriter : public Writer {
 public:
  explicit TableWriter(std::vector<Table> tables) : tables_(std::move(tables)) {
    for (size_t s = 0; s < tables_.size(); ++s) rows_.push_back({s, {}});
  }

  Tensor next(std::span<const int> words) override {
    REQUIRE(words.size() == rows_.size());
    const int V = tables_[0].V;
    Tensor scores = empty({std::ssize(words), V});
    Scalar* out = scores.mutable_data();
    for (size_t i = 0; i < words.size(); ++i) {
      if (calls == 0)
        CHECK(words[i] == BOS);
      else
        rows_[i].text.push_back(words[i]);
      std::span<Scalar> row = tables_[rows_[i].table].after(rows_[i].text);
      out = std::copy(row.begin(), row.end(), out);
    }
    ++calls;
    return scores;
  }
  void keep(std::span<const int> rows) override {
    std::vector<Row> kept;
    for (int row : rows) kept.push_back(rows_.at(size_t(row)));
    rows_ = kept;
    kept_rows.emplace_back(rows.begin(), rows.end());
  }

  int calls = 0;
  std::vector<Words> kept_rows;  // what keep() was called with

 private:
  struct Row {
    size_t table;
    Words text;
  };
  std::vector<Table> tables_;
  std::vector<Row> rows_;
};

double log_probability(std::span<const Scalar> scores, int word) {
  double sum = 0;
  for (Scalar s : scores) sum += std::exp(double(s));
  return double(scores[size_t(word)]) - std::log(sum);
}

double normalised(double score, size_t words, double alpha) {
  return score / std::pow((5 + double(words)) / 6, alpha);
}

// The best of all texts of at most `limit` words. One that does not end by then is judged with
// the next word, which is not written.
void search_all(Table& table, int limit, double alpha, const Words& text, double score,
                Written& best) {
  for (int word = 0; word < table.V; ++word) {
    double sum = score + log_probability(table.after(text), word);
    double result = normalised(sum, text.size() + 1, alpha);
    if (word != EOS && int(text.size()) < limit) {
      Words longer = text;
      longer.push_back(word);
      search_all(table, limit, alpha, longer, sum, best);
    } else if (result > best.score) {
      best = {text, word == EOS, result};
    }
  }
}
Written best_of_all(Table table, int limit, double alpha) {
  Written best{{}, false, -std::numeric_limits<double>::infinity()};
  search_all(table, limit, alpha, {}, 0, best);
  return best;
}

bool same(const Written& a, const Written& b) {
  return a.words == b.words && a.ended == b.ended;
}
bool same(const std::vector<Written>& a, const std::vector<Written>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Written& x, const Written& y) { return same(x, y); });
}

std::vector<Table> random_tables(int count, int V, uint64_t seed) {
  std::vector<Table> tables;
  for (int i = 0; i < count; ++i) tables.emplace_back(V, seed + uint64_t(i));
  return tables;
}

}  // namespace

TEST_CASE("greedy: writes until <eos>, which is not among the words") {
  TableWriter writer({Table(Words{0, 4, 0, EOS, 3})});  // <bos> 4 3 <eos>
  std::vector<Written> texts = greedy(writer, 1, 10);
  REQUIRE(texts.size() == 1);
  CHECK(texts[0].words == Words{4, 3});
  CHECK(texts[0].ended);
  CHECK(writer.calls == 3);
}

TEST_CASE("greedy: at the limit it only looks whether <eos> is next") {
  for (int limit = 0; limit < 5; ++limit) {
    TableWriter writer({Table(Words{0, 4, 0, EOS, 3}), Table(Words{0, 3, 0, 4, 3})});
    std::vector<Written> texts = greedy(writer, 2, limit);
    CAPTURE(limit);
    CHECK(texts[0].words == (limit == 0 ? Words{} : limit == 1 ? Words{4} : Words{4, 3}));
    CHECK(texts[0].ended == (limit >= 2));
    CHECK(int(texts[1].words.size()) == limit);  // 3 4 3 4 ...: without end
    CHECK(!texts[1].ended);
    CHECK(writer.calls == limit + 1);
  }
}

TEST_CASE("greedy: one sentence goes on when another has ended") {
  TableWriter writer({Table(Words{0, EOS, 5, 5, 5, 5}), Table(Words{0, 3, 0, 4, 5, EOS})});
  std::vector<Written> texts = greedy(writer, 2, 10);
  CHECK(texts[0].words.empty());
  CHECK(texts[0].ended);
  CHECK(texts[1].words == Words{3, 4, 5});
  CHECK(texts[1].ended);
  CHECK(greedy(writer, 0, 10).empty());
}

TEST_CASE("beam: one that is wide enough finds the best of all texts") {
  int not_greedy = 0;
  for (double alpha : {0., 1., 0.6})
    for (uint64_t seed = 0; seed < 20; ++seed)
      for (auto [V, limit] : {std::pair(3, 0), {3, 2}, {3, 4}, {4, 3}, {5, 2}}) {
        CAPTURE(alpha);
        CAPTURE(seed);
        Table table(V, seed);
        const int width = int(std::pow(V, limit));
        TableWriter one({table}), other({table});
        Written found = beam_search(one, 1, width, limit, alpha)[0];
        Written best = best_of_all(table, limit, alpha);
        CHECK(same(found, best));
        CHECK(found.score == doctest::Approx(best.score).epsilon(1e-5));
        not_greedy += !same(found, greedy(other, 1, limit)[0]);
      }
  MESSAGE(not_greedy, " of 300 are not what greedy writes");
  CHECK(not_greedy > 50);
}

TEST_CASE("beam: of width 1 it is greedy") {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    std::vector<Table> tables = random_tables(4, 6, 10 * seed);
    TableWriter one(tables), other(tables);
    CHECK(same(beam_search(one, 4, 1, 7), greedy(other, 4, 7)));
  }
}

// Equal scores; and scores that differ, but no longer do when their log-probabilities round.
TEST_CASE("beam: of width 1 it is greedy where words are equally likely, too") {
  Table equal(5, 1), close(5, 1);
  for (int before = 0; before < 5; ++before)
    for (int last = 0; last < 5; ++last) {
      std::span<Scalar> scores = equal.after(before, last);
      std::fill(scores.begin(), scores.end(), Scalar(0.25));
      scores[size_t(last)] = -1;
      scores = close.after(before, last);
      std::fill(scores.begin(), scores.end(), Scalar(-1000));
      scores[0] = Scalar(0.001);
      scores[4] = std::nextafter(scores[0], Scalar(1));
    }
  for (const Table& table : {equal, close}) {
    TableWriter one({table}), other({table});
    Written text = greedy(other, 1, 4)[0];
    CHECK(same(beam_search(one, 1, 1, 4)[0], text));
  }
  TableWriter writer({close});
  CHECK(greedy(writer, 1, 3)[0].words == Words{4, 4, 4});
  Tensor rounded = log_softmax(TableWriter({close}).next(Words{BOS}), 1);
  CHECK(rounded.at({0, 0}) == rounded.at({0, 4}));
}

TEST_CASE("beam: several sentences in one batch are what they are one by one") {
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (int width : {1, 2, 3, 7}) {
      std::vector<Table> tables = random_tables(5, 6, 100 + 10 * seed);
      TableWriter all(tables);
      std::vector<Written> together = beam_search(all, 5, width, 6);
      REQUIRE(together.size() == 5);
      for (size_t s = 0; s < 5; ++s) {
        TableWriter one({tables[s]});
        Written alone = beam_search(one, 1, width, 6)[0];
        CHECK(same(together[s], alone));
        CHECK(together[s].score == alone.score);
      }
    }
}

// After <bos>, 3 and 4 are likely; after 3 much is possible, after 4 only <eos>.
TEST_CASE("beam: which rows go on") {
  Table table(5, 0);
  auto set = [&](int before, int last, std::vector<double> probabilities) {
    for (size_t word = 0; word < 5; ++word)
      table.after(before, last)[word] = Scalar(std::log(probabilities[word]));
  };
  set(BOS, BOS, {0.01, 0.01, 0.01, 0.57, 0.4});
  set(BOS, 3, {0.3, 0.28, 0.1, 0.22, 0.1});
  set(BOS, 4, {0.01, 0.01, 0.96, 0.01, 0.01});
  for (int last : {0, 1}) set(3, last, {0.01, 0.01, 0.9, 0.04, 0.04});
  TableWriter writer({table, table});
  std::vector<Written> texts = beam_search(writer, 2, 2, 5, 0);
  // 3 (0.57) and 4 (0.4); 4 <eos> (0.384) and 3 0 (0.171); 3 0 <eos> (0.154)
  CHECK(writer.kept_rows == std::vector<Words>{{0, 0, 1, 1}, {0, 2}});
  CHECK(writer.calls == 3);
  for (const Written& text : texts) {
    CHECK(text.words == Words{4});
    CHECK(text.ended);
    CHECK(text.score == doctest::Approx(std::log(0.4 * 0.96)));
  }
}

TEST_CASE("beam: the longer text wins when scores are taken by length") {
  Table table(5, 0);  // <bos> <eos>: 0.5; <bos> 3 4 3 4 ... : 0.5, and certain from there on
  for (int before = 0; before < 5; ++before)
    for (int last = 0; last < 5; ++last)
      for (int word = 0; word < 5; ++word)
        table.after(before, last)[size_t(word)] = word == 7 - last ? 50 : 0;
  std::fill_n(table.after(BOS, BOS).begin(), 5, Scalar(-50));
  table.after(BOS, BOS)[EOS] = Scalar(0.125), table.after(BOS, BOS)[3] = 0;
  const double p = log_probability(table.after({}), EOS);
  for (auto [alpha, longer] : {std::pair(0., false), {1., true}, {2., true}}) {
    TableWriter writer({table});
    Written text = beam_search(writer, 1, 2, 6, alpha)[0];
    CHECK(text.ended == !longer);
    CHECK(text.words == (longer ? Words{3, 4, 3, 4, 3, 4} : Words{}));
    double expected = longer ? (p - 0.125) / std::pow((5 + 7) / 6., alpha) : p;
    CHECK(text.score == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("beam: as many as are asked for, and no more than there are") {
  Table table(4, 3);
  TableWriter wide({table}), none({table});
  CHECK(same(beam_search(wide, 1, 1000, 2)[0], best_of_all(table, 2, 1)));
  CHECK(beam_search(none, 0, 3, 5).empty());
  CHECK(none.calls == 0);
  for (int width : {1, 5}) {
    TableWriter writer({table});
    CHECK(beam_search(writer, 1, width, 0)[0].words.empty());
  }
  TableWriter writer({table});
  expect_error([&] { beam_search(writer, 1, 0, 5); }, {"[beam_search] width 0"});
  expect_error([&] { beam_search(writer, 1, 1, -1); }, {"[beam_search]", "at most -1"});
}

TEST_CASE("writing: nothing is recorded for gradients") {
  struct Recording : TableWriter {
    using TableWriter::TableWriter;
    Tensor next(std::span<const int> words) override {
      Tensor x = TableWriter::next(words).requires_grad_();
      recorded = recorded || (x * 2).requires_grad();
      return x;
    }
    bool recorded = false;
  };
  Recording writer({Table(4, 3)}), other({Table(4, 3)});
  greedy(writer, 1, 3), beam_search(other, 1, 2, 3);
  CHECK(!writer.recorded);
  CHECK(!other.recorded);
}
