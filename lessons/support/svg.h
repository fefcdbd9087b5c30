// A few SVG elements, enough for charts and heat maps. The page has a background of its own and
// a second set of colours for readers with a dark screen, so it can be read anywhere.
#pragma once
#include <string>

namespace heed {

// The width of a text in pixels, estimated: no font is at hand when a lesson runs.
double text_width(const std::string& text, double size);

enum class Anchor { start, middle, end };  // which point of a text its x is

class Svg {
 public:
  static constexpr double margin = 20;  // to leave free on all sides

  Svg(double width, double height, const std::string& title);

  // y is the baseline. A class names a colour: "", "strong", "faint", "on-dark", "on-light".
  void text(double x, double y, const std::string& words, Anchor anchor = Anchor::start,
            double size = 12, const std::string& css_class = "");
  // Turned to read upwards; x is the baseline.
  void upward_text(double x, double y, const std::string& words, Anchor anchor = Anchor::start,
                   double size = 12, const std::string& css_class = "");
  // A class: "grid" or "axis".
  void line(double x1, double y1, double x2, double y2, const std::string& css_class);
  // `points` is the d attribute; a class: "s0" to "s6", the colours of series.
  void path(const std::string& points, const std::string& css_class);
  // `fill` is a colour, or url(#hidden) for hatching.
  void rectangle(double x, double y, double width, double height, const std::string& fill);

  std::string finish() const;  // the whole file

 private:
  void put_text(const std::string& position, const std::string& words, Anchor anchor,
                double size, const std::string& css_class);

  double width, height;
  std::string title, body;
};

// Where an axis has its marks: round numbers (1, 2 or 5 times a power of ten apart), at most
// `most` of them, within [least, greatest].
struct Ticks {
  double first, step;
  int count;

  Ticks(double least, double greatest, int most);
  double at(int i) const { return first + i * step; }
  std::string label(int i) const;  // with as many decimals as the step needs
};

}  // namespace heed
