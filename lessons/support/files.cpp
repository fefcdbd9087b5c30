#include "lessons/support/files.h"
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include "autograd/check.h"

namespace heed {
namespace fs = std::filesystem;

// Can a file of such a name be made? It is gone again; if not, errno says why. The end is at
// least as long as those of files that are being written.
static bool probe(const std::string& path) {
  std::string name = path + "." + std::to_string(getpid()) + ".can-be-written";
  std::FILE* file = std::fopen(name.c_str(), "wbx");  // x: no file that is there already
  if (!file) return false;
  std::fclose(file);
  std::remove(name.c_str());
  return true;
}

void write_file(const std::string& path, const std::string& text) {
  std::string unfinished = path + "." + std::to_string(getpid()) + ".unfinished";
  std::FILE* file = std::fopen(unfinished.c_str(), "wb");
  HEED_CHECK(file, "cannot write ", path, ": ", std::strerror(errno));
  bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  written = std::fclose(file) == 0 && written;  // a full disk may show only here
  std::error_code error(errno, std::generic_category());
  if (written) fs::rename(unfinished, path, error);
  if (!written || error) {
    std::remove(unfinished.c_str());
    fail("cannot write ", path, ": ", error.message());
  }
}

void check_can_be_written(const std::string& path) {
  std::error_code error;
  HEED_CHECK(!fs::is_directory(path, error), "cannot write ", path, ": it is a directory");
  HEED_CHECK(!fs::exists(path, error) || fs::is_regular_file(path, error), "cannot write ",
             path, ": it is not a regular file");
  std::string directory = fs::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  HEED_CHECK(fs::is_directory(directory, error), "cannot write ", path,
             ": there is no directory ", directory);
  HEED_CHECK(probe(path), "cannot write ", path, ": ", std::strerror(errno));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  HEED_CHECK(file, "cannot read ", path, ": ", std::strerror(errno));
  HEED_CHECK(!fs::is_directory(path), "cannot read ", path, ": it is a directory");
  return {std::istreambuf_iterator<char>(file), {}};
}

void make_writable_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  HEED_CHECK(!error && fs::is_directory(path, error), "cannot make the directory ", path, ": ",
             error ? error.message() : "a file of that name is there");
  HEED_CHECK(probe(path + "/"), "cannot write in the directory ", path, ": ",
             std::strerror(errno));
}

}  // namespace heed
