// UTF-8, code point by code point, and tables of code points: for text.cpp and words.cpp.
#pragma once
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace heed::utf8 {

constexpr char32_t INVALID = 0xFFFD;  // as a valid sequence it is three bytes long

// The code point at text[at]; `length` is set to the bytes it takes. Overlong forms, surrogates
// and cut sequences are INVALID, one byte long.
inline char32_t decode(std::string_view text, size_t at, size_t& length) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  length = 1;
  unsigned first = byte(0);
  if (first < 0x80) return first;
  size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + want > text.size()) return INVALID;
  char32_t point = first & (0xFFu >> (want + 1));
  for (size_t i = 1; i < want; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return INVALID;
    point = (point << 6) | (byte(i) & 0x3Fu);
  }
  bool overlong = (want == 3 && point < 0x800) || (want == 4 && point < 0x10000);
  if (overlong || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return INVALID;
  length = want;
  return point;
}

inline void append(std::string& text, char32_t point) {
  auto tail = [&](int shift) { text += char(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) {
    text += char(point);
  } else if (point < 0x800) {
    text += char(0xC0 | (point >> 6)), tail(0);
  } else if (point < 0x10000) {
    text += char(0xE0 | (point >> 12)), tail(6), tail(0);
  } else {
    text += char(0xF0 | (point >> 18)), tail(12), tail(6), tail(0);
  }
}

struct Range {
  char32_t first, last;
};

// Is the code point in one of the ranges? They are in ascending order.
template <size_t n> bool in(char32_t point, const Range (&ranges)[n]) {
  auto ends_before = [](const Range& range, char32_t p) { return range.last < p; };
  auto range = std::lower_bound(std::begin(ranges), std::end(ranges), point, ends_before);
  return range != std::end(ranges) && range->first <= point;
}

}  // namespace heed::utf8
