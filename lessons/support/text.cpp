#include "lessons/support/text.h"
#include <cstdarg>
#include <cstdio>

namespace heed {
namespace {

constexpr char32_t invalid = 0xFFFD;

// The code point at text[at]; `length` is set to the bytes it takes. Overlong forms, surrogates
// and cut sequences are invalid, one byte long.
char32_t decode(std::string_view text, size_t at, size_t& length) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  length = 1;
  unsigned first = byte(0);
  if (first < 0x80) return first;
  size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + want > text.size()) return invalid;
  char32_t point = first & (0xFFu >> (want + 1));
  for (size_t i = 1; i < want; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return invalid;
    point = (point << 6) | (byte(i) & 0x3Fu);
  }
  bool overlong = (want == 3 && point < 0x800) || (want == 4 && point < 0x10000);
  if (overlong || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return invalid;
  length = want;
  return point;
}

struct Block {
  char32_t first, last;
};

// The wide ranges of Unicode's East Asian Width table, rounded to whole blocks.
constexpr Block wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF},
                          {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},
                          {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                          {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Block zero[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0xFE00, 0xFE0F}};

template <size_t n> bool in(char32_t point, const Block (&blocks)[n]) {
  for (const Block& block : blocks)
    if (point >= block.first && point <= block.last) return true;
  return false;
}

}  // namespace

std::string formatted(const char* format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> result;
  for (size_t at = 0, length; at < text.size(); at += length) {
    char32_t point = decode(text, at, length);
    bool bad = point == invalid && length == 1;
    result.push_back(bad ? "\xEF\xBF\xBD" : std::string(text.substr(at, length)));
  }
  return result;
}

int columns(std::string_view text) {
  int count = 0;
  for (size_t at = 0, length; at < text.size(); at += length) {
    char32_t point = decode(text, at, length);
    count += in(point, wide) ? 2 : in(point, zero) ? 0 : 1;
  }
  return count;
}

std::string pad_left(std::string_view text, int width) {
  return repeated(" ", width - columns(text)) + std::string(text);
}

std::string pad_right(std::string_view text, int width) {
  return std::string(text) + repeated(" ", width - columns(text));
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

}  // namespace heed
