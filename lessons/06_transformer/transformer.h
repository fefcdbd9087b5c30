// The Transformer of Vaswani et al. 2017, from the pieces of lesson 02: an encoder that reads,
// a decoder that writes, and nothing in them but attention and small networks. Names are those
// of PyTorch's layers, so that weights go there and back. B sentences of S source tokens, T
// target tokens; D numbers a token, H heads of d = D / H numbers.
#pragma once
#include <heed.h>
#include "lessons/support/examples.h"

namespace lesson_06 {
using namespace heed;

// [snippet: sizes]
// Where the normalisation of a sublayer stands: before it ("pre-norm"), or behind the sum
// ("post-norm", as in the paper).
enum class Norm { first, last };

struct Sizes {  // of the model
  int source_words, target_words;
  int width = 64, heads = 4, hidden = 128;
  int encoder_layers = 2, decoder_layers = 1;
  Norm norm = Norm::first;
  double dropout = 0;  // in training: of embeddings, weights, hidden numbers, sublayers
  int longest = 128;   // tokens that a text may have
};
// [end]

// [snippet: residual]
// What both kinds of layers are made of: a sublayer, and around it a sum and a normalisation.
struct Layer : Module {
  Norm norm;
  double dropout;

  explicit Layer(const Sizes& n) : norm(n.norm), dropout(n.dropout) {}

 protected:
  template <class Sublayer>
  Tensor around(const LayerNorm& normalised, const Tensor& x, Sublayer f) const {
    if (norm == Norm::first) return x + dropped(f(normalised(x)));
    return normalised(x + dropped(f(x)));
  }
  Tensor feed_forward(const Linear& linear1, const Linear& linear2, const Tensor& x) const {
    return linear2(dropped(relu(linear1(x))));
  }
  Tensor dropped(const Tensor& x) const { return heed::dropout(x, dropout, training); }
};
// [end]

// [snippet: encoder]
// torch.nn.TransformerEncoderLayer: each token looks at all tokens, and then goes alone through
// the feed-forward network.
struct EncoderLayer : Layer {
  MultiHeadAttention self_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2;
  FIELDS(self_attn, linear1, linear2, norm1, norm2)

  explicit EncoderLayer(const Sizes& n)
      : Layer(n),
        self_attn(n.width, n.heads, n.dropout),
        linear1(n.width, n.hidden),
        linear2(n.hidden, n.width),
        norm1(n.width),
        norm2(n.width) {}

  // x, y: (B, S, D)
  Tensor operator()(const Tensor& x, const Mask& padding) const {
    Tensor y =
        around(norm1, x, [&](const Tensor& x) { return self_attn(x, x, x, padding).output; });
    return around(norm2, y, [&](const Tensor& y) { return feed_forward(linear1, linear2, y); });
  }
};

// torch.nn.TransformerEncoder: layers, one on the other. Normalised first, the last sum would
// stay as it is, so one normalisation more is at the end. (The copies of a layer are equal
// until Transformer::start() draws each anew.)
struct Encoder : Module {
  std::vector<EncoderLayer> layers;
  std::optional<LayerNorm> norm;
  FIELDS(layers, norm)

  explicit Encoder(const Sizes& n) : layers(clones(EncoderLayer(n), n.encoder_layers)) {
    if (n.norm == Norm::first) norm.emplace(n.width);
  }

  Tensor operator()(Tensor x, const Mask& padding) const {
    for (const EncoderLayer& layer : layers) x = layer(x, padding);
    return norm ? (*norm)(x) : x;
  }
};
// [end]

// [snippet: decoder]
// What was read, as the decoder sees it: for each of its layers the keys and values of all
// source tokens, (B, H, S, d) each.
struct Source {
  std::vector<KeysValues> layers;
  Mask padding;  // (B, 1, S)
};
// What has been written so far, in the same form. This is the cache: of a token that has been
// written keys and values never change.
using Past = std::vector<KeysValues>;

// Behind the tokens so far, dimension 2, come those of now.
inline void append(KeysValues& past, const KeysValues& now) {
  past.keys = past.keys.defined() ? cat({past.keys, now.keys}, 2) : now.keys;
  past.values = past.values.defined() ? cat({past.values, now.values}, 2) : now.values;
}

// torch.nn.TransformerDecoderLayer: each token looks back, looks into the source, and then goes
// alone through the feed-forward network.
struct DecoderLayer : Layer {
  MultiHeadAttention self_attn, multihead_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2, norm3;
  FIELDS(self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3)

  explicit DecoderLayer(const Sizes& n)
      : Layer(n),
        self_attn(n.width, n.heads, n.dropout),
        multihead_attn(n.width, n.heads, n.dropout),
        linear1(n.width, n.hidden),
        linear2(n.hidden, n.width),
        norm1(n.width),
        norm2(n.width),
        norm3(n.width) {}

