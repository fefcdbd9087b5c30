// The table that Keras prints of a model.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>
#include "lessons/support/text.h"

namespace lesson_05 {
using namespace heed;

// 12,345
inline std::string with_commas(int64_t n) {
  std::string text = std::to_string(n);
  for (int at = int(text.size()) - 3; at > 0; at -= 3) text.insert(size_t(at), ",");
  return text;
}
// 302 (1.18 KB): numbers, and the memory that they take
inline std::string count_and_size(int64_t numbers, int64_t bytes) {
  double size = double(bytes);
  const char* units[] = {"B", "KB", "MB", "GB"};
  int unit = 0;
  while (size >= 1024 && unit < 3) size /= 1024, ++unit;
  return with_commas(numbers) + formatted(" (%.2f %s)", size, units[unit]);
}

// Words in lines of at most `width` columns; a longer word is cut short with an ellipsis.
inline std::vector<std::string> wrapped(const std::string& text, int width) {
  std::vector<std::string> lines = {""};
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    if (columns(word) > width) word = word.substr(0, size_t(width - 1)) + "…";
    std::string& line = lines.back();
    if (line.empty())
      line = word;
    else if (columns(line) + 1 + columns(word) <= width)
      line += " " + word;
    else
      lines.push_back(word);
    at = end + 1;
  }
  return lines;
}

// Cells of text in three columns, framed.
class SummaryTable {
 public:
  using Row = std::array<std::string, 3>;

  // Rows in Keras's order: layer (type), output shape, number of parameters.
  static std::string of(const std::vector<Row>& rows) {
    std::string text =
        rule("┏━┳━┓") + row({"Layer (type)", "Output Shape", "Param #"}, "┃") + rule("┡━╇━┩");
    for (size_t i = 0; i < rows.size(); ++i)
      text += (i ? rule("├─┼─┤") : "") + row(rows[i], "│");
    return text + rule("└─┴─┘");
  }

 private:
  static constexpr int widths[] = {31, 22, 13};

  // "└─┴─┘": left end, line, joint, line, right end
  static std::string rule(const char* pattern) {
    std::vector<std::string> p = characters(pattern);
    std::string text = p[0];
    for (int c = 0; c < 3; ++c) text += repeated(p[1], widths[c] + 2) + p[c < 2 ? 2 : 4];
    return text + "\n";
  }
  static std::string row(const Row& cells, const std::string& bar) {
    std::vector<std::string> lines[3];
    size_t height = 1;
    for (int c = 0; c < 3; ++c) {
      lines[c] = wrapped(cells[size_t(c)], widths[c]);
      height = std::max(height, lines[c].size());
    }
    std::string text;
    for (size_t i = 0; i < height; ++i) {
      text += bar;
      for (int c = 0; c < 3; ++c) {
        std::string line = i < lines[c].size() ? lines[c][i] : "";
        bool right = c == 2;  // numbers
        text += " " + (right ? pad_left(line, widths[c]) : pad_right(line, widths[c])) + " ";
        text += bar;
      }
      text += "\n";
    }
    return text;
  }
};

}  // namespace lesson_05
