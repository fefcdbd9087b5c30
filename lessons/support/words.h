// Text as tokens: UTF-8 checked, lower-cased, split into words or characters, and joined again.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace heed {

// The offset of the first byte that is no UTF-8, or npos. Overlong forms, surrogates, what is
// beyond U+10FFFF and cut sequences are refused.
size_t first_bad_utf8(std::string_view text);

// Nothing but blanks: split(text, Level::words) has no token.
bool blank(std::string_view text);

// Lower-cased: Latin, Greek, Cyrillic; all else as it is.
std::string lower_case(std::string_view text);

enum class Level { words, characters };

// words: runs of letters and digits; each punctuation mark or symbol alone, the apostrophe
// too: don't is don ' t. Scripts that put no blanks between words (Chinese, Japanese, Thai,
// Lao, Khmer, Myanmar) give one token a character. Combining marks stay with what they mark.
// characters: every code point, blanks included.
// Bytes that are no UTF-8 come out as U+FFFD. Nothing is lower-cased.
std::vector<std::string> split(std::string_view text, Level level);

// Words joined by blanks, characters by nothing.
std::string join(const std::vector<std::string>& tokens, Level level);

}  // namespace heed
