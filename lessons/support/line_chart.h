// Curves: the data first, the drawing second. The same chart as an SVG, in the terminal, as
// CSV.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace heed {

struct Series {
  std::string name;
  std::vector<double> y;
  std::vector<double> x = {};  // empty: 1, 2, 3, ...
};

struct LineChart {
  std::string title, x_label, y_label;
  std::vector<Series> series;                 // up to 7 look different
  std::optional<double> least_y, greatest_y;  // the y axis reaches at least so far
};

std::string as_svg(const LineChart& chart);
std::string as_text(const LineChart& chart);  // about 80 columns, 16 lines
std::string as_csv(const LineChart& chart);   // x, then a column a series

void write_svg(const LineChart& chart, const std::string& path);
void write_csv(const LineChart& chart, const std::string& path);
void print(const LineChart& chart);

}  // namespace heed
