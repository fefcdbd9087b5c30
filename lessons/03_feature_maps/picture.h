// Pictures of the data and of where a pixel looks.
#pragma once
#include "lessons/support/files.h"
#include "lessons/support/heat_map.h"
#include "lessons/support/svg.h"
#include "lessons/support/text.h"
#include "network.h"

namespace lesson_03 {

// "2" a colour, "2c" with marker c, "2c?" a question
inline std::string name_of(const Pixel& pixel) {
  std::string name(1, char('0' + pixel.colour));
  if (pixel.marker >= 0) name += char('a' + pixel.marker);
  return name + (pixel.asks() ? "?" : "");
}

inline std::string as_text(const Image& image, int W) {
  std::string text;
  for (size_t p = 0; p < image.size(); ++p) {
    text += (p % size_t(W) ? " " : "    ") + pad_right(name_of(image[p]), 3);
    if (p % size_t(W) == size_t(W) - 1)
      text = text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

// The same as an SVG: the colour fills the pixel.
inline std::string as_svg(const Image& image, int H, int W) {
  constexpr double cell = 40, left = Svg::margin + 22, top = Svg::margin + 54;
  const char* const fill[] = {"#9ecbe8", "#f2c27d", "#a3d9c1", "#e3b7d2"};
  Svg svg(left + cell * W + Svg::margin + 30, top + cell * H + 26 + Svg::margin,
          "An image: letters are markers, ? asks");
  svg.text(Svg::margin, Svg::margin + 14, "An image: letters are markers, ? asks",
           Anchor::start, 14, "strong");
  for (int x = 0; x < W; ++x)
    svg.text(left + cell * (x + 0.5), top - 7, formatted("%d", x), Anchor::middle);
  for (int y = 0; y < H; ++y)
    svg.text(left - 8, top + cell * (y + 0.5) + 4, formatted("%d", y), Anchor::end);
  for (int p = 0; p < H * W; ++p) {
    const Pixel& pixel = image[size_t(p)];
    double x = left + cell * (p % W), y = top + cell * (p / W);
    svg.rectangle(x, y, cell, cell, fill[pixel.colour]);
    svg.text(x + 4, y + 11, formatted("%d", pixel.colour), Anchor::start, 9, "on-light");
    if (pixel.marker >= 0)
      svg.text(x + cell / 2, y + cell / 2 + 7, name_of(pixel).substr(1), Anchor::middle, 17,
               "on-light");
  }
  svg.text(left, top + cell * H + 22, "the small number: the pixel's colour", Anchor::start,
           11);
  return svg.finish();
}

// Where pixel p of an image looks: its row of the weights, laid out as the image is. The pixel
// is marked with ?, its twin, if it asks for one, with T.
inline HeatMap map_of(const Network& net, const Images& data, int image, int p) {
  NoGrad guard;
  const Pixel& pixel = data.images[size_t(image)][size_t(p)];
  Tensor weights = net(data.x.narrow(0, image, 1)).weights.select(0, 0).select(0, p);
  HeatMap map;
  map.title = formatted("pixel (%d, %d)", p / data.W, p % data.W);
  for (int y = 0; y < data.H; ++y) map.queries.push_back(formatted("%d", y));
  for (int x = 0; x < data.W; ++x) map.keys.push_back(formatted("%d", x));
  for (Scalar w : weights.contiguous().to_vector()) map.values.push_back(double(w));
  map.query_label = "y", map.key_label = "x";
  map.row_sums = false;
  map.marks = {{size_t(p), "?"}};
  if (pixel.asks()) map.marks.push_back({size_t(pixel.twin), "T"});
  return map;
}

// Every question of an image, in the order of its pixels.
inline std::vector<int> questions(const Image& image) {
  std::vector<int> found;
  for (size_t p = 0; p < image.size(); ++p)
    if (image[p].asks()) found.push_back(int(p));
  return found;
}

}  // namespace lesson_03
