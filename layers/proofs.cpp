#include "layers/proofs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include "autograd/ops.h"
#include "autograd/random.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// The ways in which numbers are changed. OTHER: to others of like size. UP and DOWN: far beyond
// all that were given, each upwards in one and downwards in the other. Tokens know the first.
enum Way { OTHER, UP, DOWN };

// The input of a proof, numbers or tokens, as a tensor (B, T, ...). How one is changed:
struct Kind {
  int vocabulary = 0;  // 0: numbers
  Scalar largest = 0;  // of the numbers, without signs

  std::vector<Way> ways() const {
    return vocabulary ? std::vector{OTHER} : std::vector{OTHER, UP, DOWN};
  }
  Scalar changed(Scalar was, int64_t place, Way way) const {
    Scalar now = other(was, place);
    if (way == OTHER) return now;
    Scalar far = 1000 * now + (now < 0 ? -2 : 2) * largest;
    return way == UP ? far : -far;
  }

 private:
  Scalar other(Scalar was, int64_t place) const {
    if (vocabulary) return Scalar((int64_t(was) + 1 + place % (vocabulary - 1)) % vocabulary);
    Scalar now = Scalar(place % 2 ? -3 : 2) * was + Scalar(place % 7 - 3);
    return now == was ? was + 1 : now;  // 1, say, in place 2
  }
};

Kind kind_of(const Tensor& x, int vocabulary) {
  Kind kind{vocabulary};
  for (Scalar number : x.to_vector())
    if (std::isfinite(number)) kind.largest = std::max(kind.largest, std::abs(number));
  return kind;
}

std::vector<int> ids_of(const Tensor& x) {
  std::vector<int> ids;
  for (Scalar id : x.to_vector()) ids.push_back(int(id));
  return ids;
}
Tensor numbers_of(const char* proof, std::span<const int> ids, const Shape& shape,
                  int vocabulary) {
  HEED_CHECK(shape.rank() == 2 && numel(shape) == int64_t(ids.size()), "[", proof, "] ",
             ids.size(), " tokens for shape ", shape, ": (B, T) wanted");
  HEED_CHECK(vocabulary >= 2, "[", proof, "] a vocabulary of ", vocabulary,
             ": a token cannot be changed for another");
  for (size_t i = 0; i < ids.size(); ++i)
    HEED_CHECK(ids[i] >= 0 && ids[i] < vocabulary, "[", proof, "] token ", ids[i], " at place ",
               i, ", but a vocabulary of ", vocabulary);
  std::vector<Scalar> numbers(ids.begin(), ids.end());
  return tensor(numbers, shape);
}

void check_input(const char* proof, const Tensor& x, std::span<const int> lengths) {
  HEED_CHECK(x.dim() >= 2, "[", proof, "] x ", x.shape(), ": (B, T, ...) wanted");
  HEED_CHECK(int64_t(lengths.size()) == x.shape()[0], "[", proof, "] ", lengths.size(),
             " lengths for x ", x.shape());
  for (int length : lengths)
    HEED_CHECK(length >= 0 && length <= x.shape()[1], "[", proof, "] a length of ", length,
               " for x ", x.shape());
}

// x with other numbers at position j of sentence b.
void change(Tensor& x, int64_t b, int64_t j, const Kind& kind, Way way) {
  int64_t width = x.numel() / (x.shape()[0] * x.shape()[1]);
  Scalar* at = x.mutable_data() + (b * x.shape()[1] + j) * width;
  for (int64_t i = 0; i < width; ++i) at[i] = kind.changed(at[i], i + j, way);
}

// Runs a model from one and the same state of the generator. size: how many times as large as
// it was given the input is.
class Runner {
 public:
  Runner(const char* proof, const std::string& name, int size)
      : proof_(proof), name_(name), size_(size) {}
  ~Runner() { default_generator() = start_; }

  template <class Run> Tensor run(const Tensor& x, Run model) const {
    default_generator() = start_;
    Tensor y = model().detach().clone();  // a model may use its output again
    HEED_CHECK(y.dim() >= 2 && y.shape()[0] == x.shape()[0] && y.shape()[1] == x.shape()[1],
               "[", proof_, "] ", name_, " made ", y.shape(), " of ", x.shape(),
               ": the same batch and positions wanted");
    return y;
  }

