// Where a tensor's numbers lie: printed, and drawn as a figure, from the same list of pictures.
#pragma once
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>
#include "autograd/tensor.h"
#include "lessons/support/svg.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {
inline namespace HEED_PRECISION {

// A tensor and the expression that made it.
struct Picture {
  std::string name;
  Tensor x;  // two dimensions
};

// [snippet: slot]
// The place in memory of element (i, j), in numbers from the start of the storage.
inline int64_t slot(const Tensor& x, int64_t i, int64_t j) {
  return x.offset() + i * x.strides()[0] + j * x.strides()[1];
}
// [end]

// Do both look at the same memory?
inline bool share_storage(const Tensor& x, const Tensor& y) {
  return x.storage().get() == y.storage().get();
}

inline std::string to_text(const Shape& shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

// The storage of x, place by place.
inline void print_memory(const Tensor& x) {
  std::string slots, values;
  for (int64_t i = 0; i < x.numel(); ++i) {
    slots += formatted(" %4d", int(i));
    values += formatted(" %4g", double(x.storage()->data()[i]));
  }
  say("  slot  %s\n  value %s", slots.c_str(), values.c_str());
}

// Every element as value@slot, and whether the numbers are those of `memory` or a copy.
inline void print(const Picture& picture, const Tensor& memory) {
  const Tensor& x = picture.x;
  say("\n%s\n  shape %s, strides %s, offset %d, %s", picture.name.c_str(),
      to_text(x.shape()).c_str(), to_text(x.strides()).c_str(), int(x.offset()),
      share_storage(x, memory) ? "the memory of a" : "memory of its own");
  for (int64_t i = 0; i < x.size(0); ++i) {
    std::string row;
    for (int64_t j = 0; j < x.size(1); ++j)
      row += formatted("  %3g@%d", double(x.at({i, j})), int(slot(x, i, j)));
    say("%s", row.c_str());
  }
}

// ---- the figure: a cell has the colour of its place in memory
namespace layout_figure {

constexpr double CELL = 34, MARGIN = 24, GAP = 44;

inline void draw_cell(Svg& svg, double x, double y, double value, int64_t place) {
  // Light to dark, so that the order of the places is seen, too.
  static const char* const colours[] = {"#f3e7c9", "#bcdcc9", "#7fc0c4",
                                        "#4a93b8", "#2f639b", "#263a73"};
  svg.rectangle(x, y, CELL - 2, CELL - 2, colours[place % 6]);
  svg.text(x + CELL / 2 - 1, y + CELL / 2 + 4, formatted("%g", value), Anchor::middle, 13,
           place < 3 ? "on-light" : "on-dark");
}

// A row of cells with their places above; (x, y) is its upper left corner.
inline void draw_memory(Svg& svg, double x, double y, const std::string& name,
                        const Scalar* numbers, int count) {
  svg.text(x, y - 24, name, Anchor::start, 13, "strong");
  for (int place = 0; place < count; ++place) {
    svg.text(x + CELL * (place + 0.5) - 1, y - 6, std::to_string(place), Anchor::middle, 11,
             "faint");
    draw_cell(svg, x + CELL * place, y, double(numbers[place]), place);
  }
}

// The tensor as rows and columns, under its name and its rule.
inline void draw(Svg& svg, double x, double y, const Picture& picture) {
  const Tensor& t = picture.x;
  svg.text(x, y - 42, picture.name, Anchor::start, 13, "strong");
  svg.text(x, y - 25, "strides " + to_text(t.strides()), Anchor::start, 11, "faint");
  svg.text(x, y - 10, formatted("offset %d", int(t.offset())), Anchor::start, 11, "faint");
  for (int64_t i = 0; i < t.size(0); ++i)
    for (int64_t j = 0; j < t.size(1); ++j)
      draw_cell(svg, x + CELL * double(j), y + CELL * double(i), double(t.at({i, j})),
                slot(t, i, j));
}

}  // namespace layout_figure

// Three rows: the first tensor beside its memory, and a transpose; more views; a copy beside
// memory of its own.
inline std::string as_svg(const std::vector<Picture>& pictures) {
  using namespace layout_figure;
  constexpr double ROW = 3 * CELL + 78;  // a picture has up to three rows of cells
  Svg svg(680, MARGIN + 3 * ROW, "One memory, many tensors");
  double x = MARGIN, y = MARGIN + 48;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Picture& picture = pictures[i];
    const Tensor& t = picture.x;
    if (i == 0 || !share_storage(t, pictures[0].x)) {
      draw_memory(svg, x, y, i == 0 ? "memory" : "the copy's memory", t.storage()->data(), 6);
      x += 6 * CELL + GAP;
    }
    draw(svg, x, y, picture);
    x += std::max(CELL * double(t.size(1)), text_width(picture.name, 13)) + GAP;
    if (i == 1 || i == 4) x = MARGIN, y += ROW;
  }
  return svg.finish();
}

}  // namespace HEED_PRECISION
}  // namespace heed
