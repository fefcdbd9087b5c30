// What a model costs: the multiply-adds of its products. All else (sums, softmax, the
// normalisations) is small beside them.
#pragma once
#include "lessons/04_sequence_to_sequence/seq2seq.h"
#include "transformer.h"

namespace lesson_06 {

// Scores and weighted sums: Tq queries look at Tk keys.
inline int64_t looking(const Sizes& n, int64_t Tq, int64_t Tk) { return 2 * Tq * Tk * n.width; }

// [snippet: cost]
// B sources of S tokens are read, and made ready for the decoder. A layer: 4 D^2 a token for
// query, key, value and out_proj, 2 D F for the two Linears; and looking(), 2 Tq Tk D, scores
// and weighted sums of Tq queries and Tk keys.
inline int64_t reading(const Sizes& n, int64_t B, int64_t S) {
  const int64_t D = n.width, F = n.hidden;
  int64_t layer = S * (4 * D * D + 2 * D * F) + looking(n, S, S);
  int64_t ready = S * 2 * D * D;  // keys and values, for one layer of the decoder
  return B * (n.encoder_layers * layer + n.decoder_layers * ready);
}

// T tokens a text are written at once, behind `past` others. 6 D^2: as above, and query and
// out_proj of the look into the source, whose keys and values are ready.
inline int64_t writing(const Sizes& n, int64_t B, int64_t S, int64_t T, int64_t past = 0) {
  const int64_t D = n.width, F = n.hidden;
  int64_t layer = T * (6 * D * D + 2 * D * F) + looking(n, T, past + T) + looking(n, T, S);
  return B * (n.decoder_layers * layer + T * D * n.target_words);
}

// One token behind t others, without a cache: all of them go through the layers again, and the
// last one through `out`.
inline int64_t writing_anew(const Sizes& n, int64_t B, int64_t S, int64_t t) {
  return writing(n, B, S, t + 1) - B * t * n.width * n.target_words;
}
// [end]

// A training step: each product has two more in the backward pass, one for each factor.
inline int64_t training(const Sizes& n, const Batch& b) {
  return 3 * (reading(n, b.size, b.source_length) +
              writing(n, b.size, b.source_length, b.target_length));
}

// The same of lesson 04's model: two GRUs, and a decoder that takes T steps.
inline int64_t training(const lesson_04::Sizes& n, const Batch& b) {
  const int64_t E = n.embedding, H = n.hidden, S = b.source_length;
  int64_t read = S * 2 * 3 * H * (E + H) + 2 * H * H + S * 2 * H * H;
  int64_t look = H * H + S * H + S * 2 * H;
  int64_t step = look + 3 * H * (2 * H + E + H) + (3 * H + E) * n.target_words;
  return 3 * b.size * (read + b.target_length * step);
}

}  // namespace lesson_06
