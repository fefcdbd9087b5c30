// BLEU: how much of a translation is in somebody's reference translation (Papineni, Roukos,
// Ward and Zhu 2002).
#pragma once
#include <string>
#include <vector>

namespace heed {

struct Bleu {
  double score;          // brevity times the geometric mean of the precisions: 0 ... 1
  double precisions[4];  // share of all 1-, 2-, 3- and 4-grams that the references have, too
  double brevity;        // exp(1 - reference length / length) if shorter than that, else 1
};

// Counts are summed over all sentences before anything is divided: the score is the corpus's,
// not the mean of its sentences'. An n-gram is found at most as often as the reference of the
// same sentence has it. One reference a sentence, no smoothing: without a common 4-gram the
// score is 0. A sentence is its tokens.
Bleu corpus_bleu(const std::vector<std::vector<std::string>>& hypotheses,
                 const std::vector<std::vector<std::string>>& references);

}  // namespace heed
