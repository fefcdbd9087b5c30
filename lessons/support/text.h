// Text: printf into a string, and how wide a text is. Strings are UTF-8 throughout.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace heed {

// printf's conversions, into a string.
[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...);

// The code points of a text, each as the bytes that it came in. Bytes that are no UTF-8 come
// out one by one as U+FFFD, so that nothing downstream has to think of them.
std::vector<std::string> characters(std::string_view text);

// Columns that a text takes in a terminal: 2 for each Chinese, Japanese or Korean character
// and each emoji, 0 for a combining mark, 1 for all else.
int columns(std::string_view text);

// A text padded with blanks to `width` columns, on the left or on the right; never cut.
std::string pad_left(std::string_view text, int width);
std::string pad_right(std::string_view text, int width);

std::string repeated(std::string_view text, int times);

}  // namespace heed
