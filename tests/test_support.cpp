// What the lessons share: command line, checks, charts, maps, files, hash.
#include "autograd/check.h"
#include <doctest/doctest.h>
#include <cstdio>
#include <fstream>
#include "lessons/support/checks.h"
#include "lessons/support/files.h"
#include "lessons/support/hash.h"
#include "lessons/support/heat_map.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/options.h"
#include "lessons/support/svg.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"
#include "tests/output.h"
#include "tests/run_command.h"

using namespace heed;
using namespace heed_tests;
namespace fs = std::filesystem;

namespace {

struct Settings : CommonSettings {
  int epochs = 200;
  double lr = 0.001;
  std::string kind = "dot", file;
  bool quiet = false;
};

// A lesson that leaves its settings behind.
struct Program {
  Settings settings;
  bool ran = false, all_default = false;
  std::function<int()> body = [] { return 0; };
  std::function<bool()> draws = [] { return true; };

  Run operator()(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "lesson-99");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    settings.out = directory / "figures";
    Options options("lesson-99", "A lesson.", settings);
    options.add("--epochs", settings.epochs, {1, 1000}, "times through the samples");
    options.add("--lr", settings.lr, {0, 10}, "learning rate");
    options.add("--kind", settings.kind, std::vector<std::string>{"dot", "additive"}, "score");
    options.add("--file", settings.file, "FILE", "a file");
    options.add("--quiet", settings.quiet, "print less");
    options.draws = draws;
    return captured([&] {
      return run_lesson(int(argv.size()), argv.data(), options, [&] {
        ran = true;
        all_default = options.all_default();
        return body();
      });
    });
  }

  TemporaryDirectory directory;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++n;
  return n;
}

// Every element that is opened is closed, in order: enough of XML to see a broken picture.
bool balanced(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = 0; (at = svg.find('<', at)) != svg.npos;) {
    size_t end = svg.find('>', at);
    if (end == svg.npos) return false;
    std::string tag = svg.substr(at + 1, end - at - 1);
    std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (name[0] == '/') {
      if (open.empty() || open.back() != name.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty();
}

// The place of the element that holds these words: the last x= or y= before them.
double place_of(const std::string& svg, const std::string& words, const char* axis) {
  size_t at = svg.find(words);
  REQUIRE(at != std::string::npos);
  size_t begin = svg.rfind(axis, at);
  REQUIRE(begin != std::string::npos);
  return std::stod(svg.substr(begin + 4));
}
double x_of(const std::string& svg, const char* words) { return place_of(svg, words, " x=\""); }
double y_of(const std::string& svg, const char* words) { return place_of(svg, words, " y=\""); }

LineChart chart() {
  return {"Loss <by> \"epoch\" & more",
          "epoch",
          "loss",
          {{"numbers", {3, 2, 1.5, 1.25}}, {"one-hot, coded", {3, 1, 0.5, 0.25}}},
          0.0,
          {}};
}

HeatMap map() {
  HeatMap causal{
      "Causal", {"a", "b", "文"}, {"a", "b", "文"}, {1, 0, 0, 0.5, 0.5, 0, 0.25, 0.25, 0.5}};
  causal.visible = {true, false, false, true, true, false, true, true, true};
  return causal;
}

const double infinity = __builtin_inf(), nan = __builtin_nan("");

}  // namespace

TEST_CASE("options: values arrive, in both spellings, and defaults stay") {
  Program program;
  CHECK(program({}).status == 0);
  CHECK(program.ran);
  CHECK(program.all_default);
  CHECK(program.settings.epochs == 200);
  CHECK(program({"--threads", "2"}).status == 0);
  CHECK(program.all_default);
  Run result = program({"--epochs", "7", "--lr=1e-4", "--kind", "additive", "--file", "a b",
                        "--quiet", "--seed", "4294967295", "--epochs=8"});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  CHECK(!program.all_default);
  CHECK(program.settings.epochs == 8);  // the last one counts
  CHECK(program.settings.lr == 1e-4);
  CHECK(program.settings.kind == "additive");
  CHECK(program.settings.file == "a b");
  CHECK(program.settings.quiet);
  CHECK(program.settings.seed == 4294967295);
  CHECK(fs::is_directory(program.settings.out));
}

TEST_CASE("options: a run that draws nothing makes no directory") {
  Program program;
  program.draws = [&] { return !program.settings.quiet; };
  CHECK(program({"--quiet"}).status == 0);
  CHECK(program.ran);
  CHECK(!fs::exists(program.settings.out));
  program.settings.quiet = false;
  CHECK(program({}).status == 0);
  CHECK(fs::is_directory(program.settings.out));
}

TEST_CASE("options: each mistake is one clear line, status 2, and nothing done") {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } mistakes[] = {
      {{"--epochs", "abc"},
       "--epochs 'abc' is not accepted: it takes a whole number from 1 to 1000"},
      {{"--epochs", "-1"},
       "--epochs '-1' is not accepted: it takes a whole number from 1 to 1000"},
      {{"--epochs", "1001"}, "--epochs '1001' is not accepted"},
      {{"--epochs", "5x"}, "--epochs '5x' is not accepted"},
      {{"--epochs", "99999999999999999999"}, "--epochs '99999999999999999999'"},
      {{"--epochs="}, "--epochs '' is not accepted"},
      {{"--epochs"}, "--epochs needs a value: a whole number from 1 to 1000"},
      {{"--epochs", "--seed", "1"}, "--epochs needs a value"},
      {{"--lr", "nan"}, "--lr 'nan' is not accepted: it takes a number from 0 to 10"},
      {{"--lr", "0x1"}, "--lr '0x1'"},
      {{"--lr", "1,5"}, "--lr '1,5'"},
      {{"--lr", "."}, "--lr '.'"},
      {{"--lr", "1e999"}, "--lr '1e999'"},
      {{"--seed", "-1"},
       "--seed '-1' is not accepted: it takes a whole number from 0 to 4294967295"},
      {{"--kind", "dott"}, "--kind 'dott' is not accepted: it takes one of dot, additive"},
      {{"--quiet=1"}, "--quiet takes no value, not '1'"},
      {{"--epoch", "3"}, "unknown option --epoch; did you mean --epochs?"},
      {{"--colour"}, "unknown option --colour (try --help)"},
      {{"stray"}, "unexpected 'stray'"},
      {{"-e", "3"}, "unexpected '-e'"},
      {{"--out", ""}, "--out '' is not accepted"},
  };
  for (const auto& [arguments, message] : mistakes) {
    Program program;
    Run result = program(arguments);
    INFO(result.err);
    CHECK(result.status == 2);
    CHECK(result.out == "");
    CHECK(contains(result.err, "lesson-99: " + message));
    CHECK(contains(result.err, "(try --help)\n"));
    CHECK(count(result.err, "\n") == 1);
    CHECK(!program.ran);
    CHECK(!fs::exists(program.settings.out));
  }
}

