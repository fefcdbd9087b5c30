#include "lessons/support/pairs.h"
#include <algorithm>
#include <string_view>
#include "autograd/check.h"
#include "lessons/support/files.h"
#include "lessons/support/words.h"

namespace heed {
namespace {

// `where`: path and line, for what the user reads.
Pair parse_pair(std::string_view line, const std::string& where) {
  size_t bad = first_bad_utf8(line);
  HEED_CHECK(bad == line.npos, where, ": byte ", bad + 1,
             " of the line is no UTF-8; save the file as UTF-8");
  size_t nul = line.find('\0');
  HEED_CHECK(nul == line.npos, where, ": byte ", nul + 1,
             " of the line is NUL; is this a text file?");
  size_t tab = line.find('\t');
  HEED_CHECK(tab != line.npos, where, ": no tab; a line is source, tab, target");
  std::string_view source = line.substr(0, tab), rest = line.substr(tab + 1);
  std::string_view target = rest.substr(0, rest.find('\t'));
  HEED_CHECK(!blank(source), where, ": no text before the tab; delete the line or fill it in");
  HEED_CHECK(!blank(target), where, ": no text after the tab; delete the line or fill it in");
  return {std::string(source), std::string(target)};
}

}  // namespace

std::vector<Pair> read_pairs(const std::string& path) {
  const std::string file = read_file(path);
  std::string_view text = file;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text = text.substr(0, text.find_last_not_of("\r\n") + 1);
  HEED_CHECK(!text.empty(), path, ": no pairs; a line is source, tab, target");

  std::vector<Pair> pairs;
  for (size_t begin = 0, end; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    pairs.push_back(parse_pair(line, path + ", line " + std::to_string(pairs.size() + 1)));
  }
  return pairs;
}

}  // namespace heed
