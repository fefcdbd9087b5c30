#include "lessons/support/words.h"
#include <algorithm>
#include <iterator>
#include "lessons/support/text.h"
#include "lessons/support/utf8.h"

namespace heed {
namespace {

// ---- Lower case

// first, first + step, ... last: a capital and how far from it the small letter is.
struct Capitals {
  char32_t first, last;
  unsigned step;
  int to_small;
};

// Unicode's simple lower-case mapping for ASCII, U+00C0..024F, U+0370..052F and U+1E00..1EFF.
constexpr Capitals capitals[] = {
    {0x41, 0x5A, 1, 32},     {0xC0, 0xD6, 1, 32},     {0xD8, 0xDE, 1, 32},
    {0x100, 0x12E, 2, 1},    {0x132, 0x136, 2, 1},    {0x139, 0x147, 2, 1},
    {0x14A, 0x176, 2, 1},    {0x178, 0x178, 1, -121}, {0x179, 0x17D, 2, 1},
    {0x181, 0x181, 1, 210},  {0x182, 0x184, 2, 1},    {0x186, 0x186, 1, 206},
    {0x187, 0x187, 1, 1},    {0x189, 0x18A, 1, 205},  {0x18B, 0x18B, 1, 1},
    {0x18E, 0x18E, 1, 79},   {0x18F, 0x18F, 1, 202},  {0x190, 0x190, 1, 203},
    {0x191, 0x191, 1, 1},    {0x193, 0x193, 1, 205},  {0x194, 0x194, 1, 207},
    {0x196, 0x196, 1, 211},  {0x197, 0x197, 1, 209},  {0x198, 0x198, 1, 1},
    {0x19C, 0x19C, 1, 211},  {0x19D, 0x19D, 1, 213},  {0x19F, 0x19F, 1, 214},
    {0x1A0, 0x1A4, 2, 1},    {0x1A6, 0x1A6, 1, 218},  {0x1A7, 0x1A7, 1, 1},
    {0x1A9, 0x1A9, 1, 218},  {0x1AC, 0x1AC, 1, 1},    {0x1AE, 0x1AE, 1, 218},
    {0x1AF, 0x1AF, 1, 1},    {0x1B1, 0x1B2, 1, 217},  {0x1B3, 0x1B5, 2, 1},
    {0x1B7, 0x1B7, 1, 219},  {0x1B8, 0x1B8, 1, 1},    {0x1BC, 0x1BC, 1, 1},
    {0x1C4, 0x1C4, 1, 2},    {0x1C5, 0x1C5, 1, 1},    {0x1C7, 0x1C7, 1, 2},
    {0x1C8, 0x1C8, 1, 1},    {0x1CA, 0x1CA, 1, 2},    {0x1CB, 0x1DB, 2, 1},
    {0x1DE, 0x1EE, 2, 1},    {0x1F1, 0x1F1, 1, 2},    {0x1F2, 0x1F4, 2, 1},
    {0x1F6, 0x1F6, 1, -97},  {0x1F7, 0x1F7, 1, -56},  {0x1F8, 0x21E, 2, 1},
    {0x220, 0x220, 1, -130}, {0x222, 0x232, 2, 1},    {0x23A, 0x23A, 1, 10795},
    {0x23B, 0x23B, 1, 1},    {0x23D, 0x23D, 1, -163}, {0x23E, 0x23E, 1, 10792},
    {0x241, 0x241, 1, 1},    {0x243, 0x243, 1, -195}, {0x244, 0x244, 1, 69},
    {0x245, 0x245, 1, 71},   {0x246, 0x24E, 2, 1},    {0x370, 0x372, 2, 1},
    {0x376, 0x376, 1, 1},    {0x37F, 0x37F, 1, 116},  {0x386, 0x386, 1, 38},
    {0x388, 0x38A, 1, 37},   {0x38C, 0x38C, 1, 64},   {0x38E, 0x38F, 1, 63},
    {0x391, 0x3A1, 1, 32},   {0x3A3, 0x3AB, 1, 32},   {0x3CF, 0x3CF, 1, 8},
    {0x3D8, 0x3EE, 2, 1},    {0x3F4, 0x3F4, 1, -60},  {0x3F7, 0x3F7, 1, 1},
    {0x3F9, 0x3F9, 1, -7},   {0x3FA, 0x3FA, 1, 1},    {0x3FD, 0x3FF, 1, -130},
    {0x400, 0x40F, 1, 80},   {0x410, 0x42F, 1, 32},   {0x460, 0x480, 2, 1},
    {0x48A, 0x4BE, 2, 1},    {0x4C0, 0x4C0, 1, 15},   {0x4C1, 0x4CD, 2, 1},
    {0x4D0, 0x52E, 2, 1},    {0x1E00, 0x1E94, 2, 1},  {0x1E9E, 0x1E9E, 1, -7615},
    {0x1EA0, 0x1EFE, 2, 1}};

char32_t small_letter(char32_t point) {
  auto ends_before = [](const Capitals& run, char32_t p) { return run.last < p; };
  auto run = std::lower_bound(std::begin(capitals), std::end(capitals), point, ends_before);
  bool capital =
      run != std::end(capitals) && point >= run->first && (point - run->first) % run->step == 0;
  return capital ? point + char32_t(run->to_small) : point;
}

// ---- Words

enum class Kind { letter, alone, mark, blank };

constexpr utf8::Range blanks[] = {{0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                  {0x2000, 0x200B}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                  {0x205F, 0x205F}, {0x3000, 0x3000}};

// Marks, joiners, direction signs: of the scripts without blanks, and those that may follow a
// symbol. All other marks pass for letters, which is the same within a word.
constexpr utf8::Range marks[] = {
    {0xAD, 0xAD},     {0x300, 0x36F},     {0x483, 0x489},    {0x61C, 0x61C},   {0xE31, 0xE31},
    {0xE34, 0xE3A},   {0xE47, 0xE4E},                        // Thai
    {0xEB1, 0xEB1},   {0xEB4, 0xEBC},     {0xEC8, 0xECE},    // Lao
    {0x102B, 0x103E}, {0x1056, 0x1059},   {0x105E, 0x1060},  // Myanmar
    {0x1062, 0x1064}, {0x1067, 0x106D},   {0x1071, 0x1074},  {0x1082, 0x108D}, {0x108F, 0x108F},
    {0x109A, 0x109D}, {0x17B4, 0x17D3},   {0x17DD, 0x17DD},  // Khmer
    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},   {0x200C, 0x200F},  {0x202A, 0x202E}, {0x2060, 0x206F},
    {0x20D0, 0x20FF}, {0x302A, 0x302F},   {0x3099, 0x309A},  {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
    {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}, {0xE0000, 0xE0FFF}};

// Punctuation, symbols, and the scripts without blanks between words.
constexpr utf8::Range alone[] = {
    {0x80, 0xA9},       {0xAB, 0xB1},       {0xB4, 0xB4},       {0xB6, 0xB8},
    {0xBB, 0xBB},       {0xBF, 0xBF},       {0xD7, 0xD7},       {0xF7, 0xF7},
    {0x2C2, 0x2C5},     {0x2D2, 0x2DF},     {0x2E5, 0x2EB},     {0x2ED, 0x2ED},
    {0x2EF, 0x2FF},     {0x375, 0x375},     {0x37E, 0x37E},     {0x384, 0x385},
    {0x387, 0x387},     {0x3F6, 0x3F6},     {0x482, 0x482},     {0x55A, 0x55F},
    {0x589, 0x58F},     {0x5BE, 0x5BE},     {0x5C0, 0x5C0},     {0x5C3, 0x5C3},
    {0x5C6, 0x5C6},     {0x5F3, 0x5F4},     {0x606, 0x60F},     {0x61B, 0x61F},
    {0x66A, 0x66D},     {0x6D4, 0x6D4},     {0x6DE, 0x6DE},     {0x6E9, 0x6E9},
    {0x6FD, 0x6FE},     {0x700, 0x70D},     {0x964, 0x965},     {0x970, 0x970},
    {0x9F2, 0x9F3},     {0x9FA, 0x9FB},     {0x9FD, 0x9FD},     {0xA76, 0xA76},
    {0xAF0, 0xAF1},     {0xB70, 0xB70},     {0xBF3, 0xBFA},     {0xC77, 0xC77},
    {0xC7F, 0xC7F},     {0xC84, 0xC84},     {0xD4F, 0xD4F},     {0xD79, 0xD79},
    {0xDF4, 0xDF4},     {0xE00, 0xEFF},     {0xF01, 0xF17},     {0xF1A, 0xF1F},
    {0xF34, 0xF34},     {0xF36, 0xF36},     {0xF38, 0xF38},     {0xF3A, 0xF3D},
    {0xF85, 0xF85},     {0xFBE, 0xFC5},     {0xFC7, 0xFDA},     {0x1000, 0x109F},
    {0x10FB, 0x10FB},   {0x1360, 0x1368},   {0x1390, 0x1399},   {0x1400, 0x1400},
    {0x166D, 0x166E},   {0x169B, 0x169C},   {0x1780, 0x17FF},   {0x1800, 0x180A},
    {0x19E0, 0x19FF},   {0x1FBD, 0x1FBD},   {0x1FBF, 0x1FC1},   {0x1FCD, 0x1FCF},
    {0x1FDD, 0x1FDF},   {0x1FED, 0x1FEF},   {0x1FFD, 0x1FFE},   {0x2010, 0x2027},
    {0x2030, 0x205E},   {0x207A, 0x207E},   {0x208A, 0x208E},   {0x20A0, 0x20CF},
    {0x2100, 0x214F},   {0x218A, 0x2BFF},   {0x2E00, 0x3130},   {0x3190, 0x9FFF},
    {0xA490, 0xA4C6},   {0xE000, 0xFAFF},   {0xFB29, 0xFB29},   {0xFBB2, 0xFBC2},
    {0xFD3E, 0xFD4F},   {0xFDCF, 0xFDCF},   {0xFDFC, 0xFDFF},   {0xFE10, 0xFE19},
    {0xFE30, 0xFE6B},   {0xFF01, 0xFF0F},   {0xFF1A, 0xFF20},   {0xFF3B, 0xFF40},
    {0xFF5B, 0xFF9F},   {0xFFE0, 0xFFEE},   {0xFFFC, 0xFFFD},   {0x1B000, 0x1B16F},
    {0x1D000, 0x1D24F}, {0x1F000, 0x1FBEF}, {0x20000, 0x3FFFF}, {0xF0000, 0x10FFFF}};

Kind kind_of(char32_t point) {
  if (point < 0x80) {
    bool digit = point >= '0' && point <= '9';
    bool letter = (point | 0x20) >= 'a' && (point | 0x20) <= 'z';
    bool is_blank =
        point == ' ' || (point >= '\t' && point <= '\r') || (point >= 0x1C && point <= 0x1F);
    return digit || letter || point == '_' ? Kind::letter
           : is_blank                      ? Kind::blank
                                           : Kind::alone;
  }
  return utf8::in(point, blanks)  ? Kind::blank
         : utf8::in(point, marks) ? Kind::mark
         : utf8::in(point, alone) ? Kind::alone
                                  : Kind::letter;
}

std::vector<std::string> words_of(std::string_view text) {
  constexpr char32_t joiner = 0x200D;  // makes one symbol of two
  std::vector<std::string> words;
  Kind before = Kind::blank;  // what the last word is, if nothing has ended it
  char32_t last = 0;
  for (size_t at = 0, length; at < text.size(); at += length) {
    char32_t point = utf8::decode(text, at, length);
    Kind kind = kind_of(point);
    bool continues = kind == Kind::mark
                         ? before != Kind::blank
                         : kind == before && (kind == Kind::letter || last == joiner);
    last = point;
    if (kind != Kind::blank) {
      if (!continues) words.emplace_back();
      utf8::append(words.back(), point);
    }
    if (kind != Kind::mark)
      before = kind;
    else if (!continues)
      before = Kind::letter;
  }
  return words;
}

// Not a sign, not a blank.
bool in_word(char32_t point) {
  Kind kind = kind_of(point);
  return kind == Kind::letter || kind == Kind::mark;
}

bool begins_in_word(std::string_view text) {
  size_t length;
  return !text.empty() && in_word(utf8::decode(text, 0, length));
}

}  // namespace

size_t first_bad_utf8(std::string_view text) {
  for (size_t at = 0, length; at < text.size(); at += length)
    if (utf8::decode(text, at, length) == utf8::INVALID && length == 1) return at;
  return text.npos;
}

bool blank(std::string_view text) {
  for (size_t at = 0, length; at < text.size(); at += length)
    if (kind_of(utf8::decode(text, at, length)) != Kind::blank) return false;
  return true;
}

std::string lower_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  char32_t before = ' ';
  for (size_t at = 0, length; at < text.size(); at += length) {
    char32_t point = utf8::decode(text, at, length), small = small_letter(point);
    // At the end of a word, and not alone there, it is another letter than elsewhere.
    if (point == U'Σ' && in_word(before) && !begins_in_word(text.substr(at + length)))
      small = U'ς';
    before = point;
    if (small == point)
      result += text.substr(at, length);
    else
      utf8::append(result, small);
  }
  return result;
}

std::vector<std::string> split(std::string_view text, Level level) {
  return level == Level::characters ? characters(text) : words_of(text);
}

std::string join(const std::vector<std::string>& tokens, Level level) {
  std::string result;
  for (const std::string& token : tokens) {
    if (level == Level::words && &token != &tokens.front()) result += ' ';
    result += token;
  }
  return result;
}

}  // namespace heed
