// README.md and the lessons' READMEs against what they show (see readme_checker.h), and the
// checker itself on READMEs with one fault each.
#include <doctest/doctest.h>
#include "tests/readme_checker.h"
#include "tests/run_command.h"

using namespace heed_tests;

TEST_CASE("readme: every snippet, output, number, link and make target is as it is shown") {
  for (const std::string& problem : ReadmeChecker(".").check()) FAIL_CHECK(problem);
}

TEST_CASE("readme: rewrite the snippets" * doctest::skip()) {  // make readme
  for (const std::string& problem : ReadmeChecker(".").check(true)) FAIL_CHECK(problem);
}

namespace {

// A small repository with nothing wrong in it. `edit` replaces text in one of its files.
struct Repository {
  Repository() {
    fs::create_directories(directory / "layers");
    fs::create_directories(directory / "lessons/01_first");
    write("Makefile", "all: lib\nrun test:\n\t@echo\ntest: all\nB := build\n");
    write("layers/gate.h",
          "#pragma once\n  // [snippet: gate]\n  int gate(int x) {\n    return x;\n"
          "  }\n  // [end]\n");
    write("lessons/01_first/main.cpp", "int main() {}\n");
    write("lessons/01_first/expected.txt",
          "epoch 1  loss 3.3225\nepoch 2  loss 3.0278\n"
          "took ~ s\nright 97.5 %\n");
    write("lessons/01_first/results.txt", "seed 0  0.25\nseed 1  0.5\n");
    write("lessons/01_first/README.md", "# First\n[up](../../README.md)\n");
    write("README.md", R"(# Small
Run `make test` or `make lesson-01 ARGS="--seed 1"`, see [the lesson](lessons/01_first/README.md#x)
or [the web](https://example.org/none). Code like `a[i](j)` is no link.

<!-- snippet: layers/gate.h gate -->
```cpp
int gate(int x) {
  return x;
}
```

<!-- output: lesson-01 -->
```text
epoch 1  loss 3.3225
...
took ~ s
right 97.5 %
```

<!-- recorded: lessons/01_first/results.txt -->
| seed | loss |
|---|---|
| 0 | 0.25 |
| 1 | 0.5 |

| step | of |
|---|---|
| 1 | 3 |

```sh
sudo apt-get install -y make gdb && make -j2 lesson-01  # as typed
```
)");
  }

  void write(const std::string& path, const std::string& text) {
    heed::write_file(directory / path, text);
  }
  void edit(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = heed::read_file(directory / path);
    size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write(path, text.replace(at, from.size(), to));
  }
  std::vector<std::string> problems(bool rewrite = false) {
    return ReadmeChecker(directory.path).check(rewrite);
  }

  TemporaryDirectory directory;
};

// One edit of a good repository, and a problem that must come of it.
void expect_problem(const char* file, const char* from, const char* to,
                    const std::string& place, const std::string& words) {
  Repository repository;
  repository.edit(file, from, to);
  std::string all;
  bool found = false;
  for (const std::string& problem : repository.problems()) {
    found =
        found || (starts_with(problem, place + ": ") && problem.find(words) != problem.npos);
    all += problem + "\n";
  }
  CHECK_MESSAGE(found, "expected ", place, " ... ", words, ", got:\n", all);
}

}  // namespace

TEST_CASE("readme checker: finds nothing wrong where nothing is") {
  for (const std::string& problem : Repository().problems()) FAIL_CHECK(problem);
}

TEST_CASE("readme checker: snippets") {
  expect_problem("README.md", "  return x;", "  return y;", "README.md:8",
                 "differs from layers/gate.h:4\n  here:    return y;\n  there:   return x;");
  expect_problem("README.md", "  return x;\n", "", "README.md:8", "there:   return x;");
  expect_problem("layers/gate.h", "x;\n", "x;\n    // more\n", "README.md:9",
                 "there:   // more");
  expect_problem("README.md", "gate.h gate", "gate.h date", "README.md:6", "no snippet");
  expect_problem("README.md", "<!-- snippet: layers/gate.h gate -->\n", "", "README.md:5",
                 "without <!-- snippet");
  expect_problem("layers/gate.h", "// [end]", "// [end]\n// [snippet: new]\n// [end]",
                 "layers/gate.h:7", "no README shows 'new'");
  expect_problem("layers/gate.h", "  // [end]\n", "", "layers/gate.h:2", "no // [end]");
  expect_problem("layers/gate.h", "// [end]", "// [end]\n// [end]", "layers/gate.h:7",
                 "without a snippet");
}

TEST_CASE("readme checker: output, records and tables") {
  expect_problem("README.md", "3.3225", "3.3226", "README.md:14", "no such line:\n  epoch 1");
  expect_problem("README.md", "...\n", "", "README.md:14", "do not follow each other");
  expect_problem("README.md", "took ~ s\nright 97.5 %", "right 97.5 %\n...\ntook ~ s",
                 "README.md:18", "not in this order");
  expect_problem("README.md", "output: lesson-01", "output: lesson-07", "README.md:13",
                 "no file");
  expect_problem("README.md", "<!-- output: lesson-01 -->\n", "", "README.md:12", "says where");
  expect_problem("README.md", "output: lesson-01", "outputs: lesson-01", "README.md:12",
                 "unknown marker");
  expect_problem("README.md", "| 1 | 0.5 |", "| 1 | 0.6 |", "README.md:24", "number 0.6");
  expect_problem("README.md", "| 1 | 3 |", "| 1 | 3.5 |", "README.md:26", "says where");
  expect_problem("README.md", "| 1 | 3 |", "| 1 | 3 % |", "README.md:26", "says where");
}

TEST_CASE("readme checker: links, targets, blocks") {
  expect_problem("README.md", "01_first/README.md#x", "01_first/none.md#x", "README.md:2",
                 "dead link: lessons/01_first/none.md");
  expect_problem("README.md", "[the web]", "![a figure](figures/none.svg) [the web]",
                 "README.md:3", "dead link: figures/none.svg");
  expect_problem("README.md", "Code like", "<img src=\"none.svg\"> Code like", "README.md:3",
                 "dead link: none.svg");
  expect_problem("README.md", "`make test`", "`make tests`", "README.md:2",
                 "no target 'tests'");
  expect_problem("README.md", "make -j2 lesson-01", "make -j2 lesson-02", "README.md:31",
                 "no target 'lesson-02'");
  expect_problem("README.md", "```sh", "```", "README.md:30",
                 "a block is cpp, text, sh or python");
  expect_problem("README.md", "as typed\n```\n", "as typed\n", "README.md:30", "has no end");
}

TEST_CASE("readme checker: make readme mends snippets and nothing else") {
  Repository repository;
  std::string good = heed::read_file(repository.directory / "README.md");
  repository.edit("README.md", "  return x;\n", "  old();\n  older();\n");
  CHECK(repository.problems().size() == 1);
  CHECK(repository.problems(true).empty());
  CHECK(heed::read_file(repository.directory / "README.md") == good);
}
