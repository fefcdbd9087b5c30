#include "lessons/support/vocabulary.h"
#include <algorithm>
#include <cstdint>
#include <utility>
#include "autograd/check.h"

namespace heed {

Vocabulary::Vocabulary(std::vector<std::string> words) : list(std::move(words)) {
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    HEED_CHECK(!list[i].empty(), "[Vocabulary] word ", i, " is empty");
    auto [place, is_new] = ids.try_emplace(list[i], int(i));
    HEED_CHECK(is_new, "[Vocabulary] '", list[i], "' is there twice, as words ", place->second,
               " and ", i);
  }
}

const std::string& Vocabulary::word(int id) const {
  HEED_CHECK(id >= 0 && id < size(), "[Vocabulary] no word has id ", id, ": there are ", size(),
             " words, numbered from 0");
  return list[size_t(id)];
}

int Vocabulary::find(const std::string& word) const {
  auto place = ids.find(word);
  return place == ids.end() ? -1 : place->second;
}

Vocabulary count_vocabulary(const std::vector<std::vector<std::string>>& texts, int min_count) {
  HEED_CHECK(min_count >= 1, "[count_vocabulary] min_count = ", min_count,
             ": must be at least 1");
  std::unordered_map<std::string, int64_t> counts;
  for (const auto& text : texts)
    for (const std::string& token : text) ++counts[token];
  std::vector<std::string> words = {"<pad>", "<bos>", "<eos>", "<unk>"};
  for (const std::string& special : words) counts.erase(special);

  using Counted = std::pair<int64_t, std::string>;
  std::vector<Counted> frequent;
  for (const auto& [token, count] : counts)
    if (count >= min_count) frequent.emplace_back(-count, token);
  std::sort(frequent.begin(), frequent.end());
  for (Counted& counted : frequent) words.push_back(std::move(counted.second));
  return Vocabulary(std::move(words));
}

}  // namespace heed
