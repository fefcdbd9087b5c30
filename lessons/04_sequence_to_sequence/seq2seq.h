// The document's model, steps (1) to (5): an encoder, attention, a decoder. It has the
// document's names, and what its pseudo-code leaves out: the encoder reads in both directions,
// and padding is masked. B sentences of S source tokens, T target tokens; E numbers an
// embedding, H a state.
#pragma once
#include <heed.h>
#include "lessons/support/examples.h"
#include "lessons/support/writing.h"

namespace lesson_04 {
using namespace heed;

struct Sizes {  // of the model
  int source_words, target_words;
  int embedding = 32, hidden = 64;
  double dropout = 0;   // of the embeddings, in training
  bool attends = true;  // off: the decoder only gets the encoder's last two states
};

// Who knows where a sentence ends. All of them should; the lesson shows what comes of it if
// not.
enum class Padding { masked, seen_by_attention, seen_by_all };

// [snippet: encoder]
struct Encoded {
  Tensor states;     // (B, S, 2 H): encoder_output, the state after each token, both ways
  Tensor last;       // (B, 2 H): the last state of each direction
  Tensor first;      // (B, H): s_0, the decoder's first state
  Tensor projected;  // (B, S, H): W_h h, which attention needs at each step of the decoder
  Mask mask;         // (B, 1, S)
};

// Steps 1 and 5 of the document. Two directions leave two last states, which `bridge` joins.
struct Encoder : Module {
  Embedding embedding;
  Dropout dropout;
  GRU gru;
  Linear bridge;
  FIELDS(embedding, dropout, gru, bridge)

  explicit Encoder(const Sizes& n)
      : embedding(n.source_words, n.embedding),
        dropout(n.dropout),
        gru(n.embedding, n.hidden, {.bidirectional = true}),
        bridge(2 * n.hidden, n.hidden) {}

  Encoded operator()(const Batch& batch, Padding padding) const {
    Tensor x = dropout(embedding(batch.source, {batch.size, batch.source_length}));
    std::span<const int> lengths = batch.lengths;
    if (padding == Padding::seen_by_all) lengths = {};  // no lengths: all is read as text
    GRUOutput read = gru(x, lengths);
    Tensor last = cat({read.hidden.select(0, 0), read.hidden.select(0, 1)}, 1);
    return {read.output, last, tanh(bridge(last)), {}, {}};  // encode() adds the other two
  }
};
// [end]

// [snippet: decoder]
// What one step makes of the word before: the features that the next word is guessed from.
struct Step {
  Tensor state;     // (B, H): s_t
  Tensor features;  // (B, 3 H + E): s_t, context and embedded word
  Tensor weights;   // (B, S), if there is attention
};

// Steps 2 to 4.
struct Decoder : Module {
  Embedding embedding;
  Dropout dropout;
  std::optional<AdditiveAttention> attention;
  GRUCell cell;
  Linear out;
  FIELDS(embedding, dropout, attention, cell, out)

  explicit Decoder(const Sizes& n)
      : embedding(n.target_words, n.embedding),
        dropout(n.dropout),
        attention(n.attends ? std::optional<AdditiveAttention>(std::in_place, n.hidden,
                                                               2 * n.hidden, n.hidden)
                            : std::nullopt),
        cell(2 * n.hidden + n.embedding, n.hidden),
        out(3 * n.hidden + n.embedding, n.target_words) {}

  Step operator()(std::span<const int> words, const Tensor& state,
                  const Encoded& source) const {
    Tensor y = dropout(embedding(words, {int64_t(words.size())}));  // (B, E)
    Attention read{source.last, {}};  // without attention the same at each step, no weights
    if (attention) read = (*attention)(state, source.projected, source.states, source.mask);
    const Tensor& c = read.output;           // (B, 2 H)
    Tensor s = cell(cat({c, y}, 1), state);  // (B, H)
    return {s, cat({s, c, y}, 1), read.weights};
  }
};
// [end]

// The input words of step t.
inline std::vector<int> words_at(const Batch& batch, int t) {
  std::vector<int> words;
  for (int b = 0; b < batch.size; ++b)
    words.push_back(batch.input[size_t(b * batch.target_length + t)]);
  return words;
}

// [snippet: seq2seq]
struct Seq2Seq : Module {
  Encoder encoder;
  Decoder decoder;
  FIELDS(encoder, decoder)
  Padding padding = Padding::masked;

  explicit Seq2Seq(const Sizes& n) : encoder(n), decoder(n) {}

  // What is done once a sentence.
  Encoded encode(const Batch& batch) const {
    Encoded source = encoder(batch, padding);
    if (decoder.attention) source.projected = decoder.attention->project(source.states);
    if (padding == Padding::masked)
      source.mask = padding_mask(batch.lengths, batch.source_length);
    return source;
  }

  // The features of all steps, (B, T, 3 H + E). forced[t]: is the decoder told the right word
  // t (teacher forcing), or does it go on from its own guess? Word 0 is <bos> in any case.
  Tensor operator()(const Batch& batch, const std::vector<bool>& forced) const {
    Encoded source = encode(batch);
    Tensor state = source.first;
    std::vector<Tensor> features;
    for (int t = 0; t < batch.target_length; ++t) {
      std::vector<int> words =
          t == 0 || forced[size_t(t)] ? words_at(batch, t) : guess(features.back());
      Step step = decoder(words, state, source);
      features.push_back(step.features);
      state = step.state;
    }
    return stack(features, 1);
  }

  // The likeliest next words.
  std::vector<int> guess(const Tensor& features) const {
    NoGrad guard;
    return argmax(decoder.out(features), 1);
  }
};
// [end]

// Mean cross-entropy over the words of the targets. Padding is left out before the last and
// largest product, so it costs nothing. No softmax: it is in the loss.
inline Tensor loss_of(const Seq2Seq& model, const Batch& batch,
                      const std::vector<bool>& forced) {
  Tensor features = model(batch, forced);
  Wanted wanted = wanted_of(batch);
  Tensor rows = index_select(features.view({-1, features.size(2)}), wanted.places);
  return cross_entropy(model.decoder.out(rows), wanted.labels);
}

// A model that writes: support/writing.h decides which word comes next.
class Translation : public Writer {
 public:
  Translation(const Seq2Seq& model, const Batch& batch)
      : model_(model), source_(model.encode(batch)), state_(source_.first) {}

  Tensor next(std::span<const int> words) override {
    Step step = model_.decoder(words, state_, source_);
    state_ = step.state;
    if (step.weights.defined()) weights.push_back(step.weights);
    return model_.decoder.out(step.features);
  }

  void keep(std::span<const int> rows) override {
    for (Tensor* x : {&source_.states, &source_.last, &source_.projected, &state_})
      if (x->defined()) *x = index_select(*x, rows);
    if (source_.mask.defined())
      source_.mask = Mask::keep(index_select(source_.mask.tensor(), rows));
  }

  std::vector<Tensor> weights;  // (rows, S) of each step

 private:
  const Seq2Seq& model_;
  Encoded source_;
  Tensor state_;
};

}  // namespace lesson_04
