// Comparing what a lesson prints with its expected.txt. A line is compared as it is, blanks at
// its end aside. Where the expected line has a ~, it stands for any number (seconds, GFLOP/s),
// and since such numbers differ in width, blanks do not count in that line.
#pragma once
#include <algorithm>
#include <cctype>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace heed_tests {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    lines.push_back(line);
  }
  return lines;
}

// The number that starts at text[at]: 12, -0.5, 1e-05; empty if none does.
inline std::string number_at(const std::string& text, size_t at) {
  size_t end = at;
  auto digit = [&](size_t i) {
    return i < text.size() && std::isdigit((unsigned char)text[i]);
  };
  auto skip_digits = [&] {
    while (digit(end)) ++end;
  };
  if (end < text.size() && (text[end] == '-' || text[end] == '+')) ++end;
  if (!digit(end)) return "";
  skip_digits();
  if (end < text.size() && text[end] == '.' && digit(end + 1)) ++end, skip_digits();
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t sign = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
    if (digit(end + 1 + sign)) end += 1 + sign, skip_digits();
  }
  return text.substr(at, end - at);
}

// A line as numbers, words, and single other characters (~ among them); blanks left out. Digits
// inside a word (x86) are no number.
inline std::vector<std::string> tokens_of(const std::string& line) {
  std::vector<std::string> tokens;
  auto letter = [&](size_t i) { return std::isalpha((unsigned char)line[i]); };
  for (size_t at = 0; at < line.size();) {
    size_t end = at + 1;
    if (std::string number = number_at(line, at); !number.empty())
      end = at + number.size();
    else if (letter(at))
      while (end < line.size() && std::isalnum((unsigned char)line[end])) ++end;
    if (line[at] != ' ' && line[at] != '\t') tokens.push_back(line.substr(at, end - at));
    at = end;
  }
  return tokens;
}

inline bool is_number(const std::string& token) { return !number_at(token, 0).empty(); }

inline bool same_line(const std::string& expected, const std::string& got) {
  if (expected.find('~') == std::string::npos) return expected == got;
  auto want = tokens_of(expected), have = tokens_of(got);
  if (want.size() != have.size()) return false;
  for (size_t i = 0; i < want.size(); ++i)
    if (want[i] != have[i] && !(want[i] == "~" && is_number(have[i]))) return false;
  return true;
}

// The first difference, in words: the line's number, what was expected and what came.
inline std::optional<std::string> difference(const std::string& expected,
                                             const std::string& got) {
  auto want = lines_of(expected), have = lines_of(got);
  for (size_t i = 0; i < std::max(want.size(), have.size()); ++i) {
    if (i < want.size() && i < have.size() && same_line(want[i], have[i])) continue;
    auto shown = [i](auto& lines) { return i < lines.size() ? lines[i] : "(no such line)"; };
    return ":" + std::to_string(i + 1) + "\n  expected: " + shown(want) +
           "\n  got:      " + shown(have);
  }
  return std::nullopt;
}

// A new expected output: what came, with each line that an old one with ~ fits left as it was.
inline std::string renewed(const std::string& expected, const std::string& got) {
  std::string text;
  auto old = lines_of(expected);
  for (const std::string& line : lines_of(got)) {
    const std::string* kept = &line;
    for (const std::string& candidate : old)
      if (candidate.find('~') != std::string::npos && same_line(candidate, line))
        kept = &candidate;
    text += *kept + "\n";
  }
  return text;
}

}  // namespace heed_tests
