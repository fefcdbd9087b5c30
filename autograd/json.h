// The little of JSON (RFC 8259) that a safetensors header needs: strings, whole numbers, and
// lists whose items the caller reads. The caller says what must come next, so whatever else
// comes is an error at its place, and hostile text cannot nest deeper than the caller's own
// functions do.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "autograd/check.h"

namespace heed {

// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
inline bool is_utf8(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    unsigned lead = static_cast<unsigned char>(s[i++]);
    if (lead < 0x80) continue;
    if (lead < 0xC2 || lead > 0xF4) return false;
    unsigned more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    unsigned code = lead & (0x3Fu >> more);
    for (unsigned k = 0; k < more; k++) {
      if (i == s.size() || (s[i] & 0xC0) != 0x80) return false;
      code = code << 6 | (static_cast<unsigned char>(s[i++]) & 0x3Fu);
    }
    if (more == 2 && (code < 0x800 || (code >= 0xD800 && code < 0xE000))) return false;
    if (more == 3 && (code < 0x10000 || code > 0x10FFFF)) return false;
  }
  return true;
}

inline void append_utf8(std::string& s, unsigned code) {
  if (code < 0x80) {
    s += char(code);
  } else if (code < 0x800) {
    s += {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    s += {char(0xE0 | code >> 12), char(0x80 | (code >> 6 & 0x3F)), char(0x80 | (code & 0x3F))};
  } else {
    s += {char(0xF0 | code >> 18), char(0x80 | (code >> 12 & 0x3F)),
          char(0x80 | (code >> 6 & 0x3F)), char(0x80 | (code & 0x3F))};
  }
}

// `s` as JSON: in quotes, with escapes.
inline std::string json_quoted(const std::string& s) {
  static const std::string from = "\"\\\b\f\n\r\t", to = "\"\\bfnrt";
  std::string q = "\"";
  for (char c : s) {
    size_t k = from.find(c);
    if (k != std::string::npos) {
      q += {'\\', to[k]};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      q += std::string("\\u00") + char('0' + c / 16) + "0123456789abcdef"[c % 16];
    } else {
      q += c;
    }
  }
  return q + "\"";
}

struct JsonReader {
  const std::string& text;
  std::string where;  // begins the message of every error
  size_t at = 0;      // next character of text

  template <class... Parts> [[noreturn]] void error(const Parts&... parts) {
    fail(where, "byte ", at, ": ", parts...);
  }

  // The next character that is no blank; at the end, 0.
  char peek() {
    while (at < text.size() && std::string(" \t\r\n").find(text[at]) != std::string::npos) at++;
    return at < text.size() ? text[at] : '\0';
  }

  std::string found() { return at < text.size() ? json_quoted(text.substr(at, 1)) : "the end"; }

  void expect(char c) {
    if (peek() != c) error("expected ", json_quoted({c}), ", found ", found());
    at++;
  }

  bool accept(char c) {
    bool yes = peek() == c;
    at += yes;
    return yes;
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int k = 0; k < 4; k++, at++) {
      size_t digit =
          at < text.size() ? std::string("0123456789abcdefABCDEF").find(text[at]) : 99;
      if (digit > 21) error("expected four hexadecimal digits after \\u, found ", found());
      code = code * 16 + unsigned(digit > 15 ? digit - 6 : digit);
    }
    return code;
  }

  void escape(std::string& s) {
    static const std::string from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    char c = at < text.size() ? text[at] : '\0';
    if (c != 'u') {
      size_t k = from.find(c);
      if (k == std::string::npos) error("unknown escape in a string");
      s += to[k];
      at++;
      return;
    }
    at++;
    unsigned code = hex4();
    // Characters above U+FFFF come as two halves, \uD8xx\uDCxx. A half alone makes the string
    // invalid, and string() says so.
    if (code >= 0xD800 && code < 0xDC00 && text.compare(at, 2, "\\u") == 0) {
      at += 2;
      unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) error("the second half of a \\u pair is missing");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(s, code);
  }

  std::string string() {
    expect('"');
    std::string s;
    while (at < text.size() && text[at] != '"') {
      char c = text[at];
      if (static_cast<unsigned char>(c) < 0x20) error("a control character inside a string");
      at++;
      if (c == '\\') {
        escape(s);
      } else {
        s += c;
      }
    }
    if (at == text.size()) error("a string without its closing quote");
    at++;
    if (!is_utf8(s)) error("a string that is not UTF-8 ends here");
    return s;
  }

  uint64_t number() {
    constexpr uint64_t limit = std::numeric_limits<int64_t>::max();
    auto digit = [&] { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    peek();
    if (!digit()) error("expected a whole number from 0 on, found ", found());
    if (text[at] == '0' && ++at && digit()) error("a number with a leading 0");
    uint64_t n = 0;
    for (; digit(); at++) {
      uint64_t d = uint64_t(text[at] - '0');
      if (n > (limit - d) / 10) error("a number above 2^63 - 1");
      n = n * 10 + d;
    }
    return n;
  }

  // open item, item, ... close
  template <class Item> void list(char open, char close, const Item& item) {
    expect(open);
    if (accept(close)) return;
    do { item(); } while (accept(','));
    expect(close);
  }

  void expect_end() {
    if (peek() != '\0' || at != text.size()) error("expected the end, found ", found());
  }
};

}  // namespace heed
