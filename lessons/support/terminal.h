// The one place that knows the terminal: what a lesson prints, and the bar that shows how far
// long work has come. The bar goes to standard error, and only when that is a terminal, so what
// a lesson prints is the same in a file and on a screen.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace heed {

// printf and a newline. A progress bar on the screen makes way.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);
void say();                              // an empty line
void say_text(const std::string& text);  // as it is: lines that end in newlines
// To standard error and a newline: what is no result, such as a warning.
void say_aside(const std::string& text);

// Progress bar("training", epochs);
// for (...) { ...; bar.step(); }          // the bar leaves the screen with its variable
class Progress {
 public:
  Progress(std::string label, int64_t steps);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // One more step done; `note` (a loss, say) is shown behind the bar. Cheap enough for steps of
  // some microseconds: the screen is written at most ten times a second.
  void step(const std::string& note = {});

 private:
  void draw(const std::string& note);

  std::string label;
  int64_t steps, done = 0;
  bool visible;
  std::chrono::steady_clock::time_point start, drawn;
};

}  // namespace heed
