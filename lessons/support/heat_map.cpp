#include "lessons/support/heat_map.h"
#include <algorithm>
#include "autograd/check.h"
#include "lessons/support/files.h"
#include "lessons/support/svg.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {
namespace {

void check(const HeatMap& map) {
  size_t cells = map.queries.size() * map.keys.size();
  HEED_CHECK(cells > 0, "[heat map] '", map.title, "' has no cells");
  HEED_CHECK(map.values.size() == cells, "[heat map] '", map.title, "': ", map.queries.size(),
             " queries x ", map.keys.size(), " keys need ", cells, " values, not ",
             map.values.size());
  HEED_CHECK(map.visible.empty() || map.visible.size() == cells, "[heat map] '", map.title,
             "': the mask has ", map.visible.size(), " cells, the map ", cells);
  HEED_CHECK(map.greatest > map.least, "[heat map] '", map.title, "': the scale from ",
             map.least, " to ", map.greatest, " is empty");
  for (const Mark& mark : map.marks)
    HEED_CHECK(mark.cell < cells && columns(mark.word) >= 1 && columns(mark.word) <= 2,
               "[heat map] '", map.title, "': mark '", mark.word, "' at cell ", mark.cell,
               " of ", cells, ": a cell of the map and a word of 1 or 2 columns wanted");
}

const Mark* mark_at(const HeatMap& map, size_t cell) {
  for (const Mark& mark : map.marks)
    if (mark.cell == cell) return &mark;
  return nullptr;
}

bool visible(const HeatMap& map, size_t cell) {
  return map.visible.empty() || map.visible[cell];
}

double row_sum(const HeatMap& map, size_t row) {
  double sum = 0;
  for (size_t k = 0; k < map.keys.size(); ++k) sum += map.values[row * map.keys.size() + k];
  return sum;
}

// A place on the scale, 0 to 1. NaN counts as 0 here; its cell says so in words.
double shade(double value, double least, double greatest) {
  double part = (value - least) / (greatest - least);
  return part > 0 ? std::min(part, 1.0) : 0;
}

std::string colour(double part) {
  constexpr double ramp[][3] = {
      {252, 249, 240}, {190, 222, 214}, {96, 169, 190}, {38, 99, 157}, {22, 32, 84}};
  int i = std::min(3, static_cast<int>(part * 4));
  int channel[3];
  for (int c = 0; c < 3; ++c)
    channel[c] = static_cast<int>(ramp[i][c] + (part * 4 - i) * (ramp[i + 1][c] - ramp[i][c]));
  return formatted("#%02x%02x%02x", channel[0], channel[1], channel[2]);
}

double widest(const std::vector<std::string>& texts, double size) {
  double width = 0;
  for (const std::string& text : texts) width = std::max(width, text_width(text, size));
  return width;
}

// Where the parts of one map are, relative to its upper left corner.
struct Layout {
  double cell, font, left, top, sums, width, height;
  bool upward_keys;
  int every;  // a label at each `every`-th row and column, so that labels keep apart

