// The table of layers: one row or more for every class in layers/*.h that derives from Module.
// test_layers.cpp puts each row through the same tests, and fails when a class has no row.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include "autograd/ops.h"
#include "autograd/random.h"
#include "layers/activation.h"
#include "layers/additive_attention.h"
#include "layers/attention.h"
#include "layers/batch_norm.h"
#include "layers/conv1x1.h"
#include "layers/dropout.h"
#include "layers/embedding.h"
#include "layers/gru.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/module.h"
#include "layers/positional_encoding.h"
#include "layers/self_attention_2d.h"
#include "layers/sequential.h"

namespace heed_tests {

// The inputs of one call: in0 of a golden case, then in0.1, in0.2, ...
using Inputs = std::vector<heed::Tensor>;

template <class L> struct Row {
  std::string name;  // of the case in golden/layers.safetensors; the class is before the '.'
  std::function<L()> make;  // the layer, with weights of its own choice
  // Parameters whose gradient is zero, each with the reason.
  std::map<std::string, std::string> zero_gradient = {};
  std::function<heed::Tensor(L&, const Inputs&)> call = [](L& layer, const Inputs& in) {
    if constexpr (requires { heed::Tensor(layer(in[0])); })
      return heed::Tensor(layer(in[0]));
    else
      return heed::fail("[row] this layer needs a call of its own"), heed::Tensor();
  };
  std::string no_derivative = {};  // why its gradients are not those of differences
};

// A row that has forgotten its kind of layer, so that a test is compiled once and not for every
// kind. What takes the kind to do is in functions.
struct AnyRow {
  using Layer = std::unique_ptr<heed::Module>;
  std::string name, no_derivative;
  std::map<std::string, std::string> zero_gradient;
  std::function<Layer()> make;
  std::function<heed::Tensor(heed::Module&, const Inputs&)> call;
  Layer (*copy)(const heed::Module&);
  Layer (*move)(heed::Module&);
  void (*assign)(heed::Module& to, const heed::Module& from);
  void (*move_assign)(heed::Module& to, heed::Module& from);
  std::vector<Layer> (*clones)(const heed::Module&, int n);

  template <class L> explicit AnyRow(const Row<L>& row)
      : name(row.name),
        no_derivative(row.no_derivative),
        zero_gradient(row.zero_gradient),
        make([=] { return std::make_unique<L>(row.make()); }),
        call([=](heed::Module& m, const Inputs& in) { return row.call(as<L>(m), in); }),
        copy([](auto& m) -> Layer { return std::make_unique<L>(as<L>(m)); }),
        move([](auto& m) -> Layer { return std::make_unique<L>(std::move(as<L>(m))); }),
        assign([](auto& to, auto& from) { as<L>(to) = as<L>(from); }),
        move_assign([](auto& to, auto& from) { as<L>(to) = std::move(as<L>(from)); }),
        clones([](auto& m, int n) {
          std::vector<Layer> result;
          for (L& layer : heed::clones(as<L>(m), n))
            result.push_back(std::make_unique<L>(std::move(layer)));
          return result;
        }) {
    static_assert(std::is_nothrow_move_constructible_v<L>);
    static_assert(std::is_nothrow_move_assignable_v<L>);
  }

