#include "lessons/support/svg.h"
#include <algorithm>
#include <cstdint>
#include "lessons/support/text.h"

namespace heed {
namespace {

// The colours of series are those of Okabe and Ito ("Color Universal Design", 2008), told apart
// by colour-blind readers too; dashes tell them apart in black and white.
const char* const style = R"svg(<style>
text { font-family: "Helvetica Neue", Helvetica, Arial, "Noto Sans", "Noto Sans CJK SC", sans-serif;
  fill: #57606a }
.page { fill: #ffffff; stroke: #d0d7de } .strong { fill: #1f2328; font-weight: 600 }
.faint { fill: #6e7781 } .on-dark { fill: #ffffff } .on-light { fill: #1f2328 }
.grid { stroke: #e4e8ec } .axis { stroke: #8c959f }
.hatch { stroke: #8c959f; stroke-width: 1.2 } .hatched { fill: #f0f2f4 }
path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
.s0 { stroke: #0072b2 } .s1 { stroke: #d55e00 } .s2 { stroke: #009e73 } .s3 { stroke: #cc79a7 }
.s4 { stroke: #e69f00 } .s5 { stroke: #56b4e9 } .s6 { stroke: #6e7781 }
.s1 { stroke-dasharray: 8 4 } .s2 { stroke-dasharray: 2 4 } .s3 { stroke-dasharray: 8 4 2 4 }
.s4 { stroke-dasharray: 14 4 } .s5 { stroke-dasharray: 4 4 } .s6 { stroke-dasharray: 1 5 }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4af } .page { fill: #0d1117; stroke: #30363d } .strong { fill: #e6edf3 }
  .faint { fill: #848d97 } .on-dark { fill: #ffffff } .on-light { fill: #1f2328 }
  .grid { stroke: #262c34 } .axis { stroke: #6e7681 }
  .hatch { stroke: #6e7681 } .hatched { fill: #161b22 }
  .s0 { stroke: #3fa0dc } .s1 { stroke: #f0813a } .s2 { stroke: #2dc79b }
}
</style>
<defs><pattern id="hidden" width="6" height="6" patternUnits="userSpaceOnUse"
  patternTransform="rotate(45)"><rect class="hatched" width="6" height="6"/>
  <line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>
)svg";

std::string escaped(const std::string& text) {
  std::string result;
  for (const std::string& c : characters(text)) {
    if (c == "&")
      result += "&amp;";
    else if (c == "<")
      result += "&lt;";
    else if (c == ">")
      result += "&gt;";
    else if (c == "\"")
      result += "&quot;";
    else if (c.size() > 1 || static_cast<unsigned char>(c[0]) >= 0x20)
      result += c;
    else
      result += ' ';  // XML has no place for control characters
  }
  return result;
}

}  // namespace

double text_width(const std::string& text, double size) { return 0.6 * size * columns(text); }

Svg::Svg(double width, double height, const std::string& title)
    : width(width), height(height), title(title) {}

void Svg::put_text(const std::string& position, const std::string& words, Anchor anchor,
                   double size, const std::string& css_class) {
  const char* name = anchor == Anchor::start    ? "start"
                     : anchor == Anchor::middle ? "middle"
                                                : "end";
  body += formatted("<text %s text-anchor=\"%s\" font-size=\"%g\" class=\"%s\">%s</text>\n",
                    position.c_str(), name, size, css_class.c_str(), escaped(words).c_str());
}

void Svg::text(double x, double y, const std::string& words, Anchor anchor, double size,
               const std::string& css_class) {
  put_text(formatted("x=\"%.1f\" y=\"%.1f\"", x, y), words, anchor, size, css_class);
}

void Svg::upward_text(double x, double y, const std::string& words, Anchor anchor, double size,
                      const std::string& css_class) {
  put_text(formatted("transform=\"translate(%.1f %.1f) rotate(-90)\"", x, y), words, anchor,
           size, css_class);
}

void Svg::line(double x1, double y1, double x2, double y2, const std::string& css_class) {
  body += formatted("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
                    x1, y1, x2, y2, css_class.c_str());
}

void Svg::path(const std::string& points, const std::string& css_class) {
  body += "<path d=\"" + points + "\" class=\"" + css_class + "\"/>\n";
}

void Svg::rectangle(double x, double y, double w, double h, const std::string& fill) {
  body +=
      formatted("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
                y, w, h, fill.c_str());
}

std::string Svg::finish() const {
  std::string size = formatted("width=\"%.0f\" height=\"%.0f\"", width, height);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" " + size +
         formatted(" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", width, height) + "<title>" +
         escaped(title) + "</title>\n" + style +
         formatted(
             "<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"%.0f\" height=\"%.0f\" "
             "rx=\"6\"/>\n",
             width - 1, height - 1) +
         body + "</svg>\n";
}

Ticks::Ticks(double least, double greatest, int most) {
  double range = greatest - least;
  step = 1;
  while (step * most < range) step *= 10;
  while (step * most / 10 >= range) step /= 10;
  // Now step / 10 is too small and step is not: the smallest of a fifth, half, whole that does.
  for (double part : {5.0, 2.0})
    if (step / part * most >= range) {
      step /= part;
      break;
    }
  auto index = static_cast<int64_t>(least / step);  // towards zero
  while (index * step < least - step * 1e-6) ++index;
  while ((index - 1) * step >= least - step * 1e-6) --index;
  first = static_cast<double>(index) * step;
  count = 0;
  while (at(count) <= greatest + step * 1e-6) ++count;
}

std::string Ticks::label(int i) const {
  double value = at(i);
  if (value < step / 2 && value > -step / 2) value = 0;  // not 1e-17, not -0
  if (value >= 1e6 || value <= -1e6 || step < 1e-5) return formatted("%.6g", value);
  int decimals = 0;
  for (double unit = 1; unit > step * 1.000001; unit /= 10) ++decimals;
  return formatted("%.*f", decimals, value);
}

}  // namespace heed