  // x (B, T, D): T new tokens, behind those of `past`, which they join. visible: which of past
  // and new ones each may look at. Returns what becomes of x, (B, T, D), and the weights of its
  // look into the source, (B, H, T, S).
  Attention operator()(const Tensor& x, KeysValues& past, const Mask& visible,
                       const KeysValues& source, const Mask& padding) const {
    Tensor weights;
    Tensor y = around(norm1, x, [&](const Tensor& x) {
      append(past, self_attn.project(x, x));
      return self_attn(x, past, visible).output;
    });
    y = around(norm2, y, [&](const Tensor& y) {
      Attention read = multihead_attn(y, source, padding);
      weights = read.weights;
      return read.output;
    });
    y = around(norm3, y, [&](const Tensor& y) { return feed_forward(linear1, linear2, y); });
    return {y, weights};
  }
};

struct Decoded {
  Tensor features;              // (B, T, D)
  std::vector<Tensor> weights;  // of each layer, on the source: (B, H, T, S)
};

// torch.nn.TransformerDecoder.
struct Decoder : Module {
  std::vector<DecoderLayer> layers;
  std::optional<LayerNorm> norm;
  FIELDS(layers, norm)

  explicit Decoder(const Sizes& n) : layers(clones(DecoderLayer(n), n.decoder_layers)) {
    if (n.norm == Norm::first) norm.emplace(n.width);
  }

  // What the encoder has made of a text, made ready once for all steps.
  Source read(const Tensor& encoded, const Mask& padding) const {
    Source source{{}, padding};
    for (const DecoderLayer& layer : layers)
      source.layers.push_back(layer.multihead_attn.project(encoded, encoded));
    return source;
  }

  Decoded operator()(Tensor x, Past& past, const Mask& visible, const Source& source) const {
    past.resize(layers.size());
    std::vector<Tensor> weights;
    for (size_t i = 0; i < layers.size(); ++i) {
      Attention a = layers[i](x, past[i], visible, source.layers[i], source.padding);
      x = a.output;
      weights.push_back(a.weights);
    }
    return {norm ? (*norm)(x) : x, weights};
  }
};
// [end]

// [snippet: transformer]
struct Transformer : Module {
  Embedding source, target;
  PositionalEncoding positions;
  Encoder encoder;
  Decoder decoder;
  Linear out;
  FIELDS(source, target, positions, encoder, decoder, out)

  explicit Transformer(const Sizes& n)
      : source(n.source_words, n.width),
        target(n.target_words, n.width),
        positions(n.width, n.dropout, n.longest),
        encoder(n),
        decoder(n),
        out(n.width, n.target_words) {
    start();
  }

  Source read(const Batch& batch) const {
    Mask padding = padding_mask(batch.lengths, batch.source_length);
    Tensor x = embedded(source, batch.source, {batch.size, batch.source_length}, 0);
    return decoder.read(encoder(x, padding), padding);
  }

  // The next tokens, T a sentence, behind those of `past`; none may look ahead.
  Decoded write(std::span<const int> words, const Shape& shape, const Source& read,
                Past& past) const {
    int64_t before = past.empty() ? 0 : past[0].keys.size(2), T = shape[1];
    Mask visible;  // a single token is the last: it may look at all
    if (T > 1)     // of the mask for all tokens the rows of the new ones
      visible = Mask::keep(causal_mask(before + T).tensor().narrow(0, before, T));
    return decoder(embedded(target, words, shape, before), past, visible, read);
  }

  // In training all tokens are known, and written at once: the features, (B, T, D).
  Tensor operator()(const Batch& batch) const {
    Past nothing;
    return write(batch.input, {batch.size, batch.target_length}, read(batch), nothing).features;
  }

  // ids, row after row -> (B, T, D). Embeddings start with numbers of about 1 / sqrt(D), and
  // come out about as large as the positions (section 3.4 of the paper). first: the position of
  // the first of these tokens; with a cache it is not 0.
  Tensor embedded(const Embedding& table, std::span<const int> ids, const Shape& shape,
                  int64_t first) const {
    return positions(table(ids, shape) * std::sqrt(double(table.weight.size(1))), first);
  }

 private:
  void start();
};
// [end]

// [snippet: start]
// Where the training starts: embeddings N(0, 1 / D), biases 0, and each matrix as Glorot and
// Bengio 2010 say: uniform numbers, as large as it takes for what comes out to be about as
// large as what goes in. in_proj_weight is three of them: of queries, keys and values.
inline void Transformer::start() {
  NoGrad guard;
  const int64_t D = source.weight.size(1);
  for (auto& [name, parameter] : named_parameters()) {
    Tensor p = parameter;
    if (name == "source.weight" || name == "target.weight")
      p.copy_(normal(p.shape(), 0, 1 / std::sqrt(double(D))));
    else if (name.ends_with("in_proj_weight"))
      for (int i : {0, 1, 2}) p.narrow(0, i * D, D).copy_(init::xavier_uniform({D, D}));
    else if (p.dim() == 2)
      p.copy_(init::xavier_uniform(p.shape()));
    else if (name.ends_with("bias"))
      p.zero_();
  }
}
// [end]

// [snippet: loss]
// Mean cross-entropy over the words of the targets. With smoothing s the target is no longer
// the one right word: it keeps 1 - s, and s is spread evenly over all words. Padding is left
// out before the last product.
inline Tensor loss_of(const Transformer& model, const Batch& batch, double smoothing) {
  Tensor features = model(batch);
  Wanted wanted = wanted_of(batch);
  if (wanted.places.size() < size_t(batch.size * batch.target_length))
    features = index_select(features.view({-1, features.size(2)}), wanted.places);
  return cross_entropy(model.out(features), wanted.labels, {.label_smoothing = smoothing});
}
// [end]

}  // namespace lesson_06
