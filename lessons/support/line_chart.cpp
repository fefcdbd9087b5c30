#include "lessons/support/line_chart.h"
#include <algorithm>
#include <map>
#include "autograd/check.h"
#include "lessons/support/files.h"
#include "lessons/support/svg.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {
namespace {

constexpr double infinity = __builtin_inf();

bool finite(double value) { return value > -infinity && value < infinity; }

double x_of(const Series& series, size_t i) {
  return series.x.empty() ? static_cast<double>(i + 1) : series.x[i];
}

struct Range {
  double least = infinity, greatest = -infinity;

  void include(double value) {
    if (!finite(value)) return;
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
  // Wide enough to divide by: nothing, one value, and values that differ by rounding only.
  void widen() {
    if (least > greatest) least = 0, greatest = 1;
    double size = std::max({1e-9, least, -least, greatest, -greatest});
    if (greatest - least < 1e-6 * size) least -= 0.5 * size, greatest += 0.5 * size;
  }
  double place(double value) const { return (value - least) / (greatest - least); }
};

struct Ranges {
  Range x, y;

  explicit Ranges(const LineChart& chart) {
    for (const Series& series : chart.series) {
      HEED_CHECK(series.x.empty() || series.x.size() == series.y.size(),
                 "[line chart] series '", series.name, "': ", series.x.size(),
                 " numbers x and ", series.y.size(), " y");
      for (size_t i = 0; i < series.y.size(); ++i)
        x.include(x_of(series, i)), y.include(series.y[i]);
    }
    if (chart.least_y) y.include(*chart.least_y);
    if (chart.greatest_y) y.include(*chart.greatest_y);
    x.widen(), y.widen();
  }
};

// Calls draw(from, to) for the stretches of points whose numbers are finite: [from, to).
template <class Draw> void each_stretch(const Series& series, Draw draw) {
  size_t from = 0, size = series.y.size();
  auto drawable = [&](size_t i) { return finite(x_of(series, i)) && finite(series.y[i]); };
  while (from < size) {
    while (from < size && !drawable(from)) ++from;
    size_t to = from;
    while (to < size && drawable(to)) ++to;
    if (to > from) draw(from, to);
    from = to;
  }
}

std::string class_of(size_t series) { return "s" + std::to_string(series % 7); }

constexpr double page_width = 720, page_height = 420;

// Names beside strokes, in as many rows as they need. Returns the height of the rows.
double draw_legend(Svg& svg, const LineChart& chart, double top) {
  double x = Svg::margin, y = top;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const std::string& name = chart.series[i].name;
    if (name.empty()) continue;
    double width = 36 + text_width(name, 12) + 18;
    if (x > Svg::margin && x + width > page_width - Svg::margin) x = Svg::margin, y += 18;
    svg.path(formatted("M%.1f %.1fh28", x, y + 8), class_of(i));
    svg.text(x + 35, y + 12, name);
    x += width;
  }
  return x > Svg::margin ? y + 18 - top : 0;
}

}  // namespace

std::string as_svg(const LineChart& chart) {
  Ranges range(chart);
  Svg svg(page_width, page_height, chart.title);
  svg.text(Svg::margin, 30, chart.title, Anchor::start, 16, "strong");
  double top = 46 + draw_legend(svg, chart, 42);
  Ticks y_ticks(range.y.least, range.y.greatest, 6),
      x_ticks(range.x.least, range.x.greatest, 9);

  double label_width = 0;
  for (int i = 0; i < y_ticks.count; ++i)
    label_width = std::max(label_width, text_width(y_ticks.label(i), 12));
  double left = Svg::margin + 20 + label_width + 8, right = page_width - Svg::margin - 8;
  double bottom = page_height - Svg::margin - 40;
  auto px = [&](double x) { return left + range.x.place(x) * (right - left); };
  auto py = [&](double y) { return bottom - range.y.place(y) * (bottom - top - 8); };

  for (int i = 0; i < y_ticks.count; ++i) {
    double y = py(y_ticks.at(i));
    svg.line(left, y, right, y, "grid");
    svg.text(left - 8, y + 4, y_ticks.label(i), Anchor::end);
  }
  for (int i = 0; i < x_ticks.count; ++i) {
    double x = px(x_ticks.at(i));
    svg.line(x, bottom, x, bottom + 5, "axis");
    svg.text(x, bottom + 20, x_ticks.label(i), Anchor::middle);
  }
  svg.line(left, bottom, right, bottom, "axis");
  svg.text((left + right) / 2, page_height - Svg::margin, chart.x_label, Anchor::middle);
  svg.upward_text(Svg::margin + 10, (top + bottom) / 2, chart.y_label, Anchor::middle);

  for (size_t s = 0; s < chart.series.size(); ++s) {
    const Series& series = chart.series[s];
    each_stretch(series, [&](size_t from, size_t to) {
      std::string points;
      for (size_t i = from; i < to; ++i)
        points += formatted("%s%.1f %.1f", i == from ? "M" : "L", px(x_of(series, i)),
                            py(series.y[i]));
      if (to == from + 1) points += "h0.1";  // a point alone: a dot, from the round ends
      svg.path(points, class_of(s));
    });
  }
  return svg.finish();
}

