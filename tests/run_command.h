// For tests that start other programs, or code that prints: a command of the shell, what a
// piece of code says, and a directory that goes away. The paths are those of `make test`, which
// starts the tests in the repository's root.
#pragma once
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include "lessons/support/files.h"

namespace heed_tests {

// What `make test` says in the environment.
inline std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "heed-tests-XXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string operator/(const std::string& name) const { return path + "/" + name; }

  std::string path;
};

struct Run {
  int status;  // as a shell gives it: 128 + n after signal n
  std::string out, err;
};

inline Run run(const std::string& command) {
  TemporaryDirectory directory;
  std::string out = directory / "out", err = directory / "err";
  int status = std::system(("( " + command + " ) >" + out + " 2>" + err).c_str());
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, heed::read_file(out), heed::read_file(err)};
}

// A stream of this process goes into a file for a while.
class Redirected {
 public:
  Redirected(int stream, const std::string& path) : stream_(stream), saved_(dup(stream)) {
    std::fflush(nullptr);
    int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(file, stream), close(file);
  }
  ~Redirected() {
    std::fflush(nullptr);
    dup2(saved_, stream_), close(saved_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int stream_, saved_;
};

// What a piece of code writes to standard output and standard error.
template <class Code> Run captured(Code code) {
  TemporaryDirectory directory;
  Run run{0, directory / "out", directory / "err"};
  {
    Redirected out(1, run.out), err(2, run.err);
    run.status = code();
  }
  return {run.status, heed::read_file(run.out), heed::read_file(run.err)};
}

}  // namespace heed_tests
