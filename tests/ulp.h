// Errors in units of the last place.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace heed {

// How far `got` is from `want`, a value of higher precision, in units of the last place of want
// as a T. NaN for NaN and the same infinity count as exact; one without the other as infinite.
template <class T, class Wide> double ulps(T got, Wide want) {
  using Word = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr double WRONG = std::numeric_limits<double>::infinity();
  if (want != want || got != got) return want != want && got != got ? 0 : WRONG;
  const Wide size = std::fabs(want);
  const T near = T(size);
  if (near > std::numeric_limits<T>::max() || std::isinf(got))
    return T(want) == got ? 0 : WRONG;
  // Two neighbours in T that are one unit apart: the number at or below `size`, and the next,
  // or the one before if there is no next.
  Word below = std::bit_cast<Word>(near);
  if (near > size || near == std::numeric_limits<T>::max()) --below;
  const Wide unit = Wide(std::bit_cast<T>(Word(below + 1))) - std::bit_cast<T>(below);
  return double(std::fabs(got - want) / unit);
}

}  // namespace heed
