// The texts cannot drift from the code: what README.md and lessons/*/README.md show is compared
// with the files that it comes from. A comment line before a block says where that is:
//
//   <!-- snippet: layers/gru.h step -->   a ```cpp block: the lines between "// [snippet:
//   step]"
//                                         and "// [end]" of that file
//   <!-- output: lesson-01 -->            a ```text block or a table: from its expected.txt
//   <!-- recorded: results.txt -->        the same, from a record beside the README
//   <!-- cited: where -->                 figures of others
//   <!-- drawing -->                      a ```text block that shows no output
//
// Lines of an output must follow each other as they do in its file; a line of "..." alone
// stands for lines left out. In a table every number must be one of the file's.
#pragma once
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>
#include "lessons/support/files.h"
#include "tests/output.h"

namespace heed_tests {
namespace fs = std::filesystem;

inline bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

inline std::string trimmed(const std::string& text) {
  size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

class ReadmeChecker {
 public:
  explicit ReadmeChecker(fs::path root) : root(std::move(root)) {
    collect_snippets();
    collect_targets();
  }

  // All that is wrong, each with file and line. With `rewrite`, ```cpp blocks are first made
  // equal to their sources.
  std::vector<std::string> check(bool rewrite = false) {
    for (const fs::path& path : documents()) check_document(path, rewrite);
    for (const auto& [name, snippet] : snippets)
      if (!snippet.used)
        problem(snippet.file, snippet.line, "no README shows '" + name.second + "'");
    return problems;
  }

 private:
  struct Snippet {
    std::string file;
    size_t line;  // of its marker, from 1
    std::vector<std::string> lines;
    bool used = false;
  };
  struct Marker {
    std::string kind, argument;
  };
  using Lines = std::vector<std::string>;

  void problem(const std::string& file, size_t line, const std::string& what) {
    problems.push_back(file + ":" + std::to_string(line) + ": " + what);
  }

  Lines read(const fs::path& path) const { return lines_of(heed::read_file(root / path)); }

  // ---- What the texts may refer to

  void collect_snippets() {
    for (const char* folder : {"autograd", "layers", "optim", "lessons", "tests"}) {
      if (!fs::exists(root / folder)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
        fs::path kind = entry.path().extension();
        bool is_test = starts_with(entry.path().filename(), "test_readme");  // quotes markers
        if ((kind == ".h" || kind == ".cpp") && !is_test)
          collect_snippets_of(entry.path().lexically_relative(root));
      }
    }
  }

  void collect_snippets_of(const fs::path& path) {
    Snippet* open = nullptr;
    Lines lines = read(path);
    for (size_t i = 0; i < lines.size(); ++i) {
      std::string line = trimmed(lines[i]);
      bool begins = starts_with(line, "// [snippet: ") && line.back() == ']';
      if (begins) {
        std::string name = line.substr(13, line.size() - 14);
        if (open) problem(path, i + 1, "a snippet inside a snippet");
        if (snippets.count({path, name}))
          problem(path, i + 1, "a second snippet '" + name + "'");
        open = &(snippets[{path, name}] = {path, i + 1, {}});
      } else if (line == "// [end]") {
        if (!open) problem(path, i + 1, "[end] without a snippet");
        open = nullptr;
      } else if (open) {
        open->lines.push_back(lines[i]);
      }
    }
    if (open) problem(path, open->line, "the snippet has no // [end]");
    for (auto& [name, snippet] : snippets)
      if (name.first == path) snippet.lines = dedented(snippet.lines);
  }

  static Lines dedented(Lines lines) {
    size_t indent = std::string::npos;
    for (const std::string& line : lines)
      indent = std::min(indent, line.find_first_not_of(' '));  // npos for an empty line
    for (std::string& line : lines) line.erase(0, std::min(indent, line.size()));
    return lines;
  }

  // Targets of the Makefile: names at the start of a line, before a colon; lesson-NN.
  void collect_targets() {
    if (fs::exists(root / "Makefile"))
      for (const std::string& line : read("Makefile")) {
        size_t colon = line.find(':');
        if (colon == std::string::npos || line.find_first_of("\t =#$") < colon) continue;
        if (colon + 1 == line.size() || line[colon + 1] != '=')
          targets.insert(line.substr(0, colon));
      }
    if (!fs::exists(root / "lessons")) return;
    for (const auto& entry : fs::directory_iterator(root / "lessons")) {
      std::string name = entry.path().filename();
      if (!std::isdigit((unsigned char)name[0])) continue;
      std::string lesson = "lesson-" + name.substr(0, name.find('_'));
      targets.insert(lesson);
      expected_of[lesson] = fs::path("lessons") / name / "expected.txt";
    }
  }

  std::vector<fs::path> documents() const {
    std::vector<fs::path> found = {"README.md"};
    if (fs::exists(root / "lessons"))
      for (const auto& entry : fs::directory_iterator(root / "lessons"))
        if (fs::exists(entry.path() / "main.cpp"))
          found.push_back((entry.path() / "README.md").lexically_relative(root));
    std::sort(found.begin(), found.end());
    return found;
  }

  // ---- One document

  void check_document(const fs::path& path, bool rewrite) {
    if (!fs::exists(root / path)) return problem(path, 1, "is missing");
    document = path;
    Lines lines = read(path), rewritten;
    Marker marker;  // the comment just above, if there is one
    for (size_t i = 0; i < lines.size(); ++i) {
      std::string line = trimmed(lines[i]);
      size_t last = i;
      Lines shown;
      if (starts_with(line, "```")) {
        while (last + 1 < lines.size() && trimmed(lines[last + 1]) != "```") ++last;
        shown.assign(lines.begin() + i + 1, lines.begin() + last + 1);
        if (++last >= lines.size()) return problem(path, i + 1, "the block has no end");
        check_block(line.substr(3), marker, shown, i + 1, rewrite);
      } else if (starts_with(line, "|")) {
        while (last + 1 < lines.size() && starts_with(trimmed(lines[last + 1]), "|")) ++last;
        check_table(marker, Lines(lines.begin() + i, lines.begin() + last + 1), i + 1);
      }
      rewritten.push_back(lines[i]);
      if (starts_with(line, "```")) {
        rewritten.insert(rewritten.end(), shown.begin(), shown.end());
        rewritten.push_back(lines[last]);
      } else {
        rewritten.insert(rewritten.end(), lines.begin() + i + 1, lines.begin() + last + 1);
        for (size_t k = i; k <= last; ++k) check_prose(lines[k], k + 1);
      }
      if (!line.empty()) marker = marker_in(line, i + 1);
      i = last;
    }
    if (rewrite && rewritten != lines) {
      std::string text;
      for (const std::string& line : rewritten) text += line + "\n";
      heed::write_file(root / path, text);
    }
  }

  Marker marker_in(const std::string& line, size_t number) {
    if (!starts_with(line, "<!-- ") || line.size() < 9 ||
        line.substr(line.size() - 4) != " -->")
      return {};
    std::string words = line.substr(5, line.size() - 9);
    size_t colon = words.find(": ");
    Marker marker{words.substr(0, colon),
                  colon == std::string::npos ? "" : trimmed(words.substr(colon + 2))};
    static const std::set<std::string> kinds = {"snippet", "output", "recorded", "cited",
                                                "drawing"};
    if (!kinds.count(marker.kind)) problem(document, number, "unknown marker '" + words + "'");
    return marker;
  }

  void check_block(const std::string& language, const Marker& marker, Lines& shown, size_t line,
                   bool rewrite) {
    if (language == "cpp") return check_snippet(marker, shown, line, rewrite);
    if (language == "sh") {
      for (size_t i = 0; i < shown.size(); ++i) check_command(shown[i], line + 1 + i);
    } else if (language == "text") {
      if (marker.kind == "drawing" || marker.kind == "cited") return;
      fs::path source = source_of(marker, line);
      if (!source.empty()) check_output(source, shown, line);
    } else if (language != "python") {
      problem(document, line, "a block is cpp, text, sh or python, not '" + language + "'");
    }
  }

  void check_snippet(const Marker& marker, Lines& shown, size_t line, bool rewrite) {
    size_t blank = marker.argument.find(' ');
    if (marker.kind != "snippet" || blank == std::string::npos)
      return problem(document, line, "```cpp without <!-- snippet: file name --> above it");
    auto found =
        snippets.find({marker.argument.substr(0, blank), marker.argument.substr(blank + 1)});
    if (found == snippets.end())
      return problem(document, line, "there is no snippet " + marker.argument);
    Snippet& snippet = found->second;
    snippet.used = true;
    if (rewrite) shown = snippet.lines;
    for (size_t i = 0; i < std::max(shown.size(), snippet.lines.size()); ++i) {
      auto at = [i](const Lines& lines) { return i < lines.size() ? lines[i] : "(no line)"; };
      if (i < shown.size() && i < snippet.lines.size() && shown[i] == snippet.lines[i])
        continue;
      return problem(document, line + 1 + i,
                     "differs from " + snippet.file + ":" +
                         std::to_string(snippet.line + 1 + i) + "\n  here:  " + at(shown) +
                         "\n  there: " + at(snippet.lines) + "\n  run: make readme");
    }
  }

  // The file that a marker speaks of; empty, and a problem, if there is none.
  fs::path source_of(const Marker& marker, size_t line) {
    fs::path source;
    if (marker.kind == "output") {
      if (expected_of.count(marker.argument)) source = expected_of.at(marker.argument);
    } else if (marker.kind == "recorded") {
      source = document.parent_path() / marker.argument;
    } else {
      problem(document, line,
              "no <!-- output: lesson-NN -->, <!-- recorded: file --> or the like "
              "above it says where this comes from");
      return {};
    }
    if (!source.empty() && fs::is_regular_file(root / source)) return source;
    problem(document, line, "there is no file for " + marker.kind + ": " + marker.argument);
    return {};
  }

  void check_output(const fs::path& source, const Lines& shown, size_t line) {
    Lines all = read(source);
    size_t from = 0;  // where in `all` the next stretch may begin
    for (size_t i = 0; i < shown.size();) {
      if (shown[i] == "...") {
        ++i;
        continue;
      }
      size_t end = i;
      while (end < shown.size() && shown[end] != "...") ++end;
      auto found =
          std::search(all.begin() + from, all.end(), shown.begin() + i, shown.begin() + end);
      if (found == all.end())
        return problem(document, line + 1 + i,
                       "not in " + source.string() +
                           ", or not in this "
                           "order; " +
                           first_foreign(all, shown, i, end));
      from = found - all.begin() + (end - i);
      i = end;
    }
  }

  static std::string first_foreign(const Lines& all, const Lines& shown, size_t i, size_t end) {
    for (; i < end; ++i)
      if (std::find(all.begin(), all.end(), shown[i]) == all.end())
        return "no such line:\n  " + shown[i];
    return "each line is there, but they do not follow each other";
  }

  // A table with measured numbers (12.5, 97 %) needs a marker, and its numbers a place there.
  void check_table(const Marker& marker, const Lines& rows, size_t line) {
    if (marker.kind == "cited") return;
    bool has_marker = marker.kind == "output" || marker.kind == "recorded";
    std::set<std::string> known;
    for (size_t i = 0; i < rows.size(); ++i) {
      bool ruler = rows[i].find_first_not_of("|-: ") == std::string::npos;
      if (i == 0 || ruler) continue;  // headings
      std::string row = without_code(rows[i]);
      auto tokens = tokens_of(row);
      bool measured = row.find('%') != std::string::npos ||
                      std::any_of(tokens.begin(), tokens.end(), [](const std::string& token) {
                        return is_number(token) && token.find('.') != std::string::npos;
                      });
      if (!measured && !has_marker) continue;
      if (known.empty()) {
        fs::path source = source_of(marker, line);
        if (source.empty()) return;
        for (const std::string& text : read(source))
          for (const std::string& token : tokens_of(text)) known.insert(token);
      }
      for (const std::string& token : tokens)
        if (is_number(token) && !known.count(token))
          problem(document, line + i, "the number " + token + " is not in its source");
    }
  }

  static std::string without_code(std::string line) {
    for (size_t open; (open = line.find('`')) != std::string::npos;) {
      size_t close = line.find('`', open + 1);
      if (close == std::string::npos) break;
      line.erase(open, close + 1 - open);
    }
    return line;
  }

  void check_prose(const std::string& line, size_t number) {
    for (size_t at = 0; (at = line.find('`', at)) != std::string::npos;) {
      size_t close = line.find('`', at + 1);
      if (close == std::string::npos) break;
      check_command(line.substr(at + 1, close - at - 1), number);
      at = close + 1;
    }
    std::string prose = without_code(line);
    check_links(prose, "](", ')', number);
    check_links(prose, "src=\"", '"', number);
    check_links(prose, "srcset=\"", '"', number);
    check_links(prose, "href=\"", '"', number);
  }

  void check_links(const std::string& line, const std::string& start, char end, size_t number) {
    for (size_t at = 0; (at = line.find(start, at)) != std::string::npos;) {
      at += start.size();
      std::string target = line.substr(at, line.find(end, at) - at);
      target = target.substr(0, target.find_first_of("# "));  // an anchor, a title
      if (target.empty() || target.find("://") != std::string::npos ||
          starts_with(target, "mailto:"))
        continue;
      if (!fs::exists(root / document.parent_path() / target))
        problem(document, number, "dead link: " + target);
    }
  }

  // `make a b VARIABLE="..."`, alone or between && and ; in a command: a and b must be targets.
  void check_command(const std::string& command, size_t number) {
    std::string word;
    bool in_make = false, at_start = true;
    char quote = 0;
    auto end_word = [&] {
      if (word.empty()) return;
      if (in_make && word[0] != '-' && word.find('=') == std::string::npos &&
          !targets.count(word))
        problem(document, number, "make has no target '" + word + "'");
      if (at_start && word == "make") in_make = true;
      if (word != "sudo") at_start = false;
      word.clear();
    };
    for (char c : command) {
      if (quote) {
        if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '#' && word.empty()) {
        break;
      } else if (c == ' ') {
        end_word();
      } else if (std::string("&;|()").find(c) != std::string::npos) {
        end_word();
        in_make = false, at_start = true;
      } else {
        word += c;
      }
    }
    end_word();
  }

  fs::path root, document;  // the document: the one that is being checked
  std::map<std::pair<std::string, std::string>, Snippet> snippets;  // by file and name
  std::set<std::string> targets;
  std::map<std::string, fs::path> expected_of;  // lesson-01: lessons/01_.../expected.txt
  std::vector<std::string> problems;
};

}  // namespace heed_tests
