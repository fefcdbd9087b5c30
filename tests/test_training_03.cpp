// Lesson 03 against PyTorch 2.13: the document's block from seed 0, the images, and the first
// steps of the distant twin.
#include <heed.h>
#include "lessons/03_feature_maps/document.h"
#include "lessons/03_feature_maps/network.h"
#include "tests/golden.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;
using namespace lesson_03;

TEST_CASE("lesson 03: the document's block and its results from seed 0 are PyTorch's") {
  Golden golden("lesson03");
  Example e;
  CHECK(same(e.input, golden["input"]));
  for (auto& [name, parameter] : e.block.named_parameters())
    CHECK(same(parameter.detach(), golden["weights/" + name]));
  for (auto [name, gamma] : {std::pair("zero", 0.0), {"half", 0.5}}) {
    set_gamma(e.block, gamma);
    Walk w = walk(e.block, e.input);
    CHECK(difference(w.scores, golden["scores"]) < GOLDEN_TOLERANCE);
    CHECK(difference(w.attention, golden["attention"]) < GOLDEN_TOLERANCE);
    CHECK(difference(w.out, golden["out"]) < GOLDEN_TOLERANCE);
    Attention block = e.block(e.input);
    for (const Tensor& output : {w.output, block.output})
      CHECK(difference(output, golden[std::string(name) + "/output"]) < GOLDEN_TOLERANCE);
    CHECK(difference(block.weights, golden["attention"]) < GOLDEN_TOLERANCE);
  }
  e.block.scaled = true;
  CHECK(difference(e.block(e.input).output, golden["scaled/output"]) < GOLDEN_TOLERANCE);
  CHECK(difference(e.block(e.input).weights, golden["scaled/attention"]) < GOLDEN_TOLERANCE);
}

TEST_CASE("lesson 03: its gradients are PyTorch's; while gamma is 0 all but gamma's are 0") {
  Golden golden("lesson03");
  Example e;
  for (double gamma : {0.0, 0.5}) {
    gradients(e.block, e.input, gamma);
    double query = largest(e.block.query.bias->grad());
    for (const auto& parameter : e.block.named_parameters()) {
      std::string name = (gamma == 0 ? "zero/grad." : "half/grad.") + parameter.first;
      Tensor grad = parameter.second.grad();
      CAPTURE(name);
      if (gamma == 0 && parameter.first != "gamma")
        CHECK(largest(grad) == 0);
      else if (parameter.first == "key.bias")  // rounding only, in PyTorch as well
        CHECK(largest(grad) < GOLDEN_TOLERANCE * query);
      else
        CHECK(difference(grad, golden[name]) < GOLDEN_TOLERANCE);
    }
  }
}

TEST_CASE("lesson 03: the images are those that the same rule draws in PyTorch") {
  Golden golden("lesson03");
  Images pool = draw_images(1, 4000);
  std::vector<double> sums(CHANNELS * 64);
  const Scalar* x = pool.x.data();
  for (int i = 0; i < 4000; ++i)
    for (double& s : sums) s += (i + 1) * double(*x++);
  CHECK(sums == golden.doubles("pixels"));
  CHECK(std::vector<int>(pool.answers.begin(), pool.answers.begin() + 6400) ==
        golden.ints("answers"));
}

TEST_CASE("lesson 03: six questions an image, and a twin with the same marker, far away") {
  for (auto [H, W] : {std::pair(8, 8), {5, 16}}) {
    Images data = draw_images(7, 50, H, W);
    for (const Image& image : data.images) {
      int questions = 0, markers = 0;
      for (int p = 0; p < H * W; ++p) {
        const Pixel& pixel = image[size_t(p)];
        markers += pixel.marker >= 0;
        if (!pixel.asks()) continue;
        ++questions;
        const Pixel& twin = image[size_t(pixel.twin)];
        CHECK(twin.marker == pixel.marker);
        CHECK(!twin.asks());
        CHECK(std::max(std::abs(p / W - pixel.twin / W), std::abs(p % W - pixel.twin % W)) >=
              3);
      }
      CHECK(questions == 6);
      CHECK(markers == 12);
    }
  }
  CHECK_THROWS_AS(draw_images(1, 1, 3, 10), Error);
}

TEST_CASE("lesson 03: each loss of the first steps is PyTorch's") {
  const bool in_double = sizeof(Scalar) == 8;
  std::vector<double> expected =
      Golden("lesson03").doubles(in_double ? "step_losses_double" : "step_losses");
  REQUIRE(expected.size() == (in_double ? 100 : 10));
  Images pool = draw_images(1, 4000);
  manual_seed(0);
  Network net(32, Kind::unscaled);
  Trainer trainer(net, pool, 0, 0.007);
  double worst = 0;
  for (double loss : expected) worst = larger(worst, std::abs(trainer.step() - loss));
  MESSAGE("largest difference of a loss from PyTorch's, ", expected.size(), " steps: ", worst);
  CHECK(worst < (in_double ? 1e-9 : 1e-5));
}

TEST_CASE("lesson 03: learned when twenty losses in a row are small in the mean") {
  TrainingLog log{std::vector<double>(50, 1), {}};
  CHECK(log.learned_at() == 0);
  log.loss.insert(log.loss.end(), 30, 0.01);
  CHECK(log.learned_at() == 70);
  CHECK((TrainingLog{std::vector<double>(20, 0.01), {}}.learned_at() == 20));
  CHECK((TrainingLog{std::vector<double>(19, 0.01), {}}.learned_at() == 0));
}

// A network that has not learned anything, with weights that are the same for all pixels.
TEST_CASE("lesson 03: the score counts what it says") {
  Images data = draw_images(5, 60);
  manual_seed(0);
  Network net(8, Kind::unscaled);
  {
    NoGrad guard;
    for (Tensor p : net.parameters()) p.zero_();
    net.out.bias->set({2}, 1);  // always colour 2
  }
  int twos = 0, at_pixel_0 = 0;
  for (const Image& image : data.images)
    for (const Pixel& p : image)
      if (p.asks()) twos += image[size_t(p.twin)].colour == 2, at_pixel_0 += p.twin == 0;
  Score s = score(net, data);
  CHECK(s.right == twos / 360.);
  CHECK(s.top == at_pixel_0 / 360.);  // of equal weights the first is the largest
  CHECK(s.mass == doctest::Approx(1 / 64.));
  CHECK(s.self == doctest::Approx(1 / 64.));
}
