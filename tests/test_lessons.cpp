// Every lesson as a reader runs it: its default run against expected.txt and the figures that
// its README shows, and mistakes on its command line.
#include <doctest/doctest.h>
#include <algorithm>
#include "tests/output.h"
#include "tests/run_command.h"

using namespace heed_tests;
namespace fs = std::filesystem;

namespace {

struct Lesson {
  std::string folder, name, program;  // lessons/01_masked_token, lesson-01, build/lesson-01
};

std::vector<Lesson> lessons() {
  std::vector<Lesson> found;
  for (const auto& entry : fs::directory_iterator("lessons")) {
    std::string folder = entry.path().filename();
    if (!fs::exists(entry.path() / "main.cpp") || !std::isdigit((unsigned char)folder[0]))
      continue;
    std::string name = "lesson-" + folder.substr(0, folder.find('_'));
    found.push_back({entry.path(), name, setting("HEED_BUILD", "build") + "/" + name});
  }
  std::sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.name < b.name; });
  return found;
}

// The default run; what it prints about files shows the usual directory.
Run default_run(const Lesson& lesson, const std::string& directory) {
  Run result = run(lesson.program + " --out " + directory);
  for (size_t at; (at = result.out.find(directory)) != std::string::npos;)
    result.out.replace(at, directory.size(), "build/figures/" + lesson.name);
  return result;
}

// Figures of times, and those of the long runs in runs.txt, have names that say so:
// *.measured.svg and *.recorded.svg (`make results` makes them). All others must come out of
// the default run.
bool is_of_default_run(const fs::path& figure) {
  fs::path kind = figure.stem().extension();
  return kind != ".measured" && kind != ".recorded";
}

std::vector<fs::path> figures(const Lesson& lesson) {
  std::vector<fs::path> found;
  if (fs::exists(lesson.folder + "/figures"))
    for (const auto& entry : fs::directory_iterator(lesson.folder + "/figures"))
      found.push_back(entry.path());
  return found;
}

}  // namespace

TEST_CASE("lessons: the default run prints expected.txt and writes the README's figures") {
  // Lesson 01 alone takes more than a quarter of an hour, with the loops of the other tests.
  if (setting("HEED_SANITIZE", "") == "thread") return;
  for (const Lesson& lesson : lessons()) {
    CAPTURE(lesson.name);
    TemporaryDirectory directory;
    Run result = default_run(lesson, directory.path);
    CHECK_MESSAGE(result.status == 0, lesson.program, ": exit status ", result.status, "\n",
                  result.out, result.err);
    CHECK(result.err == "");
    std::string path = lesson.folder + "/expected.txt";
    REQUIRE_MESSAGE(fs::exists(path), path, " is missing; run: make expected");
    auto differs = difference(heed::read_file(path), result.out);
    CHECK_MESSAGE(!differs, path, differs.value_or(""));
    for (const fs::path& figure : figures(lesson)) {
      if (!is_of_default_run(figure)) continue;
      std::string drawn = directory / figure.filename();
      bool same = fs::exists(drawn) && heed::read_file(figure) == heed::read_file(drawn);
      CHECK_MESSAGE(same, figure.string(), " is not what the lesson draws; run: make expected");
    }
  }
}

// The runs of a record differ from the default run in few lines, in most lessons. If many of
// expected.txt are not in it, it is a record of an older program.
TEST_CASE("lessons: results.txt is of the program as it is") {
  for (const Lesson& lesson : lessons()) {
    std::string path = lesson.folder + "/results.txt";
    if (!fs::exists(path) || lesson.name == "lesson-01") continue;  // 01: five times as long
    std::vector<std::string> lines = lines_of(heed::read_file(lesson.folder + "/expected.txt")),
                             recorded = lines_of(heed::read_file(path)), missing;
    for (const std::string& line : lines)
      if (std::none_of(recorded.begin(), recorded.end(),
                       [&](const std::string& r) { return same_line(line, r); }))
        missing.push_back(line);
    bool fits = missing.size() * 10 <= lines.size();
    CHECK_MESSAGE(fits, path, ": ", missing.size(), " of ", lines.size(),
                  " lines of expected.txt are not in it, among them\n  ",
                  fits ? "" : missing[0], "\nrun: make results ARGS=", lesson.name.substr(7));
  }
}

