// The data: small images in which some pixels ask for the colour of a distant pixel.
//
// Every pixel has a random colour. Six pairs of pixels, its twins, carry the same marker, a
// different one for each pair, and are at least three rows or three columns apart. One of the
// two, the source, answers; the other carries a flag: it asks for the source's colour.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <heed.h>

namespace lesson_03 {
using namespace heed;

constexpr int COLOURS = 4, MARKERS = 8, PAIRS = 6, DISTANCE = 3;
constexpr int FLAG = COLOURS + MARKERS;  // channels: colours, markers, one flag
constexpr int CHANNELS = FLAG + 1;
constexpr int NOT_ASKED = -100;  // the label of all other pixels; cross_entropy skips it

struct Pixel {
  int colour;
  int marker = -1;  // none
  int twin = -1;    // of a question: the pixel that it asks for
  bool asks() const { return twin >= 0; }
};
using Image = std::vector<Pixel>;  // N = H W of them, row by row

// [snippet: draw_image]
// Draws, in this order: N colours; a shuffle of the markers; for each pair two pixels, source
// and question, again until both are free and far enough apart.
inline Image draw_image(Generator& random, int H, int W) {
  int N = H * W;
  Image image;
  for (int i = 0; i < N; ++i) image.push_back({int(random.randint(0, COLOURS))});
  std::vector<int> markers = random.randperm(MARKERS);
  for (int pair = 0; pair < PAIRS; ++pair) {
    int source, question;
    do {
      source = int(random.randint(0, N)), question = int(random.randint(0, N));
    } while (image[size_t(source)].marker >= 0 || image[size_t(question)].marker >= 0 ||
             std::max(std::abs(source / W - question / W),
                      std::abs(source % W - question % W)) < DISTANCE);
    image[size_t(source)].marker = image[size_t(question)].marker = markers[size_t(pair)];
    image[size_t(question)].twin = source;
  }
  return image;
}
// [end]

struct Images {
  int H, W;
  std::vector<Image> images;
  Tensor x;                  // (n, 13, H, W): each pixel one-hot colour, one-hot marker, flag
  std::vector<int> answers;  // n N labels: the source's colour where a pixel asks
  int count() const { return int(images.size()); }
};

// A question pixel has a colour of its own, which says nothing about the answer. Without it
// (false_colour off) its colour channels are 0.
inline Images draw_images(uint64_t seed, int count, int H = 8, int W = 8,
                          bool false_colour = true) {
  HEED_CHECK(H * W >= 36 && std::max(H, W) > DISTANCE, "[draw_images] ", H, " x ", W,
             ": too small for six distant pairs");
  Generator random(seed);
  Images data{H, W, {}, zeros({count, CHANNELS, H, W}), {}};
  Scalar* x = data.x.mutable_data();
  for (int i = 0; i < count; ++i, x += CHANNELS * H * W) {
    data.images.push_back(draw_image(random, H, W));
    const Image& image = data.images.back();
    for (int p = 0; p < H * W; ++p) {
      const Pixel& pixel = image[size_t(p)];
      if (false_colour || !pixel.asks()) x[pixel.colour * H * W + p] = 1;
      if (pixel.marker >= 0) x[(COLOURS + pixel.marker) * H * W + p] = 1;
      if (pixel.asks()) x[FLAG * H * W + p] = 1;
      data.answers.push_back(pixel.asks() ? image[size_t(pixel.twin)].colour : NOT_ASKED);
    }
  }
  return data;
}

// What can be had without looking at the twin: share of the questions that are answered right
// by always the same colour, by the commonest colour of the image, and by the commonest among
// the image's six sources. Of equally common ones the first is taken.
struct Baselines {
  int questions = 0;
  double own = 0, constant = 0, image = 0, sources = 0;
};

inline Baselines baselines(const Images& train, const Images& test) {
  auto commonest = [](const std::vector<int>& colours) {
    std::vector<int> counts(COLOURS);
    for (int c : colours) ++counts[size_t(c)];
    return int(std::max_element(counts.begin(), counts.end()) - counts.begin());
  };
  std::vector<int> asked;
  for (int answer : train.answers)
    if (answer != NOT_ASKED) asked.push_back(answer);
  int constant = commonest(asked);
  Baselines b;
  for (const Image& image : test.images) {
    std::vector<int> all, of_sources;
    for (const Pixel& p : image) {
      all.push_back(p.colour);
      if (p.asks()) of_sources.push_back(image[size_t(p.twin)].colour);
    }
    int in_image = commonest(all), in_sources = commonest(of_sources);
    for (const Pixel& p : image) {
      if (!p.asks()) continue;
      int answer = image[size_t(p.twin)].colour;
      ++b.questions;
      b.own += p.colour == answer, b.constant += constant == answer;
      b.image += in_image == answer, b.sources += in_sources == answer;
    }
  }
  for (double* share : {&b.own, &b.constant, &b.image, &b.sources}) *share /= b.questions;
  return b;
}

}  // namespace lesson_03
