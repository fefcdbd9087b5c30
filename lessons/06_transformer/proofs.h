// Proofs on the whole model, bit for bit: nobody looks ahead, nobody reads padding, a cache
// changes nothing. And a leak, planted to be found.
#pragma once
#include "lessons/support/checks.h"
#include "lessons/support/compare.h"
#include "tasks.h"

namespace lesson_06 {

inline Batch dates_to_prove_with() {
  std::vector<Example> examples;
  for (const DateLine& line : test_date_lines(8)) examples.push_back(date_example(line));
  return make_batch(examples);
}

// [snippet: proofs]
// The decoder's logits for a batch of sources that stays as it is: (B, T) tokens -> (B, T, V).
// visible: who may look where; undefined: as the model has it.
inline TokenModel decoder_of(const Transformer& model, const Source& source,
                             const Mask& visible = {}) {
  return [&model, &source, visible](std::span<const int> words, const Shape& shape) {
    NoGrad guard;
    Past nothing;
    Decoded decoded = visible.defined()
                          ? model.decoder(model.embedded(model.target, words, shape, 0),
                                          nothing, visible, source)
                          : model.write(words, shape, source, nothing);
    return model.out(decoded.features);
  };
}

// All that the model makes of sources: at each of their tokens what the encoder says of it, and
// beside it all logits of the decoder, which writes `words`; prove_padding() wants something
// for each token of the source. (B, S) tokens -> (B, S, D + T V).
inline PaddedTokenModel whole_of(const Transformer& model, const std::vector<int>& words) {
  return [&model, words](std::span<const int> ids, const Shape& shape,
                         std::span<const int> lengths) {
    NoGrad guard;
    const int64_t B = shape[0], S = shape[1], T = int64_t(words.size());
    Mask padding = padding_mask(lengths, S);
    Tensor encoded = model.encoder(model.embedded(model.source, ids, shape, 0), padding);
    std::vector<int> all;
    for (int64_t b = 0; b < B; ++b) all.insert(all.end(), words.begin(), words.end());
    Past nothing;
    Source source = model.decoder.read(encoded, padding);
    Tensor logits = model.out(model.write(all, {B, T}, source, nothing).features);
    return cat({encoded, logits.view({B, 1, -1}).expand({B, S, T * logits.size(2)})}, 2);
  };
}

inline void prove(const Transformer& model, Checks& checks) {
  NoGrad guard;
  Batch batch = dates_to_prove_with();
  const Shape written{batch.size, batch.target_length}, read{batch.size, batch.source_length};
  const int words = int(model.target.weight.size(0)),
            letters = int(model.source.weight.size(0));
  Source source = model.read(batch);
  int64_t causal =
      prove_causal("the decoder", decoder_of(model, source), batch.input, written, words);
  PaddedTokenModel whole = whole_of(model, {&batch.input[0], &batch.input[0] + written[1]});
  int64_t padding =
      prove_padding("the Transformer", whole, batch.source, read, batch.lengths, letters);
  int64_t alone =
      prove_batch("the Transformer", whole, batch.source, read, batch.lengths, letters);
  say("    numbers that must not change, and did not: looking ahead %lld, padding %lld, "
      "batch %lld",
      (long long)causal, (long long)padding, (long long)alone);
  checks.check(causal > 0 && padding > 0 && alone > 0,
               "no token sees a later one, padding, or another text of its batch");
}
// [end]

// [snippet: leak]
// A mask that is one off: each token also sees the next one, which it has to guess.
inline Mask off_by_one(int64_t T) {
  return Mask::keep(causal_mask(T + 1).tensor().narrow(0, 1, T).narrow(1, 0, T));
}

inline void find_the_leak(const Transformer& model, Checks& checks) {
  NoGrad guard;
  Batch batch = dates_to_prove_with();
  Source source = model.read(batch);
  std::string found = message_of([&] {
    prove_causal("a decoder with its mask one off",
                 decoder_of(model, source, off_by_one(batch.target_length)), batch.input,
                 {batch.size, batch.target_length}, int(model.target.weight.size(0)));
  });
  say("    %s", found.c_str());
  checks.check(found.find("a decoder with its mask one off: the output of sentence 0 at "
                          "position 0 changed") != found.npos,
               "a mask that is one off is found, and the place where it leaks");
}
// [end]

// ---- The cache

// [snippet: cached]
inline void prove_the_cache(const Transformer& model, Checks& checks) {
  NoGrad guard;
  Batch batch = dates_to_prove_with();  // of different lengths
  Translation cached(model, batch);
  FromTheStart uncached(model, batch);
  std::vector<int> words(size_t(batch.size), BOS);
  bool same = true;
  for (int step = 0; step < 20; ++step) {
    Tensor logits = cached.next(words);
    same = same && same_bits(logits, uncached.next(words));
    words = argmax(logits, 1);
  }
  checks.check(same, "with the cache and without: 20 steps, the same bits");
  Translation beams(model, batch);
  FromTheStart uncached_beams(model, batch);
  checks.check(same_texts(beam_search(beams, batch.size, 4, 12),
                          beam_search(uncached_beams, batch.size, 4, 12)),
               "so are the texts of beams of 4");
}
// [end]

// Multiply-adds of one step, by the number of tokens that have been written before.
inline void show_cost_of_writing(const Sizes& n, Checks& checks) {
  say("One step of the decoder, 20 characters read: multiply-adds when t tokens are written");
  say("         t    with a cache     without");
  for (int t : {0, 1, 2, 4, 8, 16, 32, 64})
    say("    %6d %15lld %11lld", t, (long long)writing(n, 1, 20, 1, t),
        (long long)writing_anew(n, 1, 20, t));
  bool linear = true;
  for (int t = 0; t < 100; ++t)
    linear = linear && writing(n, 1, 20, 1, t + 1) - writing(n, 1, 20, 1, t) ==
                           2 * n.width * n.decoder_layers;
  checks.check(linear, "with a cache a step costs %d more for each token before it",
               2 * n.width * n.decoder_layers);
  say();
}

}  // namespace lesson_06
