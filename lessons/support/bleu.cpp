#include "lessons/support/bleu.h"
#include <algorithm>
#include <map>
#include "autograd/check.h"
#include "autograd/exact_math.h"

namespace heed {
namespace {

using Sentence = std::vector<std::string>;

// How often a sentence has each run of n tokens.
std::map<Sentence, int64_t> ngrams(const Sentence& sentence, size_t n) {
  std::map<Sentence, int64_t> counts;
  for (auto first = sentence.begin(); size_t(sentence.end() - first) >= n; ++first)
    ++counts[Sentence(first, first + std::ptrdiff_t(n))];
  return counts;
}

double precision(const std::vector<Sentence>& hypotheses,
                 const std::vector<Sentence>& references, size_t n) {
  int64_t found = 0, all = 0;
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    auto of_reference = ngrams(references[i], n);
    for (const auto& [ngram, count] : ngrams(hypotheses[i], n)) {
      auto same = of_reference.find(ngram);
      if (same != of_reference.end()) found += std::min(count, same->second);
      all += count;
    }
  }
  return all ? double(found) / double(all) : 0;
}

// Papineni's penalty for a corpus that is shorter than its references.
double brevity(const std::vector<Sentence>& hypotheses,
               const std::vector<Sentence>& references) {
  size_t length = 0, wanted = 0;
  for (const Sentence& sentence : hypotheses) length += sentence.size();
  for (const Sentence& sentence : references) wanted += sentence.size();
  if (length >= wanted) return 1;
  return length ? exact::exp(1 - double(wanted) / double(length)) : 0;
}

}  // namespace

Bleu corpus_bleu(const std::vector<Sentence>& hypotheses,
                 const std::vector<Sentence>& references) {
  HEED_CHECK(!hypotheses.empty(), "[corpus_bleu] no sentences: there is nothing to compare");
  HEED_CHECK(hypotheses.size() == references.size(), "[corpus_bleu] ", hypotheses.size(),
             " hypotheses, ", references.size(),
             " references: each sentence needs one of each");
  Bleu bleu{0, {}, brevity(hypotheses, references)};
  double logs = 0;
  for (size_t n = 1; n <= 4; ++n) {
    bleu.precisions[n - 1] = precision(hypotheses, references, n);
    logs += exact::log(bleu.precisions[n - 1]);
  }
  bleu.score = bleu.brevity * exact::exp(logs / 4);  // log(0) is -infinity, and exp of it 0
  return bleu;
}

}  // namespace heed
