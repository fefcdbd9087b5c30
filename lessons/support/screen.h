// Whether somebody watches: standard output on a terminal, or in a file or a pipe.
#pragma once
#include <unistd.h>

namespace heed {

inline bool output_is_terminal() { return isatty(STDOUT_FILENO); }

}  // namespace heed
