// What steps and errata of every lesson look at: how large, how equal, of which shape, and
// which error comes.
#pragma once
#include <heed.h>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <sstream>

namespace heed {
inline namespace HEED_PRECISION {

// The largest number, whatever its sign; infinity if one is NaN, which std::max would pass over.
inline double largest(const Tensor& x) {
  double most = 0;
  for (Scalar v : x.detach().to_vector())
    most = std::max(most, v == v ? std::abs(double(v)) : std::numeric_limits<double>::infinity());
  return most;
}

inline bool same_bits(const Tensor& x, const Tensor& y) {
  const std::vector<Scalar> a = x.detach().to_vector(), b = y.detach().to_vector();
  return x.shape() == y.shape() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(Scalar)) == 0;
}

// "(3, 16, 128)"
inline std::string shape_of(const Tensor& x) {
  std::ostringstream text;
  text << x.shape();
  return text.str();
}

// The first line of the error that f() gives.
inline std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return std::string(e.what()).substr(0, std::string(e.what()).find('\n'));
  }
  return "(no error)";
}

}  // namespace HEED_PRECISION
}  // namespace heed
