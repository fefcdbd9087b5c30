// What the code for a reader's own corpus has to know of a model that translates.
#pragma once

namespace heed {
inline namespace HEED_PRECISION {

// A lesson specialises it for its model:
//
//   using Sizes, Trainer, TrainerOptions, Writing;
//       what the model is made from; Trainer(model, options) has an `adam` and a
//       step(batch, rate); options.adam.lr is the learning rate; Writing(model, batch) is a
//       Writer that keeps the `weights` of each step
//   static constexpr const char* lesson;           "04": in a file of weights
//   static void note_sizes(sizes, notes);          into the notes of a file, and back
//   static Sizes sizes_from(notes, language, path);
//   static void check_sizes(sizes, find);          find("a.weight", shape) for some weights: a
//                                                  size that is wrong has no other like it
//   static double rate(step, steps);               the learning rate's share, from a schedule
//   static Tensor told_loss(model, batch);         a mean over words, the right ones told
//   static Tensor free_loss(model, batch);         may be missing: the model's own words told
//   static Tensor looked(weights);                 of one step and one text: a row, (S)
template <class Model> struct Translator;

}  // namespace HEED_PRECISION
}  // namespace heed