TEST_CASE("options: --help shows every option with its default") {
  Program program;
  Run result = program({"--help"});
  CHECK(result.status == 0);
  CHECK(!program.ran);
  CHECK(!fs::exists(program.settings.out));
  for (const char* part :
       {"usage: lesson-99 [options]\nA lesson.\n", "--seed N ", "--threads N ", "--out DIR ",
        "  --epochs N   times through the samples; 1 to 1000 (default 200)\n",
        "0 to 10 (default 0.001)", "dot, additive (default dot)", "--quiet "})
    CHECK_MESSAGE(contains(result.out, part), std::string(part), " in\n", result.out);
}

TEST_CASE("options: what goes wrong in a lesson is an error and status 1") {
  Program program;
  program.body = []() -> int { throw Error("[matmul] (4, 3) x (5, 2): inner sizes differ"); };
  Run result = program({});
  CHECK(result.status == 1);
  CHECK(result.err == "error: [matmul] (4, 3) x (5, 2): inner sizes differ\n");
  program.body = [] { return 1; };
  CHECK(program({}).status == 1);
}

TEST_CASE("checks: one that fails decides the exit status") {
  Checks good, bad;
  Run run = captured([&] {
    good.check(true, "right: %d of %d", 30, 30);
    good.near("loss", 3.32252, 3.3225, 0.00005);
    return good.finish();
  });
  CHECK(run.status == 0);
  CHECK(run.out ==
        "check: right: 30 of 30: ok\n"
        "check: loss is 3.32252 (expected 3.3225 within 5e-05): ok\n"
        "all 2 checks hold\n");
  run = captured([&] {
    bad.check(true, "this");
    bad.near("loss", 3.33, 3.3225, 0.001);
    bad.near("NaN", nan, 0, 1);
    return bad.finish();
  });
  CHECK(run.status == 1);
  CHECK(contains(run.out, "within 0.001): FAILED\n"));
  CHECK(contains(run.out, "2 of 3 checks FAILED:\n  loss is 3.33"));
}

