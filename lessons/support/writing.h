// Writing a sentence word by word, with a model that says how likely each next word is. Greedy
// takes the likeliest each time; a beam keeps several beginnings at once.
#pragma once
#include <algorithm>
#include <numeric>
#include <span>
#include <vector>
#include "autograd/exact_math.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "lessons/support/vocabulary.h"

namespace heed {
inline namespace HEED_PRECISION {

// A model in the middle of writing, one row a beginning.
class Writer {
 public:
  virtual ~Writer() = default;
  // The last word of each row -> scores (rows, V) of the next one.
  virtual Tensor next(std::span<const int> words) = 0;
  // Row i goes on from what row rows[i] was: rows are dropped, doubled, reordered.
  virtual void keep(std::span<const int> rows) = 0;
};

struct Written {
  std::vector<int> words;  // without <bos> and <eos>
  bool ended = false;      // by <eos>, not by the limit
  double score = 0;        // of a beam: see beam_search
};

inline bool same_texts(const std::vector<Written>& a, const std::vector<Written>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Written& x, const Written& y) {
                      return x.words == y.words && x.ended == y.ended;
                    });
}

// [snippet: greedy]
// Writes `rows` sentences of at most `limit` words, <eos> not counted: at step `limit` only an
// <eos> is still taken.
inline std::vector<Written> greedy(Writer& writer, int rows, int limit) {
  NoGrad guard;
  std::vector<Written> texts(static_cast<size_t>(rows));
  std::vector<int> words(size_t(rows), BOS);
  int open = rows;
  for (int step = 0; open > 0 && step <= limit; ++step) {
    words = argmax(writer.next(words), 1);
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i].ended) continue;
      if (words[i] == EOS)
        texts[i].ended = true, --open;
      else if (step < limit)
        texts[i].words.push_back(words[i]);
    }
  }
  return texts;
}
// [end]

namespace beam {

struct Beginning {
  int row;  // of the writer: where it stood before its last word
  std::vector<int> words;
  double score;  // sum of log-probabilities
};

struct Sentence {
  std::vector<Beginning> open;
  std::vector<Written> ended;

  const Written& best() const {
    return *std::max_element(ended.begin(), ended.end(),
                             [](const auto& a, const auto& b) { return a.score < b.score; });
  }
};

// The places of the `count` largest numbers, the largest first; of equal ones the first.
inline std::vector<int> largest(std::span<const Scalar> numbers, int count) {
  std::vector<int> places(numbers.size());
  std::iota(places.begin(), places.end(), 0);
  auto end = places.begin() + std::min(count, int(places.size()));
  std::partial_sort(places.begin(), end, places.end(), [&](int i, int j) {
    Scalar a = numbers[size_t(i)], b = numbers[size_t(j)];
    return a != b ? a > b : i < j;
  });
  places.erase(end, places.end());
  return places;
}

// The beginnings, which stand in the writer's rows from `row` on, each with each of the `width`
// likeliest next words; the best first.
inline std::vector<Beginning> continued(const std::vector<Beginning>& open, int row, int width,
                                        const Tensor& logits, const Tensor& log_probabilities) {
  const size_t V = size_t(logits.size(1));
  std::vector<Beginning> all;
  for (const Beginning& beginning : open) {
    std::span<const Scalar> scores(logits.data() + size_t(row) * V, V);
    for (int word : largest(scores, width)) {
      all.push_back(
          {row, beginning.words, beginning.score + double(log_probabilities.at({row, word}))});
      all.back().words.push_back(word);
    }
    ++row;
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}

// Takes the best: as many as are missing to `width` texts, ended or not.
inline void advance(Sentence& sentence, std::vector<Beginning> continued, int width,
                    bool at_limit, double alpha) {
  sentence.open.clear();
  for (Beginning& b : continued) {
    if (int(sentence.open.size() + sentence.ended.size()) == width) return;
    const bool by_eos = b.words.back() == EOS;
    if (!by_eos && !at_limit) {
      sentence.open.push_back(std::move(b));
      continue;
    }
    double length = exact::pow((5 + double(b.words.size())) / 6, alpha);
    b.words.pop_back();
    sentence.ended.push_back({std::move(b.words), by_eos, b.score / length});
  }
}

}  // namespace beam

// [snippet: beam]
// Keeps the `width` best beginnings of each sentence until `width` of them have ended. A sum of
// log-probabilities favours short sentences, so it is divided by ((5 + words) / 6)^alpha, <eos>
// counted: Wu et al. 2016, equation 14. The best of each sentence is returned.
inline std::vector<Written> beam_search(Writer& writer, int sentences, int width, int limit,
                                        double alpha = 1) {
  HEED_CHECK(width >= 1 && limit >= 0, "[beam_search] width ", width, ", at most ", limit,
             " words: at least 1 and 0 wanted");
  NoGrad guard;
  std::vector<beam::Sentence> all(size_t(sentences), {{{0, {}, 0}}, {}});
  std::vector<int> words(size_t(sentences), BOS);
  for (int step = 0; !words.empty() && step <= limit; ++step) {
    Tensor logits = writer.next(words), log_probabilities = log_softmax(logits, 1);
    std::vector<int> rows;
    words.clear();
    int row = 0;
    for (beam::Sentence& s : all) {
      auto continued = beam::continued(s.open, row, width, logits, log_probabilities);
      row += int(s.open.size());
      beam::advance(s, std::move(continued), width, step == limit, alpha);
      for (const beam::Beginning& b : s.open)
        rows.push_back(b.row), words.push_back(b.words.back());
    }
    if (!words.empty()) writer.keep(rows);
  }
  std::vector<Written> best;
  for (const beam::Sentence& s : all) best.push_back(s.best());
  return best;
}
// [end]

}  // namespace HEED_PRECISION
}  // namespace heed
