// Writing a sentence word by word, with a model that says how likely each next word is. Greedy
// takes the likeliest each time; a beam keeps several beginnings at once.
#pragma once
#include <algorithm>
#include <numeric>
#include <span>
#include <vector>
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

// [snippet: greedy]
// Writes `rows` sentences of at most `limit` words, <eos> not counted.
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
  std::vector<int> words;
  double score;  // sum of log-probabilities
};

struct Candidate {
  size_t from;  // which beginning
  int word;
  double score;
};

// The `width` best words after one beginning; of equal ones the first. `logits`: V of them.
inline void add_best(const Scalar* logits, const Scalar* log_probabilities, int V, int width,
                     size_t from, double score, std::vector<Candidate>& candidates) {
  std::vector<int> order(static_cast<size_t>(V));
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(
      order.begin(), order.begin() + std::min(width, V), order.end(),
      [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  for (int i = 0; i < std::min(width, V); ++i)
    candidates.push_back(
        {from, order[size_t(i)], score + double(log_probabilities[order[size_t(i)]])});
}

}  // namespace beam

// [snippet: beam]
// Keeps the `width` best beginnings of each sentence until `width` of them have ended. A sum of
// log-probabilities favours short sentences, so it is divided by ((5 + words) / 6)^alpha, <eos>
// counted: Wu et al. 2016, equation 14. The best of each sentence is returned.
inline std::vector<Written> beam_search(Writer& writer, int sentences, int width, int limit,
                                        double alpha = 1) {
  NoGrad guard;
  auto normalised = [&](double score, size_t words) {
    return score / std::pow((5 + double(words)) / 6, alpha);
  };
  std::vector<std::vector<beam::Beginning>> open(static_cast<size_t>(sentences),
                                                 std::vector<beam::Beginning>(1, {{}, 0}));
  std::vector<std::vector<Written>> ended(static_cast<size_t>(sentences));
  std::vector<int> last(size_t(sentences), BOS);
  for (int step = 0; !last.empty() && step <= limit; ++step) {
    Tensor logits = writer.next(last), log_probabilities = log_softmax(logits, 1);
    int V = int(logits.size(1)), row = 0;
    std::vector<int> rows;
    last.clear();
    for (size_t s = 0; s < open.size(); ++s) {
      std::vector<beam::Candidate> candidates;
      const int first_row = row;
      for (size_t i = 0; i < open[s].size(); ++i, ++row)
        beam::add_best(logits.data() + row * V, log_probabilities.data() + row * V, V, width, i,
                       open[s][i].score, candidates);
      std::stable_sort(candidates.begin(), candidates.end(),
                       [](const auto& a, const auto& b) { return a.score > b.score; });
      std::vector<beam::Beginning> next;
      for (const beam::Candidate& c : candidates) {
        if (int(next.size() + ended[s].size()) == width) break;
        std::vector<int> words = open[s][c.from].words;
        if (c.word == EOS || step == limit) {
          ended[s].push_back({words, c.word == EOS, normalised(c.score, words.size() + 1)});
          continue;
        }
        words.push_back(c.word);
        next.push_back({words, c.score});
        rows.push_back(first_row + int(c.from));
        last.push_back(c.word);
      }
      open[s] = std::move(next);
    }
    if (!last.empty()) writer.keep(rows);
  }
  std::vector<Written> best;
  for (std::vector<Written>& texts : ended)
    best.push_back(*std::max_element(
        texts.begin(), texts.end(),
        [](const Written& a, const Written& b) { return a.score < b.score; }));
  return best;
}
// [end]

}  // namespace HEED_PRECISION
}  // namespace heed