TEST_CASE("progress: without a terminal nothing is written") {
  Run run = captured([] {
    Progress bar("training", 3);
    for (int i = 0; i < 3; ++i) bar.step("loss 1"), say("step %d", i);
    return 0;
  });
  CHECK(run.err == "");
  CHECK(run.out == "step 0\nstep 1\nstep 2\n");
}

TEST_CASE("text: width, padding and broken UTF-8") {
  CHECK(columns("abc") == 3);
  CHECK(columns("三体") == 4);
  CHECK(columns("e\u0301") == 1);  // e and a combining accent
  CHECK(pad_left("三", 4) == "  三");
  CHECK(pad_right("ab", 4) == "ab  ");
  CHECK(pad_right("abcde", 4) == "abcde");
  CHECK(characters("a三") == std::vector<std::string>{"a", "三"});
  std::string replacement = "\xEF\xBF\xBD";
  for (const char* broken : {"\xFF", "\xE4\xB8", "\xC0\x80", "\xED\xA0\x80", "\xF5"})
    for (const std::string& c : characters(broken)) CHECK(c == replacement);
  CHECK(formatted("%s %.3f", std::string(1000, 'x').c_str(), 0.5).size() == 1006);
}

TEST_CASE("files: whole or not at all, and the error names the path") {
  TemporaryDirectory directory;
  write_file(directory / "a", "one");
  write_file(directory / "a", "two");
  CHECK(read_file(directory / "a") == "two");
  CHECK(std::distance(fs::directory_iterator(directory.path), {}) == 1);  // nothing left over
  CHECK_THROWS_WITH_AS(write_file(directory / "a/b", "x"),
                       ("cannot write " + (directory / "a/b") + ": Not a directory").c_str(),
                       Error);
  CHECK_THROWS_AS(write_file(directory / "none/b", "x"), Error);
  CHECK_THROWS_AS(read_file(directory / "none"), Error);
  CHECK_THROWS_AS(read_file(directory.path), Error);
  fs::create_directory(directory / "taken");
  CHECK_THROWS_AS(write_file(directory / "taken", "x"), Error);  // a directory stands there
  CHECK(std::distance(fs::directory_iterator(directory.path), {}) == 2);
  for (const char* others : {"b.unfinished", ".writable"}) {  // another program's
    std::ofstream(directory / others) << "mine";
    write_file(directory / "b", "x");
    make_writable_directory(directory.path);
    CHECK(read_file(directory / others) == "mine");
  }
  make_writable_directory(directory / "x/y");
  CHECK(fs::is_directory(directory / "x/y"));
  CHECK(fs::is_empty(directory / "x/y"));
  CHECK_THROWS_AS(make_writable_directory(directory / "a"), Error);
  CHECK_THROWS_AS(make_writable_directory(directory / "a/b"), Error);
}

TEST_CASE("hash: the published values of FNV-1a") {
  CHECK(fnv1a("", 0) == 0xcbf29ce484222325);
  CHECK(fnv1a("a", 1) == 0xaf63dc4c8601ec8c);
  CHECK(fnv1a("foobar", 6) == 0x85944171f73967e8);
  CHECK(fnv1a("bar", 3, fnv1a("foo", 3)) == fnv1a("foobar", 6));
}

TEST_CASE("ticks: round numbers inside the range, neither few nor many") {
  auto labels = [](double least, double greatest, int most) {
    Ticks ticks(least, greatest, most);
    std::string all;
    for (int i = 0; i < ticks.count; ++i) all += ticks.label(i) + " ";
    return all;
  };
  CHECK(labels(0, 1, 6) == "0.0 0.2 0.4 0.6 0.8 1.0 ");
  CHECK(labels(0.05, 3.3, 6) == "1 2 3 ");
  CHECK(labels(1, 200, 9) == "50 100 150 200 ");
  CHECK(labels(-1, 1, 6) == "-1.0 -0.5 0.0 0.5 1.0 ");
  CHECK(labels(-0.00012, 0.00031, 6) == "-0.0001 0.0000 0.0001 0.0002 0.0003 ");
  CHECK(labels(9999.5, 10000.5, 6) == "9999.6 9999.8 10000.0 10000.2 10000.4 ");
  for (double size : {1e-12, 0.037, 1.0, 7.3, 123.0, 4.4e9, 1e30}) {
    Ticks ticks(-0.3 * size, size, 6);
    CHECK(ticks.count >= 3);
    CHECK(ticks.count <= 7);
    CHECK(ticks.at(0) >= -0.3 * size * 1.000001);
    CHECK(ticks.at(ticks.count - 1) <= size * 1.000001);
  }
}

