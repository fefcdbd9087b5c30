// Reference values from PyTorch: tests/golden/*.safetensors, made by
// tests/golden/make_golden.py. They are F32 where both builds start from them and F64 where
// they are results; here all are Scalar. I64: labels, indexes, counters.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>
#include "autograd/check.h"
#include "autograd/safetensors.h"
#include "autograd/tensor.h"

namespace heed_tests {

// How far from PyTorch's double results this build may be, relative to the largest number.
inline constexpr double GOLDEN_TOLERANCE = sizeof(heed::Scalar) == 8 ? 1e-10 : 1e-5;

class Golden {
 public:
  explicit Golden(const std::string& name)  // "layers"
      : file_(heed::load_safetensors("tests/golden/" + name + ".safetensors")) {}

  bool has(const std::string& name) const { return find(name) != nullptr; }

  // A float or double array, as a tensor and as it is in the file.
  heed::Tensor operator[](const std::string& name) const {
    std::vector<double> values = doubles(name);
    heed::Tensor result = heed::empty(heed::Shape(std::span<const int64_t>(at(name).shape)));
    std::copy(values.begin(), values.end(), result.mutable_data());
    return result;
  }
  std::vector<double> doubles(const std::string& name) const {
    const heed::SafeTensor& entry = at(name);
    return entry.dtype == "F64" ? numbers<double>(entry) : widened(numbers<float>(entry));
  }
  // An I64 array.
  std::vector<int> ints(const std::string& name) const {
    std::vector<int64_t> values = numbers<int64_t>(at(name));
    return {values.begin(), values.end()};
  }
  // What follows `prefix` in the names that begin with it: "Linear/param." -> weight, bias.
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> result;
    for (auto& [name, entry] : file_.tensors)
      if (name.compare(0, prefix.size(), prefix) == 0)
        result.push_back(name.substr(prefix.size()));
    return result;
  }

 private:
  const heed::SafeTensor* find(const std::string& name) const {
    for (auto& [key, entry] : file_.tensors)
      if (key == name) return &entry;
    return nullptr;
  }
  const heed::SafeTensor& at(const std::string& name) const {
    const heed::SafeTensor* entry = find(name);
    if (!entry) heed::fail("[golden] no array ", name);
    return *entry;
  }
  template <class T> static std::vector<T> numbers(const heed::SafeTensor& entry) {
    std::vector<T> values(entry.bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
    return values;
  }
  static std::vector<double> widened(const std::vector<float>& values) {
    return {values.begin(), values.end()};
  }

  heed::SafeTensors file_;
};

// The largest difference, relative to the largest expected number. Infinite if shapes differ,
// if only one of two numbers is NaN, or if they are different infinities.
inline double difference(const heed::Tensor& got, const heed::Tensor& expected) {
  constexpr double INF = std::numeric_limits<double>::infinity();
  if (!got.defined() || !(got.shape() == expected.shape())) return INF;
  std::vector<heed::Scalar> a = got.to_vector(), b = expected.to_vector();
  double largest = 1e-30, most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    double x = double(a[i]), y = double(b[i]);
    if (x == y || (x != x && y != y)) continue;  // equal infinities and NaN, too
    double d = std::abs(x - y);
    most = d < INF ? std::max(most, d) : INF;
  }
  for (heed::Scalar y : b)
    if (std::isfinite(y)) largest = std::max(largest, std::abs(double(y)));
  return most / largest;
}

// For the largest of several differences: std::max would pass over NaN.
inline double larger(double most, double d) {
  return d == d ? std::max(most, d) : std::numeric_limits<double>::infinity();
}

// The same numbers in the same shape, bit for bit.
inline bool same(const heed::Tensor& x, const heed::Tensor& y) {
  if (x.defined() != y.defined()) return false;
  if (!x.defined()) return true;
  std::vector<heed::Scalar> a = x.to_vector(), b = y.to_vector();
  return x.shape() == y.shape() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0);
}

}  // namespace heed_tests
