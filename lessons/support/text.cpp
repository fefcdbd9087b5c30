#include "lessons/support/text.h"
#include <cstdarg>
#include <cstdio>
#include "lessons/support/utf8.h"

namespace heed {
namespace {

// The wide ranges of Unicode's East Asian Width table, rounded to whole blocks.
constexpr utf8::Range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF},
                                {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},
                                {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                                {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr utf8::Range zero[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0xFE00, 0xFE0F}};

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
    char32_t point = utf8::decode(text, at, length);
    bool bad = point == utf8::INVALID && length == 1;
    result.push_back(bad ? "\xEF\xBF\xBD" : std::string(text.substr(at, length)));
  }
  return result;
}

int columns(std::string_view text) {
  int count = 0;
  for (size_t at = 0, length; at < text.size(); at += length) {
    char32_t point = utf8::decode(text, at, length);
    count += utf8::in(point, wide) ? 2 : utf8::in(point, zero) ? 0 : 1;
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
