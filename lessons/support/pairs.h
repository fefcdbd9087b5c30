// A corpus of pairs: texts and their translations.
#pragma once
#include <string>
#include <vector>

namespace heed {

struct Pair {
  std::string source, target;
  bool operator==(const Pair&) const = default;
};

// One pair a line: source, tab, target; columns after the second are ignored. A byte order
// mark, \r\n, a missing last newline and empty lines at the very end do no harm. All else that
// is wrong is an error with path and line: no tab, a side without text, bytes that are no
// UTF-8, a NUL byte. So is a file without pairs.
std::vector<Pair> read_pairs(const std::string& path);

}  // namespace heed
