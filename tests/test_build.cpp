// The library as others meet it: a program of a reader's own, from the tree and installed; and
// the promise of the same bits, as far as the names that the objects ask for can tell.
#include <doctest/doctest.h>
#include <set>
#include <sstream>
#include "tests/output.h"
#include "tests/run_command.h"

using namespace heed_tests;
namespace fs = std::filesystem;

namespace {

const std::string build = setting("HEED_BUILD", "build");
const std::string compile = setting("HEED_COMPILE", "c++ -std=c++20");

// A make of its own, not a part of the one that runs the tests.
Run make(const std::string& arguments, const std::string& before = "") {
  return run(before + "unset MAKEFLAGS MFLAGS MAKELEVEL; " +
             setting("HEED_MAKE", "make -s --no-print-directory") + " " + arguments);
}

// A word of the shell.
std::string quoted(const std::string& text) {
  std::string word = "'";
  for (char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

bool installed(const std::string& program) {
  bool found = run("command -v " + program).status == 0;
  if (!found) MESSAGE(program, " is not installed: not checked");
  return found;
}

// Compiles the example of the main README and runs it.
Run own_program(const std::string& flags) {
  TemporaryDirectory directory;
  std::string program = directory / "own_program";
  Run compiled = run(compile + " tests/own_program.cpp " + flags + " -o " + program);
  CHECK_MESSAGE(compiled.status == 0, compiled.err);
  return compiled.status == 0 ? run(program) : compiled;
}

// It has learned when each printed row is near its target.
bool has_learned(const std::string& out) {
  const double targets[] = {0, 1, 1, 0};
  size_t at = out.find("tensor(");
  for (double target : targets) {
    at = out.find_first_of("0123456789-", at);
    if (at == out.npos) return false;
    std::string number = number_at(out, at);
    double error = std::atof(number.c_str()) - target;
    if (error > 0.1 || error < -0.1) return false;
    at += number.size();
  }
  return true;
}

// Everything of <math.h> but sqrt and fma, which are the same everywhere.
std::set<std::string> banned_names() {
  std::istringstream names(
      "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp10 "
      "exp2 "
      "expm1 fabs fdim floor fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log "
      "log10 log1p log2 logb lrint lround modf nearbyint nextafter nexttoward pow pow10 "
      "remainder "
      "remquo rint round scalbln scalbn sin sincos sinh tan tanh tgamma trunc");
  std::set<std::string> banned;
  for (std::string name; names >> name;)
    for (const char* suffix : {"", "f", "l"}) banned.insert(name + suffix);
  return banned;
}

// nm's "   U expf@GLIBC_2.27", or "_expf" on a Mac: expf
std::string plain_name(const std::string& line) {
  std::string name = line.substr(line.find_last_of(' ') + 1);
  name = name.substr(0, name.find('@'));
  return name.substr(0, 1) == "_" ? name.substr(1) : name;
}

void check_names(const std::string& file) {
  static const std::set<std::string> banned = banned_names();
  REQUIRE_MESSAGE(fs::exists(file), file, " is missing; run: make");
  Run names = run("nm -u " + file);
  REQUIRE_MESSAGE(names.status == 0, names.err);
  for (const std::string& line : lines_of(names.out))
    CHECK_MESSAGE(!banned.count(plain_name(line)), file, " calls ", plain_name(line),
                  " of the C library, whose bits differ from machine to machine");
}

void write_script(const std::string& path, const std::string& text) {
  heed::write_file(path, "#!/bin/sh\n" + text);
  fs::permissions(path, fs::perms::owner_all);
}

// A tree of this Makefile and empty sources, a compiler that soon has done, and a slow rm.
struct EmptyTree {
  TemporaryDirectory directory;

  EmptyTree() {
    for (const char* folder :
         {"autograd", "lessons/00_none", "lessons/01_none", "lessons/support", "bin"})
      fs::create_directories(directory / folder);
    fs::copy("Makefile", directory.path);
    for (const char* source :
         {"autograd/none.cpp", "lessons/00_none/main.cpp", "lessons/01_none/main.cpp",
          "lessons/support/none.cpp"})
      heed::write_file(directory / source, "");
    write_script(directory / "bin/c++",
                 "for word; do [ \"$last\" = -o ] && out=$word; last=$word; done\n"
                 "[ -z \"$out\" ] && exit\n"
                 "printf '#!/bin/sh\\necho begin\\nsleep 0.1\\necho end\\n' >\"$out\"\n"
                 "chmod +x \"$out\"\n");
    write_script(directory / "bin/rm", "sleep 0.3\nexec /bin/rm \"$@\"\n");
  }

  Run make(const std::string& goals) const {
    return ::make("-C " + directory.path + " CXX=c++ " + goals,
                  "PATH=" + (directory / "bin") + ":$PATH; export PATH; ");
  }
  // The lesson's program, when it is there.
  bool has_lesson() const {
    std::string where = make("where").out;
    where = where.substr(0, where.find('\n'));
    return fs::exists(directory / where + "/lesson-00");
  }
};

}  // namespace

TEST_CASE("build: of the C library's mathematics, library and lessons call sqrt and fma only") {
  CHECK(banned_names().count(plain_name("                 U expf@GLIBC_2.27")));
  CHECK(banned_names().count(plain_name("                 U _pow")));
  CHECK(!banned_names().count(plain_name("                 U sqrtf")));
  if (!installed("nm")) return;
  if (setting("HEED_SANITIZE", "") != "") return;  // the sanitizers' own code calls much
  check_names(build + "/libheed.a");
  for (const auto& entry : fs::directory_iterator(build))
    if (entry.path().filename().string().rfind("lesson-", 0) == 0) check_names(entry.path());
}

TEST_CASE("build: the README's own program, from the tree") {
  std::string library = " -ffp-contract=off -I. -Ilayers " + build + "/libheed.a -pthread";
  for (const char* number_type : {"", "-DHEED_DOUBLE"}) {
    Run result = own_program(number_type + library);
    CHECK_MESSAGE(has_learned(result.out), result.out, result.err);
    CHECK((result.out.find("float64") != result.out.npos) == (*number_type != 0));
  }
}

TEST_CASE("build: objects in float and in double do not link") {
  TemporaryDirectory directory;
  std::string object = directory / "double.o", program = directory / "program";
  heed::write_file(directory / "main.cpp",
                   "#include <heed.h>\nint size_of(const heed::Tensor&);\n"
                   "int main() { return size_of(heed::ones({2})); }\n");
  heed::write_file(directory / "size_of.cpp",
                   "#include <heed.h>\nint size_of(const heed::Tensor& x);\n"
                   "int size_of(const heed::Tensor& x) { return int(x.numel()); }\n");
  auto link = [&](const char* number_type) {
    std::string flags = compile + " -ffp-contract=off -I. -Ilayers ";
    return run(flags + number_type + " -c " + (directory / "size_of.cpp") + " -o " + object +
               " && " + flags + (directory / "main.cpp") + " " + object + " " + build +
               "/libheed.a -pthread -o " + program);
  };
  CHECK_MESSAGE(link("").status == 0, link("").err);
  CHECK(run(program).status == 2);
  Run mixed = link("-DHEED_DOUBLE");
  CHECK(mixed.status != 0);
  CHECK(mixed.err.find("size_of") != mixed.err.npos);  // by the linker, not before
}

TEST_CASE("build: make install, and the README's own program through pkg-config") {
  TemporaryDirectory directory;
  std::string prefix = directory / "prefix", include = prefix + "/include/heed";
  Run install = make("install PREFIX=" + prefix);
  REQUIRE_MESSAGE(install.status == 0, install.out, install.err);
  CHECK(!fs::exists(include + "/autograd/simd.h"));
  CHECK(!fs::exists(include + "/autograd/simd_math.h"));
  Run alone = run("echo '#include <heed.h>' | " + compile + " -fsyntax-only -Wall -Wextra " +
                  "-Werror -x c++ -I" + include + " -");  // nothing else, and no warning
  CHECK_MESSAGE(alone.status == 0, alone.err);
  if (!installed("pkg-config")) return;
  for (const char* package : {"heed", "heed-double"}) {
    Run flags = run("PKG_CONFIG_PATH=" + prefix + "/lib/pkgconfig pkg-config --cflags --libs " +
                    package);
    REQUIRE_MESSAGE(flags.status == 0, flags.err);
    CHECK(flags.out.find("-ffp-contract=off") != flags.out.npos);
    Run result = own_program(flags.out.substr(0, flags.out.find('\n')));
    CHECK_MESSAGE(has_learned(result.out), result.out, result.err);
    CHECK((result.out.find("float64") != result.out.npos) == (std::string(package) != "heed"));
  }
}

TEST_CASE("build: make install keeps DESTDIR out of the files") {
  TemporaryDirectory directory;
  Run install = make("install PREFIX=/opt/heed DESTDIR=" + directory.path);
  REQUIRE_MESSAGE(install.status == 0, install.out, install.err);
  std::string package = heed::read_file(directory / "opt/heed/lib/pkgconfig/heed.pc");
  CHECK(package.find("prefix=/opt/heed\n") != package.npos);
  CHECK(package.find(directory.path) == package.npos);
}

TEST_CASE("build: make install fails when a header cannot be written") {
  TemporaryDirectory directory;
  fs::create_directories(directory / "include/heed/autograd/check.h/check.h");  // in the way
  Run install = make("install PREFIX=" + directory.path);
  CHECK(install.status != 0);
  CHECK(install.err.find("check.h") != install.err.npos);
  CHECK(!fs::exists(directory / "lib/pkgconfig/heed.pc"));
}

TEST_CASE("build: make install refuses paths that pkg-config or the shell would take apart") {
  TemporaryDirectory directory;
  for (const char* name : {"a blank", "blank ", "a'quote", "a\"quote"}) {
    const std::string prefix = directory / name;
    Run install = make("install " + quoted("PREFIX=" + prefix));
    CAPTURE(prefix);
    CHECK(install.status != 0);
    CHECK(install.err.find("PREFIX=" + prefix + ":") != install.err.npos);
    CHECK(install.err.find("install into another directory") != install.err.npos);
  }
  CHECK(fs::is_empty(directory.path));
  Run install = make("install PREFIX=/opt " + quoted("DESTDIR=" + (directory / "it's")));
  CHECK(install.status != 0);
  CHECK(install.err.find("DESTDIR=" + (directory / "it's") + ":") != install.err.npos);
  install = make("install PREFIX=/opt " + quoted("DESTDIR=" + (directory / "a blank")));
  CHECK_MESSAGE(install.status == 0, install.err);
  CHECK(fs::exists(directory / "a blank/opt/lib/pkgconfig/heed.pc"));
}

TEST_CASE("build: make clean with another goal has ended before the other begins") {
  EmptyTree tree;
  for (const char* goals : {"lesson-00", "clean lesson-00"}) {
    Run result = tree.make(goals);
    CAPTURE(std::string(goals));
    CHECK_MESSAGE(result.status == 0, result.out, result.err);
    CHECK(tree.has_lesson());
  }
}

TEST_CASE("build: lessons that are asked for together run one after the other") {
  Run result = EmptyTree().make("lesson-01 lesson-00 | grep -v '^ '");
  CHECK_MESSAGE(result.out == "begin\nend\nbegin\nend\n", result.out, result.err);
}

TEST_CASE("build: make results and make bits refuse what they do not know") {
  const struct {
    const char *command, *message;
  } runs[] = {
      {"lessons/support/record none c++ 9", "record: '9' has no long runs; these have: 00 01 02"},
      {"lessons/support/record none c++ 4", "record: '4' has no long runs"},
      {"lessons/support/record none c++ 00 99", "record: '99' has no long runs"},
      {"lessons/support/record none c++ 04_multi", "04 04_multi30k 05 06 06_multi30k\n"},
      {"lessons/support/record none c++ '*'", "record: '*' has no long runs"},
      {"tests/same_bits nonsense", "same_bits: 'nonsense': only quick"},
      {"tests/same_bits quick quick", "same_bits: 'quick quick': only quick"},
      {"LESSONS='01 9' tests/same_bits quick", "same_bits: LESSONS '9': there are"},
  };
  for (const auto& one : runs) {
    Run result = run(one.command);
    CAPTURE(std::string(one.command));
    CHECK(result.status == 2);
    CHECK(result.out == "");
    CHECK_MESSAGE(result.err.find(one.message) != result.err.npos, result.err);
  }
}