  Layout(const HeatMap& map, double space) {
    double cells = static_cast<double>(std::max(map.queries.size(), map.keys.size()));
    cell = std::clamp(space / cells, 6.0, 46.0);
    every = static_cast<int>(11.0 / cell) + 1;
    font = std::clamp(cell * 0.8, 9.0, 13.0);
    upward_keys = widest(map.keys, font) > cell * every - 4;
    left = 22 + widest(map.queries, font) + 8;
    top = (map.title.empty() ? 0 : 26) + 22 + (upward_keys ? widest(map.keys, font) : font) + 8;
    sums = map.row_sums ? text_width("0.000", font) + 12 : 0;
    width = left + cell * static_cast<double>(map.keys.size()) + sums;
    width = std::max(width, text_width(map.title, 14) + 8);
    height = top + cell * static_cast<double>(map.queries.size());
  }
};

void draw_cell(Svg& svg, const HeatMap& map, size_t i, double x, double y, double cell,
               double least, double greatest) {
  if (!visible(map, i)) return svg.rectangle(x, y, cell, cell, "url(#hidden)");
  double value = map.values[i], part = shade(value, least, greatest);
  bool is_number = value == value;
  svg.rectangle(x, y, cell, cell, is_number ? colour(part) : "#d55e00");
  if (cell < 30) return;
  double size = std::min(12.0, cell * 0.34);
  double lower = mark_at(map, i) ? cell * 0.2 : 0;  // room for the mark's word
  svg.text(x + cell / 2, y + cell / 2 + lower + size * 0.36, formatted("%.2f", value),
           Anchor::middle, size, part > 0.62 || !is_number ? "on-dark" : "on-light");
}

// After all cells, or the next one would cover half of a frame.
void draw_marks(Svg& svg, const HeatMap& map, double left, double top, double cell) {
  for (const Mark& mark : map.marks) {
    double x = left + cell * double(mark.cell % map.keys.size()),
           y = top + cell * double(mark.cell / map.keys.size());
    double side = cell - 2;
    svg.path(formatted("M%.1f %.1fh%.1fv%.1fh%.1fz", x + 1, y + 1, side, side, -side), "s1");
    double part = shade(map.values[mark.cell], map.least, map.greatest);
    if (cell >= 30)
      svg.text(x + cell / 2, y + cell * 0.36, mark.word, Anchor::middle,
               std::min(12.0, cell * 0.3), part > 0.62 ? "on-dark" : "on-light");
  }
}

void draw_map(Svg& svg, const HeatMap& map, const Layout& at, double x, double y, double least,
              double greatest) {
  size_t rows = map.queries.size(), columns = map.keys.size();
  double left = x + at.left, top = y + at.top, right = left + at.cell * double(columns);
  if (!map.title.empty()) svg.text(x, y + 14, map.title, Anchor::start, 14, "strong");
  svg.text((left + right) / 2, y + (map.title.empty() ? 12 : 38), map.key_label, Anchor::middle,
           12, "faint");
  svg.upward_text(x + 12, top + at.cell * double(rows) / 2, map.query_label, Anchor::middle, 12,
                  "faint");

  for (size_t k = 0; k < columns; k += at.every) {
    double centre = left + at.cell * (double(k) + 0.5);
    if (at.upward_keys)
      svg.upward_text(centre + at.font * 0.36, top - 7, map.keys[k], Anchor::start, at.font);
    else
      svg.text(centre, top - 7, map.keys[k], Anchor::middle, at.font);
  }
  if (map.row_sums) svg.text(right + at.sums, top - 7, "sum", Anchor::end, at.font, "faint");
  for (size_t q = 0; q < rows; ++q) {
    double cell_top = top + at.cell * double(q),
           baseline = cell_top + at.cell / 2 + at.font * 0.36;
    if (q % at.every == 0) {
      svg.text(left - 8, baseline, map.queries[q], Anchor::end, at.font);
      if (map.row_sums)
        svg.text(right + at.sums, baseline, formatted("%.3f", row_sum(map, q)), Anchor::end,
                 at.font, "faint");
    }
    for (size_t k = 0; k < columns; ++k)
      draw_cell(svg, map, q * columns + k, left + at.cell * double(k), cell_top, at.cell, least,
                greatest);
  }
  draw_marks(svg, map, left, top, at.cell);
}

// The scale of colours, and what hatching means where some cell is hatched.
void draw_legend(Svg& svg, double x, double y, double least, double greatest, bool hidden) {
  constexpr int parts = 24;
  constexpr double part_width = 5;
  for (int i = 0; i < parts; ++i)
    svg.rectangle(x + i * part_width, y, part_width, 12, colour((i + 0.5) / parts));
  svg.text(x, y + 26, formatted("%g", least), Anchor::start, 11);
  svg.text(x + parts * part_width, y + 26, formatted("%g", greatest), Anchor::end, 11);
  if (!hidden) return;
  svg.rectangle(x + parts * part_width + 24, y, 24, 12, "url(#hidden)");
  svg.text(x + parts * part_width + 54, y + 10, "not visible", Anchor::start, 11);
}

bool hides(const HeatMap& map) {
  return std::find(map.visible.begin(), map.visible.end(), false) != map.visible.end();
}

// The keys above the map, two columns each: one of up to two columns is written across, a
// longer one downwards, its last letter next to the map.
std::string key_lines(const HeatMap& map, int indent) {
  std::vector<std::vector<std::string>> letters;
  size_t height = 1;
  for (const std::string& key : map.keys) {
    letters.push_back(columns(key) <= 2 ? std::vector{key} : characters(key));
    height = std::max(height, letters.back().size());
  }
  std::string text = repeated(" ", indent + 1) + map.key_label + "\n";
  for (size_t line = 0; line < height; ++line) {
    bool last = line + 1 == height;
    std::string words = pad_left(last ? map.query_label : "", indent) + " ";
    for (const auto& key : letters) {
      size_t skip = height - key.size();
      words += pad_right(line >= skip ? key[line - skip] : "", 2);
    }
    if (last && map.row_sums) words += "  sum";
    text += words.substr(0, words.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

std::string as_svg(const std::vector<HeatMap>& maps, const std::string& title, int across) {
  HEED_CHECK(!maps.empty() && across > 0, "[heat map] no maps to draw, or none in a row");
  double least = maps[0].least, greatest = maps[0].greatest, width = 0, height = 0;
  bool hidden = false;
  std::vector<Layout> layouts;
  for (const HeatMap& map : maps) {
    check(map);
    least = std::min(least, map.least), greatest = std::max(greatest, map.greatest);
    hidden = hidden || hides(map);
    layouts.emplace_back(map, maps.size() == 1 ? 460.0 : 240.0);
    width = std::max(width, layouts.back().width),
    height = std::max(height, layouts.back().height);
  }
  int columns = std::min(across, static_cast<int>(maps.size()));
  int rows = (static_cast<int>(maps.size()) + across - 1) / across;
  constexpr double gap = 28, legend_height = 34, legend_width = 230;
  double top = title.empty() ? Svg::margin : Svg::margin + 34;
  double page_width =
      std::max({columns * (width + gap) - gap, legend_width, text_width(title, 16) + 8}) +
      2 * Svg::margin;
  double page_height = top + rows * (height + gap) + legend_height + Svg::margin - 8;

  Svg svg(page_width, page_height, title.empty() ? maps[0].title : title);
  if (!title.empty())
    svg.text(Svg::margin, Svg::margin + 14, title, Anchor::start, 16, "strong");
  for (size_t i = 0; i < maps.size(); ++i)
    draw_map(svg, maps[i], layouts[i], Svg::margin + double(i % columns) * (width + gap),
             top + double(i / columns) * (height + gap), least, greatest);
  draw_legend(svg, Svg::margin, page_height - Svg::margin - legend_height + 8, least, greatest,
              hidden);
  return svg.finish();
}

std::string as_svg(const HeatMap& map) { return as_svg(std::vector<HeatMap>{map}, "", 1); }

std::string as_text(const HeatMap& map) {
  check(map);
  static const char* const shades[] = {"  ", "░░", "▒▒", "▓▓", "██"};
  size_t keys = map.keys.size();
  int label_width = columns(map.query_label);
  for (const std::string& query : map.queries)
    label_width = std::max(label_width, columns(query));
  std::string text = map.title.empty() ? "" : map.title + "\n";
  text += key_lines(map, label_width);
  for (size_t q = 0; q < map.queries.size(); ++q) {
    text += pad_left(map.queries[q], label_width) + " ";
    for (size_t k = 0; k < keys; ++k) {
      double value = map.values[q * keys + k], part = shade(value, map.least, map.greatest);
      std::string cell = shades[std::min(4, static_cast<int>(part * 5))];
      if (!visible(map, q * keys + k))
        cell = "╱╱";
      else if (value != value)
        cell = "??";
      if (const Mark* mark = mark_at(map, q * keys + k))  // half of the cell, or all of it
        cell = columns(mark->word) == 1 ? mark->word + characters(cell)[1] : mark->word;
      text += cell;
    }
    text += map.row_sums ? formatted("  %.3f\n", row_sum(map, q)) : "\n";
  }
  double fifth = (map.greatest - map.least) / 5;
  text += repeated(" ", label_width + 1);
  for (int i = 1; i < 5; ++i)
    text += formatted("%s%s from %g", i > 1 ? "  " : "", shades[i], map.least + i * fifth);
  return text + (hides(map) ? "  ╱╱ not visible\n" : "\n");
}

void write_svg(const HeatMap& map, const std::string& path) { write_file(path, as_svg(map)); }

void write_svg(const std::vector<HeatMap>& maps, const std::string& title, int across,
               const std::string& path) {
  write_file(path, as_svg(maps, title, across));
}

void print(const HeatMap& map) { say_text(as_text(map)); }

}  // namespace heed
