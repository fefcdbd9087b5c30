// The data of lesson 01: windows cut from an alphabet, with one letter hidden in each.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <vector>
#include "autograd/random.h"

namespace lesson_01 {

// The document's string, with its slip: a second G stands where J should.
const std::string ALPHABET = "ABCDEFGHIGKLMNOPQRSTUVWXYZ";
constexpr int LETTERS = 26;  // classes: an index into the string
constexpr int CLS = 27;  // the placeholder, as a number; 26 stays unused, as in the document
constexpr int TOKENS = 28;   // numbers that may stand in an input: 0 ... 27

// A letter's number is the place of its first occurrence, so both Gs are 6 and 9 never occurs.
inline int number_of(char letter) { return int(ALPHABET.find(letter)); }

struct Sample {
  int start, place;  // of the window in the string, and of the hidden letter in the window
  std::vector<int> tokens;  // the window's letters as numbers, CLS at the hidden place
  int label;                // the hidden letter
};

// [snippet: document_sample]
// The document's own encoding: places are found by letter. Where a letter occurs twice only its
// first place is ever written, and the second keeps the 0 that it started with, which reads as
// A.
inline Sample document_sample(int start, const std::string& window, char hidden) {
  Sample sample{start, int(window.find(hidden)), std::vector<int>(window.size(), 0),
                number_of(hidden)};
  for (char letter : window)
    sample.tokens[window.find(letter)] = letter == hidden ? CLS : number_of(letter);
  return sample;
}
// [end]

inline std::vector<int> labels_of(const std::vector<Sample>& samples) {
  std::vector<int> labels;
  for (const Sample& s : samples) labels.push_back(s.label);
  return labels;
}

// (3) For every letter, cut the rest of the string into windows of seq_len. A window gives one
// sample for each of its letters. A second G starts at the first one's place again.
inline std::vector<Sample> document_samples(int seq_len) {
  std::vector<Sample> samples;
  for (char first : ALPHABET)
    for (int start = number_of(first); start + seq_len <= LETTERS; start += seq_len) {
      std::string window = ALPHABET.substr(size_t(start), size_t(seq_len));
      for (char hidden : window) samples.push_back(document_sample(start, window, hidden));
    }
  return samples;
}

// Every sample once, ordered by window and place.
inline std::vector<Sample> distinct(std::vector<Sample> samples) {
  auto key = [](const Sample& s) { return std::pair(s.start, s.place); };
  std::sort(samples.begin(), samples.end(),
            [&](const Sample& a, const Sample& b) { return key(a) < key(b); });
  auto end = std::unique(samples.begin(), samples.end(),
                         [&](const Sample& a, const Sample& b) { return key(a) == key(b); });
  samples.erase(end, samples.end());
  return samples;
}

// ---- What is trained on, and what is kept back
struct Split {
  std::vector<Sample> train, held_out;
};

// The main split draws no random numbers. Every window, place and letter occurs in training. But
// in training a held-out letter is never the answer for this window, nor at this place in any
// other window. (One exception: the G of FGHIGKLMNO, whose place the G of IGKLMNOPQR has, too.)
inline Split latin_split(const std::vector<Sample>& samples, int remainder = 2) {
  Split split;
  for (const Sample& s : samples)
    ((s.start + 2 * s.place) % 5 == remainder ? split.held_out : split.train).push_back(s);
  return split;
}

// A random fifth is held out; the only samples of A and of Z stay in training.
inline Split random_split(const std::vector<Sample>& samples, uint64_t seed) {
  std::vector<bool> held(samples.size());
  int wanted = 31;
  for (int i : heed::Generator(seed).randperm(int(samples.size()))) {
    int label = samples[size_t(i)].label;
    if (wanted > 0 && label != 0 && label != LETTERS - 1) held[size_t(i)] = true, --wanted;
  }
  Split split;
  for (size_t i = 0; i < samples.size(); ++i)
    (held[i] ? split.held_out : split.train).push_back(samples[i]);
  return split;
}

// ---- Windows that the document never made
inline Sample hide(const std::string& window, int place) {
  Sample sample{0, place, {}, number_of(window[size_t(place)])};
  for (char letter : window) sample.tokens.push_back(number_of(letter));
  sample.tokens[size_t(place)] = CLS;
  return sample;
}

// All windows of `length` that start at `first` or later, every place hidden.
inline std::vector<Sample> windows(int length, int first, int last) {
  std::vector<Sample> samples;
  for (int start = first; start <= last; ++start)
    for (int place = 0; place < length; ++place)
      samples.push_back(hide(ALPHABET.substr(size_t(start), size_t(length)), place));
  return samples;
}

// Five letters from one part of the alphabet, then five from another. At the seam, places 4 and
// 5, the two neighbours name different letters, so about half of the answers is the best that
// is possible.
struct Stitched {
  std::vector<Sample> inner, seam;
};
inline Stitched stitched() {
  Stitched result;
  for (int a = 0; a <= 21; ++a)
    for (int c = 0; c <= 21; ++c) {
      if (a + 5 == c || (c < a + 5 && a < c + 5))
        continue;  // one window, or overlapping pieces
      std::string window = ALPHABET.substr(size_t(a), 5) + ALPHABET.substr(size_t(c), 5);
      for (int place = 0; place < 10; ++place)
        (place == 4 || place == 5 ? result.seam : result.inner).push_back(hide(window, place));
    }
  return result;
}

}  // namespace lesson_01