TEST_CASE("lessons: a mistake on the command line gives status 2, a message, and no file") {
  const struct {
    const char *arguments, *named;
  } mistakes[] = {
      {"--no-such-option", "--no-such-option"},
      {"--epochs abc", "--epochs"},  // unknown in a lesson without epochs, and no less wrong
      {"--epochs -1", "--epochs"},
      {"--seed 1.5", "--seed"},
      {"--seed -1", "--seed"},
      {"--threads 0", "--threads"},
      {"--seed", "--seed"},
      {"stray", "stray"},
  };
  for (const Lesson& lesson : lessons())
    for (const auto& mistake : mistakes) {
      TemporaryDirectory directory;
      std::string out = directory / "figures";
      Run result = run(lesson.program + " --out " + out + " " + mistake.arguments);
      CAPTURE(lesson.program);
      CAPTURE(std::string(mistake.arguments));
      CHECK(result.status == 2);
      CHECK(result.out == "");
      CHECK(result.err.find(mistake.named) != std::string::npos);
      CHECK(result.err.find("--help") != std::string::npos);
      CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
      CHECK(!fs::exists(out));
    }
}

TEST_CASE("lessons: an output directory that cannot be made stops the lesson at the start") {
  for (const Lesson& lesson : lessons()) {
    TemporaryDirectory directory;
    heed::write_file(directory / "file", "in the way");
    for (const char* below : {"file", "file/deeper"}) {
      Run result = run(lesson.program + " --out " + (directory / below));
      CAPTURE(lesson.program);
      CAPTURE(std::string(below));
      CHECK(result.status == 2);
      CHECK(result.out == "");
      CHECK(result.err.find("--out") != std::string::npos);
      CHECK(heed::read_file(directory / "file") == "in the way");
    }
  }
}

TEST_CASE("lessons: lesson 03 names the pixel or the channels that it cannot take") {
  const struct {
    const char *arguments, *message;
  } mistakes[] = {
      {"--pixel 8,0", "error: [--pixel] 8,0: outside the image"},
      {"--pixel 0,-1", "error: [--pixel] 0,-1: outside the image"},
      {"--pixel 4294967298,1", "error: [--pixel] 4294967298,1: outside the image"},
      {"--pixel 1,-99999999999999999999", "error: [--pixel] 1,-99999999999999999999: outside"},
      {"--pixel 2", "error: [--pixel] '2': row and column wanted"},
      {"--pixel 2,", "error: [--pixel] '2,': row and column wanted"},
      {"--pixel ,2", "error: [--pixel] ',2': row and column wanted"},
      {"--pixel '2;5'", "error: [--pixel] '2;5': row and column wanted"},
      {"--pixel 2,5,1", "error: [--pixel] '2,5,1': row and column wanted"},
      {"--channels 7", "error: [SelfAttention2d] 7 channels: "},
  };
  for (const auto& mistake : mistakes) {
    TemporaryDirectory directory;
    std::string program = setting("HEED_BUILD", "build") + "/lesson-03";
    Run result = run(program + " --out " + directory.path + " " + mistake.arguments);
    CAPTURE(std::string(mistake.arguments));
    CHECK(result.status == 1);
    CHECK(result.out == "");
    CHECK(result.err.starts_with(mistake.message));
  }
}

TEST_CASE("lessons: the largest seed, and the one after it, are printed as they are") {
  const struct {
    const char *lesson, *arguments;
  } runs[] = {{"03", "--steps 20"},
              {"04", "--steps 50"},
              {"04", "--steps 50 --dates 2"},
              {"05", "--epochs 1"}};
  for (const auto& one : runs) {
    TemporaryDirectory directory;
    Run result = run(setting("HEED_BUILD", "build") + "/lesson-" + one.lesson + " --out " +
                     directory.path + " --seeds 2 --seed 4294967295 " + one.arguments);
    CAPTURE(std::string(one.lesson));
    CAPTURE(std::string(one.arguments));
    for (const char* seed : {" 4294967295", " 4294967296"})
      CHECK_MESSAGE(result.out.find(seed) != result.out.npos, "no", seed, " in ", result.out);
  }
}