  // Sentence b, position t: the same bits in y as in z (there of sentence c)? `what` was done.
  // However many the ways, what is compared counts once.
  template <class... What>
  void compare(Way way, const Tensor& y, int64_t b, const Tensor& z, int64_t c, int64_t t,
               const char* usual_causes, const What&... what) {
    int64_t width = y.numel() / (y.shape()[0] * y.shape()[1]);
    HEED_CHECK(z.numel() == z.shape()[0] * z.shape()[1] * width, "[", proof_, "] ", name_,
               " made ", y.shape(), ", but ", z.shape(), " when ", what...,
               ": as many numbers for each position wanted");
    const Scalar* p = y.data() + (b * y.shape()[1] + t) * width;
    const Scalar* q = z.data() + (c * z.shape()[1] + t) * width;
    for (int64_t i = 0; i < width; ++i) {
      HEED_CHECK(std::isfinite(p[i]), "[", proof_, "] ", name_, ": the output of sentence ", b,
                 " at position ", t, " is ", p[i], ", of which nothing can be proved",
                 size_ == 1 ? "" : "\n  the input was made a thousand times as large: give a"
                                   " smaller one");
      HEED_CHECK(std::memcmp(p + i, q + i, sizeof(Scalar)) == 0, "[", proof_, "] ", name_,
                 ": the output of sentence ", b, " at position ", t, " changed from ", p[i],
                 " to ", q[i], " when ", what..., "\n  ",
                 way == OTHER ? usual_causes
                              : "usual causes: a constant like -1e4 in place of a mask, a maximum"
                                " over all positions");
    }
    if (way == OTHER) compared_ += width;
  }
  int64_t compared(const Tensor& x) const {
    HEED_CHECK(compared_ > 0, "[", proof_, "] ", name_, ": x ", x.shape(),
               " leaves nothing to compare");
    return compared_;
  }

 private:
  const char* proof_;
  const std::string& name_;
  int size_;
  Generator start_ = default_generator();
  int64_t compared_ = 0;
};

int64_t causal(const std::string& name, const SequenceModel& model, const Tensor& x,
               int vocabulary, int size) {
  Runner runner("prove_causal", name, size);
  const Kind kind = kind_of(x, vocabulary);
  int64_t B = x.shape()[0], T = x.shape()[1];
  Tensor before = runner.run(x, [&] { return model(x); });
  for (Way way : kind.ways())
    for (int64_t j = 0; j < T; ++j) {
      Tensor other = x.clone();
      for (int64_t b = 0; b < B; ++b) change(other, b, j, kind, way);
      Tensor after = runner.run(other, [&] { return model(other); });
      for (int64_t b = 0; b < B; ++b)
        for (int64_t t = 0; t < j; ++t)
          runner.compare(way, before, b, after, b, t,
                         "usual causes: no mask on this path, the wrong triangle, a constant"
                         " like -1e4 in its place",
                         "the input at position ", j, " was ",
                         way == OTHER ? "changed" : "made a thousand times as large");
    }
  return runner.compared(x);
}

int64_t padding(const std::string& name, const PaddedModel& model, const Tensor& x,
                std::span<const int> lengths, int vocabulary, int size) {
  Runner runner("prove_padding", name, size);
  const Kind kind = kind_of(x, vocabulary);
  int64_t B = x.shape()[0], T = x.shape()[1];
  Tensor before = runner.run(x, [&] { return model(x, lengths); });
  for (Way way : kind.ways())
    for (int64_t more : {0, 1, 2, 3, 16}) {
      Shape shape = x.shape();
      shape[1] = more;
      Tensor longer = more ? cat({x, zeros(shape)}, 1) : x.clone();
      for (int64_t b = 0; b < B; ++b)
        for (int64_t j = lengths[size_t(b)]; j < T + more; ++j) change(longer, b, j, kind, way);
      Tensor after = runner.run(longer, [&] { return model(longer, lengths); });
      for (int64_t b = 0; b < B; ++b)
        for (int64_t t = 0; t < lengths[size_t(b)]; ++t)
          runner.compare(way, before, b, after, b, t,
                         size == 1 ? "usual causes: no padding mask on this path, or one on the"
                                     " queries' axis in place of the keys'"
                                   : "usual cause: a constant like -1e4 in place of a mask",
                         way == OTHER ? "other padding" : "padding a thousand times as large",
                         " was put in, and ", more, " positions of it more");
    }
  return runner.compared(x);
}

