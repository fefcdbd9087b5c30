// Files and directories. What cannot be written throws heed::Error with the path and the
// reason.
#pragma once
#include <string>

namespace heed {

// Writes a whole file: to a name of this process's own beside `path`, then renamed. Whoever
// looks at `path` sees the old file or the new one, never half of it, even if several programs
// write it at once.
void write_file(const std::string& path, const std::string& text);

// For work that takes long: can `path` be written at its end? Leaves no trace.
void check_can_be_written(const std::string& path);

std::string read_file(const std::string& path);

// Makes a directory and its parents, and makes sure that files can be written in it.
void make_writable_directory(const std::string& path);

}  // namespace heed