TEST_CASE("lessons: into a pipe lesson 05's fit prints no times and no control marks") {
  const struct {
    const char *verbose, *line;
  } modes[] = {{"0", "(5) compile and fit\n\n"},
               {"1", "\nEpoch 1/1\n32/32 ━━━━━━━━━━━━━━━━━━━━ - loss: 0.0"},
               {"2", "\nEpoch 1/1\n32/32 - loss: 0.0"}};
  for (const auto& mode : modes) {
    TemporaryDirectory directory;
    std::string program = setting("HEED_BUILD", "build") + "/lesson-05";
    Run result = run(program + " --seeds 1 --epochs 1 --out " + directory.path + " --verbose " +
                     mode.verbose);
    CAPTURE(std::string(mode.verbose));
    CHECK(result.status == 0);
    CHECK(result.err == "");
    CHECK(result.out.find(mode.line) != std::string::npos);
    CHECK(result.out.find("/step") == std::string::npos);
    CHECK(std::none_of(result.out.begin(), result.out.end(),
                       [](unsigned char c) { return (c < 32 && c != '\n') || c == 127; }));
  }
}

TEST_CASE("lessons: --help names the options") {
  for (const Lesson& lesson : lessons()) {
    Run result = run(lesson.program + " --help");
    CAPTURE(lesson.program);
    CHECK(result.status == 0);
    for (const char* option : {"--seed", "--threads", "--out", "--help"})
      CHECK(result.out.find(option) != std::string::npos);
    if (!fs::exists("/dev/full")) continue;  // a full disk that Linux has
    result = run(lesson.program + " --help >/dev/full");
    CHECK(result.status == 1);
    CHECK(result.err == "error: cannot write the output\n");
  }
}

TEST_CASE("lessons: the comparison of outputs sees what it should") {
  CHECK(!difference("loss 3.3225\n", "loss 3.3225\n"));
  CHECK(!difference("loss 3.3225\n", "loss 3.3225  \n"));
  CHECK(difference("loss 3.3225\n", "loss 3.3226\n") ==
        ":1\n  expected: loss 3.3225\n  got:      loss 3.3226");
  CHECK(difference("a\nb\n", "a\n") == ":2\n  expected: b\n  got:      (no such line)");
  CHECK(difference("a\n", "a\nb\n") == ":2\n  expected: (no such line)\n  got:      b");
  CHECK(difference("  ░░██\n", " ░░██\n"));  // blanks are part of a picture

  CHECK(!difference("10 steps in ~ s, loss 2.5\n", "10 steps in   0.013 s, loss 2.5\n"));
  CHECK(!difference("~ GFLOP/s\n", "1.2e+02 GFLOP/s\n"));
  CHECK(difference("10 steps in ~ s, loss 2.5\n", "11 steps in 0.013 s, loss 2.5\n"));
  CHECK(difference("10 steps in ~ s, loss 2.5\n", "10 steps in 0.013 s, loss 2.51\n"));
  CHECK(difference("took ~ s\n", "took nan s\n"));
  CHECK(difference("took ~ s\n", "took s\n"));
  CHECK(difference("took ~ s\n", "took 3 min\n"));

  CHECK(renewed("a 1\nb ~ s\n", "new 2\nb 0.25 s\nb 3 min\n") == "new 2\nb ~ s\nb 3 min\n");
}

TEST_CASE("lessons: rewrite the expected outputs" * doctest::skip()) {  // make expected
  for (const Lesson& lesson : lessons()) {
    TemporaryDirectory directory;
    Run result = default_run(lesson, directory.path);
    REQUIRE_MESSAGE(result.status == 0, lesson.program, " failed\n", result.out, result.err);
    std::string path = lesson.folder + "/expected.txt";
    std::string old = fs::exists(path) ? heed::read_file(path) : "";
    heed::write_file(path, renewed(old, result.out));
    for (const fs::path& figure : figures(lesson))
      if (std::string drawn = directory / figure.filename();
          is_of_default_run(figure) && fs::exists(drawn))
        heed::write_file(figure, heed::read_file(drawn));
  }
}