int64_t batch(const std::string& name, const PaddedModel& model, const Tensor& x,
              std::span<const int> lengths, int vocabulary, int size) {
  Runner runner("prove_batch", name, size);
  const Kind kind = kind_of(x, vocabulary);
  HEED_CHECK(x.shape()[0] >= 2, "[prove_batch] ", name, ": x ", x.shape(),
             " leaves nothing to compare: two sentences or more wanted");
  Tensor together = runner.run(x, [&] { return model(x, lengths); });
  for (int64_t b = 0; b < x.shape()[0]; ++b) {
    int length = lengths[size_t(b)];
    if (length == 0) continue;
    Tensor one = x.narrow(0, b, 1).narrow(1, 0, length).contiguous();
    Tensor alone = runner.run(one, [&] { return model(one, std::span(&length, 1)); });
    for (int64_t t = 0; t < length; ++t)
      runner.compare(OTHER, together, b, alone, 0, t,
                     "usual causes: padding that is read, statistics taken over the batch, a"
                     " mask of the wrong sentence",
                     "the sentence came alone");
    for (Way way : kind.ways()) {
      if (way == OTHER) continue;
      Tensor beside = x.clone();
      for (int64_t c = 0; c < x.shape()[0]; ++c)
        for (int64_t j = c == b ? length : 0; j < x.shape()[1]; ++j)
          change(beside, c, j, kind, way);
      Tensor after = runner.run(beside, [&] { return model(beside, lengths); });
      for (int64_t t = 0; t < length; ++t)
        runner.compare(way, alone, 0, after, b, t, "", "it had padding and sentences beside it",
                       " that were a thousand times as large");
    }
  }
  return runner.compared(x);
}

// Proves for x as it is, for 1000 x and for -1000 x: a constant that hides at one size is a
// number among others at another. Counts what is compared at the first `counted` of these sizes.
template <class Proof> int64_t at_all_sizes(const Tensor& x, int counted, Proof proof) {
  int64_t compared = 0;
  for (int size : {1, 1000, -1000}) {
    int64_t here = proof(x * size, size);
    if (counted-- > 0) compared += here;
  }
  return compared;
}

PaddedModel on_numbers(const PaddedTokenModel& model) {
  return [&model](const Tensor& x, std::span<const int> lengths) {
    return model(ids_of(x), x.shape(), lengths);
  };
}

}  // namespace

int64_t prove_causal(const std::string& name, const SequenceModel& model, const Tensor& x) {
  HEED_CHECK(x.dim() >= 2, "[prove_causal] x ", x.shape(), ": (B, T, ...) wanted");
  return at_all_sizes(x.detach().contiguous(), 2, [&](const Tensor& x, int size) {
    return causal(name, model, x, 0, size);
  });
}
int64_t prove_causal(const std::string& name, const TokenModel& model,
                     std::span<const int> ids, const Shape& shape, int vocabulary) {
  auto on_numbers = [&](const Tensor& x) { return model(ids_of(x), x.shape()); };
  Tensor x = numbers_of("prove_causal", ids, shape, vocabulary);
  return causal(name, on_numbers, x, vocabulary, 1);
}

int64_t prove_padding(const std::string& name, const PaddedModel& model, const Tensor& x,
                      std::span<const int> lengths) {
  check_input("prove_padding", x, lengths);
  return at_all_sizes(x.detach().contiguous(), 1, [&](const Tensor& x, int size) {
    return padding(name, model, x, lengths, 0, size);
  });
}
int64_t prove_padding(const std::string& name, const PaddedTokenModel& model,
                      std::span<const int> ids, const Shape& shape,
                      std::span<const int> lengths, int vocabulary) {
  Tensor x = numbers_of("prove_padding", ids, shape, vocabulary);
  check_input("prove_padding", x, lengths);
  return padding(name, on_numbers(model), x, lengths, vocabulary, 1);
}

int64_t prove_batch(const std::string& name, const PaddedModel& model, const Tensor& x,
                    std::span<const int> lengths) {
  check_input("prove_batch", x, lengths);
  return at_all_sizes(x.detach().contiguous(), 1, [&](const Tensor& x, int size) {
    return batch(name, model, x, lengths, 0, size);
  });
}
int64_t prove_batch(const std::string& name, const PaddedTokenModel& model,
                    std::span<const int> ids, const Shape& shape, std::span<const int> lengths,
                    int vocabulary) {
  Tensor x = numbers_of("prove_batch", ids, shape, vocabulary);
  check_input("prove_batch", x, lengths);
  return batch(name, on_numbers(model), x, lengths, vocabulary, 1);
}

}  // namespace HEED_PRECISION
}  // namespace heed
