// Initial weights against PyTorch's, bit for bit: tests/golden/init.txt is a list of calls with
// the tensors that PyTorch made, written by make_init.py. In double they are the same float
// numbers.
#include <bit>
#include <fstream>
#include <sstream>
#include "autograd/random.h"
#include "layers/attention.h"
#include "layers/conv1x1.h"
#include "layers/embedding.h"
#include "layers/gru.h"
#include "layers/init.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/positional_encoding.h"
#include "layers/self_attention_2d.h"
#include "lessons/support/hash.h"
#include <doctest/doctest.h>

using namespace heed;

namespace {

std::vector<Tensor> make(const std::string& call, std::istream& in) {
  auto next = [&] {
    double value;
    REQUIRE((in >> value));
    return value;
  };
  auto shape = [&] {  // all sizes up to the colon
    std::vector<int64_t> sizes;
    for (int64_t size; in >> size;) sizes.push_back(size);
    in.clear();
    return Shape(std::span<const int64_t>(sizes));
  };
  if (call == "seed") {
    manual_seed(uint64_t(next()));
    return {};
  }
  if (call == "linear" || call == "linear_no_bias") {
    auto inputs = int64_t(next()), outputs = int64_t(next());
    return Linear(inputs, outputs, call == "linear").parameters();
  }
  if (call == "conv") return {init::default_weight(shape())};
  if (call == "conv1x1" || call == "embedding" || call == "multi_head" ||
      call == "learned_positions") {
    auto first = int64_t(next()), second = int64_t(next());
    if (call == "conv1x1") return Conv1x1(first, second).parameters();
    if (call == "embedding") return Embedding(first, second).parameters();
    if (call == "multi_head") return MultiHeadAttention(first, int(second)).parameters();
    return LearnedPositionalEncoding(first, second).parameters();
  }
  if (call == "embedding_padding") {
    auto vocabulary = int64_t(next()), width = int64_t(next());
    return Embedding(vocabulary, width, int(next())).parameters();
  }
  if (call == "gru") {
    auto in_size = int64_t(next()), hidden = int64_t(next());
    int layers = int(next());
    return GRU(in_size, hidden, {.layers = layers, .bidirectional = next() == 1}).parameters();
  }
  if (call == "layer_norm") return LayerNorm(int64_t(next())).parameters();
  if (call == "self_attention_2d") {
    auto channels = int64_t(next());
    SelfAttention2d block(channels);
    CHECK(block.gamma.item() == 0);
    std::vector<Tensor> all = block.parameters();
    all.pop_back();  // gamma
    return all;
  }
  if (call == "kaiming_uniform") return {init::kaiming_uniform(shape())};
  double gain = next();
  if (call == "xavier_uniform") return {init::xavier_uniform(shape(), gain)};
  REQUIRE(call == "xavier_normal");
  return {init::xavier_normal(shape(), gain)};
}

std::vector<float> as_floats(const Tensor& x) {
  std::vector<float> result;
  for (Scalar value : x.to_vector()) {
    result.push_back(float(value));
    if (Scalar(result.back()) != value) FAIL("a number that no float has: ", value);
  }
  return result;
}

}  // namespace

TEST_CASE("init: every layer and initialiser starts with PyTorch's weights") {
  std::ifstream file("tests/golden/init.txt");
  REQUIRE(file);
  int calls = 0, promised = -1, tensors = 0;
  for (std::string line; std::getline(file, line);) {
    if (line[0] == '#') continue;
    INFO(line);
    std::istringstream in(line);
    std::string call, colon;
    in >> call;
    if (call == "end") {
      in >> promised;
      break;
    }
    ++calls;
    std::vector<Tensor> made = make(call, in);
    in >> colon >> std::hex;
    REQUIRE(colon == ":");
    for (const Tensor& x : made) {
      std::vector<float> values = as_floats(x);
      uint64_t hash;
      REQUIRE((in >> hash));
      for (size_t i = 0; i < std::min<size_t>(values.size(), 3); ++i) {
        uint32_t bits;
        REQUIRE((in >> bits));
        CHECK(std::bit_cast<uint32_t>(values[i]) == bits);
      }
      CHECK(fnv1a(values.data(), values.size() * sizeof(float)) == hash);
      ++tensors;
    }
    std::string rest;
    CHECK(!(in >> rest));
  }
  CHECK(calls == promised);
  CHECK(tensors >= 20);
}

TEST_CASE("init: fans count what a weight connects") {
  CHECK(init::fans({3, 5}).in == 5);
  CHECK(init::fans({3, 5}).out == 3);
  CHECK(init::fans({4, 2, 3, 5}).in == 30);
  CHECK(init::fans({4, 2, 3, 5}).out == 60);
  for (const Shape& shape : {Shape{}, Shape{7}}) {
    std::string text = "no error";
    try {
      init::xavier_uniform(shape);
    } catch (const Error& e) {
      text = e.what();
    }
    CHECK(text.find("[init] ") == 0);
  }
}

TEST_CASE("init: parameters are leaves that require a gradient, also when made under NoGrad") {
  NoGrad guard;
  for (const Tensor& p : Linear(4, 3).parameters()) {
    CHECK(p.is_leaf());
    CHECK(p.requires_grad());
  }
}
