// Errors in units of the last place.
#pragma once
#include <cmath>
#include <limits>

namespace heed {

// How far `got` is from `want`, a value of higher precision, in units of the last place of want
// as a T. NaN for NaN and the same infinity count as exact; one without the other as infinite.
template <class T, class Wide> double ulps(T got, Wide want) {
  constexpr double WRONG = std::numeric_limits<double>::infinity();
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : WRONG;
  const T near = T(want);
  if (std::isinf(near) || std::isinf(got)) return near == got ? 0 : WRONG;
  const int lowest = std::numeric_limits<T>::min_exponent - 1;
  const int exponent = want == 0 ? lowest : std::max(std::ilogb(want), lowest);
  return double(std::fabs(got - want) /
                std::ldexp(Wide(1), exponent - std::numeric_limits<T>::digits + 1));
}

}  // namespace heed
