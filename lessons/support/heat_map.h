// Attention as a picture: rows are queries, columns are keys, a darker cell is a larger weight.
// What a query may not see is hatched, and the sum of each row stands beside it. The data
// first, the drawing second: the same map as an SVG and in the terminal.
#pragma once
#include <string>
#include <vector>

namespace heed {

// A cell that the reader shall find: it gets a frame, and a word of one or two columns.
struct Mark {
  size_t cell;  // row * keys + column
  std::string word;
};

struct HeatMap {
  std::string title;
  std::vector<std::string> queries, keys;  // the tokens that the weights belong to
  std::vector<double> values;              // queries x keys, row by row
  std::vector<bool> visible = {};          // the same, true = may attend; empty: all may
  double least = 0, greatest = 1;          // the scale of colours
  std::string query_label = "query", key_label = "key";
  bool row_sums = true;
  std::vector<Mark> marks = {};
};

std::string as_svg(const HeatMap& map);
std::string as_text(const HeatMap& map);

// Several maps (heads, say) in rows of `across`, on one scale.
std::string as_svg(const std::vector<HeatMap>& maps, const std::string& title, int across);

void write_svg(const HeatMap& map, const std::string& path);
void write_svg(const std::vector<HeatMap>& maps, const std::string& title, int across,
               const std::string& path);
void print(const HeatMap& map);

}  // namespace heed
