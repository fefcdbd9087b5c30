// For tests that start other programs: a command of the shell, and a directory that goes away.
// The paths are those of `make test`, which starts the tests in the repository's root.
#pragma once
#include <sys/wait.h>
#include <unistd.h>
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

}  // namespace heed_tests