 private:
  template <class L> static L& as(heed::Module& m) { return static_cast<L&>(m); }
  template <class L> static const L& as(const heed::Module& m) {
    return static_cast<const L&>(m);
  }
};

// Output and weights, one after the other, so that both are compared.
inline heed::Tensor both(const heed::Attention& a) {
  return heed::cat({a.output.reshape({-1}), a.weights.reshape({-1})}, 0);
}

// With dropout: from the seed of the golden cases.
template <class L> heed::Tensor from_seed_3(L& layer, const Inputs& in) {
  heed::manual_seed(3);
  return layer(in[0]);
}

template <class Visit> void for_each_sequence_layer(Visit visit) {
  using namespace heed;
  visit(Row<Dropout>{"Dropout", [] { return Dropout(0.25); }, {}, from_seed_3<Dropout>});
  visit(Row<LayerNorm>{"LayerNorm", [] { return LayerNorm(5); }});
  visit(Row<LayerNorm>{"LayerNorm.options", [] { return LayerNorm(5, 0.25); }});
  auto look_up = [](Embedding& layer, const Inputs& in) {
    std::vector<Scalar> numbers = in[0].to_vector();
    return layer(std::vector<int>(numbers.begin(), numbers.end()), in[0].shape());
  };
  visit(Row<Embedding>{"Embedding", [] { return Embedding(7, 3); }, {}, look_up});
  visit(Row<Embedding>{"Embedding.padding",
                       [] { return Embedding(7, 3, 2); },
                       {},
                       look_up,
                       "the padding row has a gradient of 0, whatever comes out of it"});
  visit(Row<PositionalEncoding>{"PositionalEncoding",
                                [] { return PositionalEncoding(6, 0.1, 9); },
                                {},
                                from_seed_3<PositionalEncoding>});
  visit(Row<LearnedPositionalEncoding>{"LearnedPositionalEncoding",
                                       [] { return LearnedPositionalEncoding(6, 5, 0.1); },
                                       {},
                                       from_seed_3<LearnedPositionalEncoding>});
  visit(Row<Conv1x1>{"Conv1x1", [] { return Conv1x1(3, 4); }});
  visit(Row<Conv1x1>{"Conv1x1.no_bias", [] { return Conv1x1(3, 4, false); }});
}

template <class Visit> void for_each_attention_layer(Visit visit) {
  using namespace heed;
  using Heads = MultiHeadAttention;
  auto wide = [] { return Heads(18, 3); };
  auto narrow = [] { return Heads(12, 3); };
  auto cross = [](Heads& layer, const Inputs& in) {
    return both(layer(in[0], in[1], in[2], in.size() > 3 ? Mask::keep(in[3]) : Mask()));
  };
  auto self = [](Heads& layer, const Inputs& in) {
    return both(layer(in[0], in[0], in[0], in.size() > 1 ? Mask::keep(in[1]) : Mask()));
  };
  visit(Row<Heads>{"MultiHeadAttention", wide, {}, cross});
  visit(Row<Heads>{"MultiHeadAttention.a_mask_a_head", wide, {}, cross});
  visit(Row<Heads>{"MultiHeadAttention.padding", wide, {}, cross});
  visit(Row<Heads>{"MultiHeadAttention.self", narrow, {}, self});
  visit(Row<Heads>{"MultiHeadAttention.causal", narrow, {}, self});

  using Pixels = SelfAttention2d;
  auto pixels = [](Pixels& layer, const Inputs& in) { return both(layer(in[0])); };
  auto output = [](Pixels& layer, const Inputs& in) { return layer(in[0]).output; };
  const std::map<std::string, std::string> key_bias = {
      {"key.bias", "adds the same to all scores of a query, which softmax takes away"}};
  std::map<std::string, std::string> closed;
  for (const char* name : {"query", "key", "value"})
    for (const char* part : {".weight", ".bias"})
      closed[std::string(name) + part] = "gamma is 0, so that nothing of it comes out";
  visit(Row<Pixels>{"SelfAttention2d", [] { return Pixels(16); }, key_bias, pixels});
  visit(
      Row<Pixels>{"SelfAttention2d.scaled", [] { return Pixels(17, true); }, key_bias, pixels});
  visit(Row<Pixels>{"SelfAttention2d.gamma_0", [] { return Pixels(8); }, closed, output});
}

template <class Visit> void for_each_recurrent_layer(Visit visit) {
  using namespace heed;
  visit(Row<GRUCell>{"GRUCell",
                     [] { return GRUCell(5, 6); },
                     {},
                     [](GRUCell& cell, const Inputs& in) { return cell(in[0], in[1]); }});
  auto run = [](GRU& layer, const Inputs& in) {  // in[1]: lengths
    std::vector<Scalar> numbers = in.size() > 1 ? in[1].to_vector() : std::vector<Scalar>();
    manual_seed(3);
    GRUOutput y = layer(in[0], std::vector<int>(numbers.begin(), numbers.end()));
    return cat({y.output.reshape({-1}), y.hidden.reshape({-1})}, 0);
  };
  auto one = [] { return GRU(5, 6); };
  visit(Row<GRU>{"GRU", one, {}, run});
  visit(Row<GRU>{"GRU.lengths", one, {}, run});
  visit(Row<GRU>{
      "GRU.deep", [] { return GRU(5, 6, {.layers = 2, .bidirectional = true}); }, {}, run});
  visit(Row<GRU>{
      "GRU.dropout", [] { return GRU(5, 6, {.layers = 3, .dropout = 0.25}); }, {}, run});
  auto ask = [](AdditiveAttention& layer, const Inputs& in) {
    return both(
        layer(in[0], layer.project(in[1]), in[1], in.size() > 2 ? Mask::keep(in[2]) : Mask()));
  };
  auto additive = [] { return AdditiveAttention(5, 6, 7); };
  visit(Row<AdditiveAttention>{"AdditiveAttention", additive, {}, ask});
  visit(Row<AdditiveAttention>{"AdditiveAttention.padding", additive, {}, ask});
}

inline std::vector<AnyRow> all_rows() {
  using namespace heed;
  std::vector<AnyRow> rows;
  const auto visit = [&](const auto& row) { rows.emplace_back(row); };
  visit(Row<Linear>{"Linear", [] { return Linear(5, 3); }});
  visit(Row<Linear>{"Linear.no_bias", [] { return Linear(5, 3, false); }});
  visit(Row<BatchNorm>{"BatchNorm", [] { return BatchNorm(3); }});
  visit(Row<BatchNorm>{"BatchNorm.4d", [] { return BatchNorm(3); }});
  visit(Row<BatchNorm>{"BatchNorm.options", [] { return BatchNorm(3, 0.01, 0.3); }});
  visit(Row<ReLU>{"ReLU", [] { return ReLU(); }});
  visit(Row<Tanh>{"Tanh", [] { return Tanh(); }});
  visit(Row<Sigmoid>{"Sigmoid", [] { return Sigmoid(); }});
  visit(Row<Sequential>{"Sequential", [] {
                          return Sequential(Linear(4, 6), ReLU(), BatchNorm(6), Linear(6, 3));
                        }});
  visit(
      Row<Sequential>{"Sequential.bias_before_norm",
                      [] { return Sequential(Linear(4, 6), BatchNorm(6), Tanh()); },
                      {{"0.bias", "BatchNorm takes each channel's mean away, bias and all"}}});
  for_each_sequence_layer(visit);
  for_each_attention_layer(visit);
  for_each_recurrent_layer(visit);
  return rows;
}

}  // namespace heed_tests