TEST_CASE("line chart: SVG") {
  std::string svg = as_svg(chart());
  CHECK(balanced(svg));
  CHECK(contains(svg, ">Loss &lt;by&gt; &quot;epoch&quot; &amp; more</text>"));
  for (const char* text :
       {">epoch</text>", ">loss</text>", ">numbers</text>", ">one-hot, coded</text>",
        ">0.0</text>", ">3.0</text>", "prefers-color-scheme: dark"})
    CHECK_MESSAGE(contains(svg, text), std::string(text));
  CHECK(count(svg, "class=\"s0\"") == 2);  // the legend's stroke and the curve
  CHECK(as_svg(chart()) == svg);
}

TEST_CASE("line chart: terminal and CSV") {
  LineChart lines = chart();
  std::string text = as_text(lines);
  for (const std::string& line : lines_of(text)) CHECK(columns(line) <= 80);
  CHECK(contains(text, "● numbers"));
  CHECK(contains(text, "○ one-hot, coded"));
  CHECK(contains(lines_of(text)[1], "3 ┤○"));  // both begin here; the second is drawn later
  CHECK(as_csv(lines) ==
        "epoch,numbers,\"one-hot, coded\"\n1,3,3\n2,2,1\n3,1.5,0.5\n4,1.25,0.25\n");
  lines.series[1].x = {2, 3, 4, 5.5};
  CHECK(as_csv(lines) ==
        "epoch,numbers,\"one-hot, coded\"\n1,3,\n2,2,3\n3,1.5,1\n4,1.25,0.5\n5.5,,0.25\n");
}

TEST_CASE("line chart: data that is hard to draw") {
  for (const std::vector<double>& y : std::vector<std::vector<double>>{{},
                                                                       {1},
                                                                       {2, 2, 2},
                                                                       {0, 0},
                                                                       {1, nan, 2, infinity, 3},
                                                                       {nan},
                                                                       {1e-300, 2e-300},
                                                                       {-1e30, 1e30},
                                                                       {1, 1 + 1e-15}}) {
    LineChart hard{"hard", "x", "y", {{"", y}}, {}, {}};
    std::string svg = as_svg(hard), text = as_text(hard);
    CHECK(balanced(svg));
    CHECK(!contains(svg, "nan"));
    CHECK(!contains(svg, "inf"));
    CHECK(lines_of(text).size() == 16);
  }
  LineChart broken{"broken", "x", "y", {{"s", {1, 2}, {1}}}, {}, {}};
  CHECK_THROWS_WITH_AS(as_svg(broken), "[line chart] series 's': 1 numbers x and 2 y", Error);
}

TEST_CASE("heat map: rows are queries, hidden cells are hatched, sums stand beside") {
  CHECK(as_text(map()) ==
        "Causal\n"
        "      key\n"
        "query a b 文  sum\n"
        "    a ██╱╱╱╱  1.000\n"
        "    b ▒▒▒▒╱╱  1.000\n"
        "   文 ░░░░▒▒  1.000\n"
        "      ░░ from 0.2  ▒▒ from 0.4  ▓▓ from 0.6  ██ from 0.8  ╱╱ not visible\n");
  std::string svg = as_svg(map());
  CHECK(balanced(svg));
  CHECK(count(svg, "url(#hidden)") == 3 + 1);  // three cells and the legend
  CHECK(count(svg, ">1.000</text>") == 3);
  CHECK(count(svg, ">0.25</text>") == 2);
  CHECK(count(svg, ">文</text>") == 2);
  HeatMap open = map();
  open.visible.clear(), open.row_sums = false;
  CHECK(!contains(as_svg(open), "url(#hidden)\""));
  CHECK(!contains(as_svg(open), ">sum</text>"));
  CHECK(!contains(as_text(open), "not visible"));
}

TEST_CASE("heat map: each row has its own sum") {
  HeatMap uneven{"", {"q", "r"}, {"k", "l"}, {0.5, 0.25, 0.5, 0.125}};
  CHECK(contains(as_text(uneven), "0.750\n"));
  CHECK(contains(as_text(uneven), "0.625\n"));
  CHECK(contains(as_svg(uneven), ">0.750</text>"));
  CHECK(contains(as_svg(uneven), ">0.625</text>"));
}

