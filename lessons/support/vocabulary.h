// The words that a model knows, numbered.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

namespace heed {

// The ids that every counted vocabulary begins with: behind the end of a text, its begin, its
// end, and a word that is not in the vocabulary.
constexpr int PAD = 0, BOS = 1, EOS = 2, UNK = 3;

class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(std::vector<std::string> words);  // a word's id is its place

  int size() const { return int(list.size()); }
  const std::string& word(int id) const;
  int find(const std::string& word) const;  // -1: not there
  const std::vector<std::string>& words() const { return list; }

 private:
  std::vector<std::string> list;
  std::unordered_map<std::string, int> ids;
};

// <pad>, <bos>, <eos>, <unk>, then every token that the texts have at least min_count times:
// the most frequent first, equal counts in the order of their bytes. A token that is spelled
// like one of the four is that one, and not counted.
Vocabulary count_vocabulary(const std::vector<std::vector<std::string>>& texts, int min_count);

}  // namespace heed
