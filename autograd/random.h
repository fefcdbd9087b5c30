// Random numbers: the streams that PyTorch 2.13 draws on a CPU (Linux, x86-64, AVX2), bit for
// bit, on whatever machine this runs. heed::manual_seed(0) stands for torch.manual_seed(0).
//
// Everything comes from the 32-bit words of std::mt19937. What a call takes, in words:
//   uniform, n values             n
//   normal,  n < 16 values        4 for two values; the second waits for the next such call
//   normal,  n >= 16 values       n, and 16 more when n is not a multiple of 16
//   randint, n values             n; 2 n when high - low >= 2^28
//   randperm(n)                   n - 1 (none for n = 0)
//   bernoulli, n values           2 n
//   random_i64                    2
//   loader_order                  2; 4 with shuffle
#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace heed {

// A stream of its own. A copy continues where the original stood: that is how a state is saved
// and put back. One thread at a time.
class Generator {
 public:
  // The seed that an unseeded torch.Generator() has. PyTorch seeds its *global* generator from
  // the clock; ours starts here, so that an unseeded program repeats itself too.
  static constexpr uint64_t default_seed = 67280421310721;

  explicit Generator(uint64_t seed = default_seed) : engine(static_cast<uint32_t>(seed)) {}

  // Only the low 32 bits count, as in PyTorch: s and s + 2^32 give the same numbers.
  void manual_seed(uint64_t seed);

  uint32_t word();       // the next word
  uint64_t draw64();     // two words, the first one is the high half
  double uniform53();    // [0, 1), a multiple of 2^-53 (from one draw64)
  int64_t random_i64();  // [0, 2^63): Tensor.random_() on int64

  // Fills of n numbers, in memory order. T is float or double; either way the numbers are those
  // that PyTorch draws in float32, so a model in double starts from the same weights.
  template <class T>
  void uniform(T* out, int64_t n, double low = 0, double high = 1);  // [low, high)
  template <class T> void normal(T* out, int64_t n, double mean = 0, double std = 1);
  // Coins: 1 with probability p, else 0. Dropout keeps what bernoulli(1 - p_drop) marks with 1.
  template <class T> void bernoulli(T* out, int64_t n, double p);
  bool bernoulli(double p);

  int64_t randint(int64_t low, int64_t high);  // [low, high)
  void randint(int64_t* out, int64_t n, int64_t low, int64_t high);

  std::vector<int> randperm(int n);     // 0 ... n - 1, shuffled
  void randperm(std::span<int> order);  // the same for n = order.size(), without allocating

  // Same future: same words to come, same waiting normal.
  bool operator==(const Generator&) const = default;

 private:
  double next_normal();
  template <class T> void normal_blocks(T* out, int64_t n, float mean, float std);

  std::mt19937 engine;
  std::optional<double> waiting_normal;  // the second half of the last pair, mean 0, std 1
};

// The global generator: initialisers, dropout and loaders draw from it. Not locked.
Generator& default_generator();

// Seeds the global generator.
void manual_seed(uint64_t seed);

// The order in which a DataLoader(num_workers=0) of n samples goes through one epoch, drawn as
// PyTorch draws it: not from the generator itself, but from a private one that it seeds.
std::vector<int> loader_order(Generator& generator, int n, bool shuffle);
void loader_order(Generator& generator, std::span<int> order,
                  bool shuffle);  // n = order.size()

}  // namespace heed
