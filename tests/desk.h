// For tests of a lesson with a corpus of the reader's own: a corpus, a place to run the lesson
// in, and what its table says.
#pragma once
#include "autograd/safetensors.h"
#include <doctest/doctest.h>
#include <csignal>
#include <map>
#include "autograd/random.h"
#include "tests/output.h"
#include "tests/run_command.h"

namespace heed_tests {

namespace fs = std::filesystem;

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// n lines: some words, a tab, the same words in other letters and the other way round, a third
// column. The first word says which of two ways it is.
inline std::string corpus(int n, uint64_t seed) {
  const char* words[][2] = {{"Größe", "size"}, {"où", "where"}, {"naïve", "ΣΑΣ"},
                            {"мир", "ПРИВЕТ"}, {"我", "爱"},    {"don't", "été"},
                            {"Straße", "Ёж"},  {"猫", "cat"},   {"läuft", "runs"}};
  heed::Generator random(seed);
  std::string text;
  for (int i = 0; i < n; ++i) {
    std::string source, target;
    for (int left = int(random.randint(2, 9)); left > 0; --left) {
      const auto& [from, to] = words[random.randint(0, 9)];
      source += std::string(from) + " ";
      target = std::string(to) + " " + target;
    }
    text += source + ".\t" + target + "!\tCC-BY #" + std::to_string(i) + "\n";
  }
  return text;
}

inline std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// A directory with a corpus of 200 pairs in it, in which a lesson is run.
struct LessonDesk {
  std::string program, small;  // with its path; the options of a tiny model
  TemporaryDirectory directory;

  LessonDesk(const std::string& lesson, const std::string& small)
      : program(fs::absolute(setting("HEED_BUILD", "build") + "/" + lesson)), small(small) {
    write("a.tsv", corpus(200, 1));
  }

  void write(const std::string& name, const std::string& text) const {
    heed::write_file(directory / name, text);
  }
  std::string read(const std::string& name) const { return heed::read_file(directory / name); }
  bool exists(const std::string& name) const { return fs::exists(directory / name); }

  Run operator()(const std::string& arguments) const {
    return run("cd " + directory.path + " && ulimit -t 60 && " + program + " --out out " +
               arguments);
  }
  // A tiny model on a corpus.
  Run train(const std::string& arguments) const { return (*this)(small + arguments); }

  // All but the figures.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::directory_iterator(directory.path))
      if (std::string name = entry.path().filename(); name != "out")
        found[name] = entry.is_regular_file() ? read(name) : "";
    return found;
  }

  // The run ends with an error that holds `message`, with nothing printed before, and no file
  // is new, gone or changed.
  void refuses(const std::string& arguments, const std::string& message) const {
    auto before = files();
    Run result = (*this)(arguments);
    CAPTURE(arguments.substr(0, 300));
    CHECK_MESSAGE(result.status == 1, "status ", result.status);
    CHECK_MESSAGE(result.out == "", result.out);
    CHECK(result.err.starts_with("error: "));
    CHECK_MESSAGE(has(result.err, message), "no \"", message, "\" in ", result.err);
    CHECK(files() == before);
  }
};

// The rows of the table of epochs, as numbers.
inline std::vector<std::vector<double>> epochs_of(const Run& result) {
  std::vector<std::vector<double>> rows;
  bool in_table = false;
  for (const std::string& line : lines_of(result.out)) {
    if (line.empty()) in_table = false;
    if (in_table) {
      rows.emplace_back();
      for (const std::string& token : tokens_of(line))
        if (is_number(token)) rows.back().push_back(std::stod(token));
    }
    if (has(line, "epoch  training")) in_table = true;
  }
  return rows;
}

inline std::string line_with(const Run& result, const std::string& part) {
  for (const std::string& line : lines_of(result.out))
    if (has(line, part)) return line;
  return "";
}

// Starts the lesson and presses Ctrl-C when the row of epoch 3 has come: the second is saved by
// then. The status is a shell's.
inline int interrupted(const LessonDesk& desk, const std::string& arguments) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    std::string command =
        "cd " + desk.directory.path + " && exec " + desk.program + " --out out " + arguments;
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string out;
  for (char c; read(ends[0], &c, 1) == 1;) {
    out += c;
    if (!has(out, "\n        3 ")) continue;
    kill(child, SIGINT);
    break;
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(ends[0]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A file of weights, changed.
template <class Change>
void garble(const LessonDesk& desk, const std::string& name, Change change) {
  heed::SafeTensors file = heed::load_safetensors(desk.directory / "m.st");
  change(file);
  heed::save_safetensors(desk.directory / name, file);
}

}  // namespace heed_tests