std::string as_text(const LineChart& chart) {
  static const char* const marks[] = {"●", "○", "▲", "△", "■", "□", "+"};
  constexpr int width = 64, height = 12;
  Ranges range(chart);
  std::vector<std::string> cells(width * height, " ");
  auto column = [&](double x) { return int(range.x.place(x) * (width - 1) + 0.5); };
  auto row = [&](double y) { return height - 1 - int(range.y.place(y) * (height - 1) + 0.5); };

  for (size_t s = 0; s < chart.series.size(); ++s) {
    const Series& series = chart.series[s];
    each_stretch(series, [&](size_t from, size_t to) {
      for (size_t i = from; i < to; ++i) {
        size_t j = std::min(i + 1, to - 1);  // on the way from point i to point j
        double x = x_of(series, i), dx = x_of(series, j) - x, dy = series.y[j] - series.y[i];
        int steps = std::max(1, std::abs(column(x + dx) - column(x)));
        for (int k = 0; k < steps; ++k) {
          double part = double(k) / steps;
          cells[row(series.y[i] + part * dy) * width + column(x + part * dx)] = marks[s % 7];
        }
      }
    });
  }

  Ticks ticks(range.y.least, range.y.greatest, 5);
  std::map<int, std::string> labels;
  int label_width = 0;
  for (int i = 0; i < ticks.count; ++i) {
    labels[row(ticks.at(i))] = ticks.label(i);
    label_width = std::max(label_width, columns(ticks.label(i)));
  }
  std::string text = chart.title + "\n";
  for (int r = 0; r < height; ++r) {
    std::string line;
    for (int c = 0; c < width; ++c) line += cells[r * width + c];
    line.erase(line.find_last_not_of(' ') + 1);
    text += pad_left(labels[r], label_width) + (labels[r].empty() ? " │" : " ┤") + line + "\n";
  }
  std::string least = formatted("%g", range.x.least), most = formatted("%g", range.x.greatest);
  std::string indent = repeated(" ", label_width + 1);
  text += indent + "└" + repeated("─", width) + "\n" + indent + " " +
          pad_right(least, width - columns(most)) + most + "\n";
  text += indent + " " + chart.y_label + " over " + chart.x_label;
  for (size_t s = 0; s < chart.series.size(); ++s)
    if (!chart.series[s].name.empty())
      text += formatted("   %s %s", marks[s % 7], chart.series[s].name.c_str());
  return text + "\n";
}

std::string as_csv(const LineChart& chart) {
  auto field = [](const std::string& name) {  // RFC 4180
    if (name.find_first_of(",\"\n") == std::string::npos) return name;
    std::string quoted = "\"";
    for (char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
  };
  std::map<double, std::vector<std::string>> rows;  // by x
  for (size_t s = 0; s < chart.series.size(); ++s)
    for (size_t i = 0; i < chart.series[s].y.size(); ++i) {
      auto& row = rows[x_of(chart.series[s], i)];
      row.resize(chart.series.size());
      row[s] = formatted("%.9g", chart.series[s].y[i]);
    }
  std::string text = field(chart.x_label);
  for (const Series& series : chart.series) text += "," + field(series.name);
  text += "\n";
  for (const auto& [x, row] : rows) {
    text += formatted("%.9g", x);
    for (const std::string& value : row) text += "," + value;
    text += "\n";
  }
  return text;
}

void write_svg(const LineChart& chart, const std::string& path) {
  write_file(path, as_svg(chart));
}

void write_csv(const LineChart& chart, const std::string& path) {
  write_file(path, as_csv(chart));
}

void print(const LineChart& chart) { say_text(as_text(chart)); }

}  // namespace heed
