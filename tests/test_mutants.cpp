// The errors that `make mutants` plants fit the code as it stands. (Planting all of them takes
// minutes, so a change of the code would hear of it late.)
#include <doctest/doctest.h>
#include <map>
#include "lessons/support/files.h"
#include "tests/output.h"

using namespace heed_tests;

namespace {

// How often a text stands in another, overlaps included.
int count_of(const std::string& part, const std::string& text) {
  int count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Tests are named by subject and precision: ops-double is tests/test_ops.cpp.
std::string source_of(const std::string& test) {
  return "tests/test_" + test.substr(0, test.rfind('-')) + ".cpp";
}

}  // namespace

TEST_CASE("mutants: each old text stands in its file exactly once, and its test exists") {
  std::map<std::string, std::string> files;
  const auto text_of = [&](const std::string& path) -> const std::string& {
    if (!files.contains(path)) files[path] = heed::read_file(path);
    return files[path];
  };
  int errors = 0;
  std::string title, file, test, old;
  auto lines = lines_of(heed::read_file("tests/mutants.txt"));
  lines.push_back("");  // ends the last error
  for (const std::string& line : lines) {
    const auto after = [&](const std::string& start) { return line.substr(start.size()); };
    if (line.starts_with("  file ")) file = after("  file ");
    else if (line.starts_with("  test ")) test = after("  test ");
    else if (line.starts_with("  - ")) old += (old.empty() ? "" : "\n") + after("  - ");
    else if (!line.empty() && line[0] != ' ' && line[0] != '#') title = line;
    if (!line.empty() || title.empty()) continue;
    CAPTURE(title);
    CHECK(!old.empty());
    CHECK(count_of(old, text_of(file)) == 1);
    CHECK(!text_of(source_of(test)).empty());
    ++errors;
    title = file = test = old = "";
  }
  CHECK(errors > 0);
}
