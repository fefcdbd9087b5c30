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
  std::string directory = fs::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  HEED_CHECK(fs::is_directory(directory, error), "cannot write ", path,
             ": there is no directory ", directory);
  HEED_CHECK(access(directory.c_str(), W_OK) == 0, "cannot write ", path, ": ",
             std::strerror(errno));
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
  std::string probe = path + "/." + std::to_string(getpid()) + ".writable";
  std::FILE* file = std::fopen(probe.c_str(), "wbx");  // x: no file that is there already
  HEED_CHECK(file, "cannot write in the directory ", path, ": ", std::strerror(errno));
  std::fclose(file);
  std::remove(probe.c_str());
}

}  // namespace heed