TEST_CASE("heat map: rows and columns are not swapped") {
  HeatMap wide{"", {"q"}, {"k1", "k2", "k3"}, {0.9, 0, 0.1}};
  std::string svg = as_svg(wide);
  CHECK(lines_of(as_text(wide))[2] == "    q ██      1.000");
  size_t first = svg.find(">0.90<"), second = svg.find(">0.00<"), third = svg.find(">0.10<");
  CHECK(first < second);
  CHECK(second < third);

  // Two queries below one another, three keys side by side.
  svg = as_svg(HeatMap{"", {"q1", "q2"}, {"k1", "k2", "k3"}, {.11, .12, .13, .21, .22, .23}});
  const char* cells[] = {">0.11<", ">0.12<", ">0.13<", ">0.21<", ">0.22<", ">0.23<"};
  for (int i = 0; i < 6; ++i) {
    CHECK((x_of(svg, cells[i]) < x_of(svg, cells[(i + 1) % 6])) == (i % 3 < 2));
    CHECK(y_of(svg, cells[i]) == y_of(svg, cells[i / 3 * 3]));
    CHECK(x_of(svg, cells[i]) == x_of(svg, cells[i % 3]));
  }
  CHECK(y_of(svg, cells[0]) < y_of(svg, cells[3]));
}

TEST_CASE("heat map: a mark frames its cell and puts a word in it") {
  HeatMap wide{"", {"q1", "q2"}, {"k1", "k2", "k3"}, {.11, .12, .13, .21, .22, .93}};
  std::string plain = as_svg(wide);
  wide.marks = {{2, "?"}, {5, "T"}};
  std::string svg = as_svg(wide);
  CHECK(balanced(svg));
  CHECK(count(svg, "<path") == count(plain, "<path") + 2);
  CHECK(x_of(svg, ">?<") == x_of(svg, ">0.13<"));
  CHECK(x_of(svg, ">T<") == x_of(svg, ">0.93<"));
  CHECK(y_of(svg, ">?<") < y_of(svg, ">0.13<"));
  CHECK(y_of(svg, ">T<") > y_of(svg, ">0.13<"));
  CHECK(y_of(svg, ">T<") < y_of(svg, ">0.93<"));
  CHECK(contains(as_text(wide), "q1     ?   0.360\n"));
  CHECK(contains(as_text(wide), "q2 ░░░░T█  1.360\n"));
  wide.marks = {{4, "ab"}};
  CHECK(contains(as_text(wide), "q2 ░░ab██  1.360\n"));
  for (Mark bad : {Mark{6, "?"}, Mark{0, ""}, Mark{0, "abc"}}) {
    wide.marks = {bad};
    CHECK_THROWS_AS(as_svg(wide), Error);
  }
}
TEST_CASE("heat map: several on one scale, long tokens, and NaN") {
  std::vector<HeatMap> heads(5, map());
  heads[3].greatest = 2;
  std::string svg = as_svg(heads, "Five heads", 3);
  CHECK(balanced(svg));
  CHECK(contains(svg, ">Five heads</text>"));
  CHECK(count(svg, ">Causal</text>") == 5);
  CHECK(contains(svg, ">2</text>"));  // the scale of all
  HeatMap odd{"odd", {"query"}, {"a long token", "b"}, {nan, 1}};
  CHECK(balanced(as_svg(odd)));
  CHECK(contains(as_svg(odd), "rotate(-90)"));
  CHECK(contains(as_text(odd), "query ??██  nan\n"));
}

TEST_CASE("heat map: data that does not fit is refused") {
  HeatMap bad = map();
  bad.values.pop_back();
  CHECK_THROWS_WITH_AS(as_text(bad),
                       "[heat map] 'Causal': 3 queries x 3 keys need 9 values, not 8", Error);
  bad = map();
  bad.visible.pop_back();
  CHECK_THROWS_AS(as_svg(bad), Error);
  bad = map();
  bad.greatest = 0;
  CHECK_THROWS_AS(as_svg(bad), Error);
  CHECK_THROWS_AS(as_svg(std::vector<HeatMap>{}, "none", 2), Error);
  CHECK_THROWS_AS(as_svg(HeatMap{}), Error);
}
