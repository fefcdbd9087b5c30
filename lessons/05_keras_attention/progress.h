// What Keras prints while it works: the line with its bar, and numbers in its format. The times
// in it are for somebody who waits: they are shown on a terminal only, so that a run prints the
// same into every file.
#pragma once
#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>
#include "autograd/check.h"
#include "lessons/support/screen.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace lesson_05 {
using namespace heed;

// Named numbers in their order: loss, metrics, val_loss, ...
struct Logs {
  std::vector<std::pair<std::string, double>> values;

  double operator[](const std::string& name) const {
    std::string known;
    for (auto& [key, value] : values) {
      if (key == name) return value;
      known += (known.empty() ? "" : ", ") + key;
    }
    fail("[logs] no '", name, "' here; there are: ", known);
  }
};

// 0.0917, and 2.6500e-05 for what is not larger than 0.001
inline std::string keras_number(double x) {
  return formatted(std::abs(x) > 1e-3 ? "%.4f" : "%.4e", x);
}
// " - loss: 0.0917 - mae: 0.2589"
inline std::string as_text(const Logs& logs) {
  std::string text;
  for (auto& [name, value] : logs.values) text += " - " + name + ": " + keras_number(value);
  return text;
}

// 2s, 14ms or 340us
inline std::string short_time(double seconds) {
  if (seconds >= 1 || seconds == 0) return formatted("%.0fs", seconds);
  return seconds >= 1e-3 ? formatted("%.0fms", seconds * 1e3)
                         : formatted("%.0fus", seconds * 1e6);
}
// What is left: 0s ... 60s, 1:01 ... 60:00, 1:00:01 ...
inline std::string time_left(double seconds) {
  int s = int(seconds);
  if (seconds > 3600) return formatted("%d:%02d:%02d", s / 3600, s % 3600 / 60, s % 60);
  return seconds > 60 ? formatted("%d:%02d", s / 60, s % 60) : formatted("%ds", s);
}

// How far the work is: `done` of `steps` after so many seconds.
struct Progressed {
  int done, steps;
  double seconds;
  bool finished = false;
};

// " 7/32": as wide for every step
inline std::string count_of(const Progressed& at) {
  std::string steps = std::to_string(at.steps);
  return pad_left(std::to_string(at.done), int(steps.size())) + "/" + steps;
}

// verbose 1. On a terminal with colours and times:
// 32/32 ━━━━━━━━━━━━━━━━━━━━ 0s 1ms/step - loss: 0.0917
inline std::string bar_line(const Progressed& at, const Logs& logs, bool on_terminal) {
  constexpr int width = 20;
  int filled = int(double(at.done) / at.steps * width);
  std::string full = repeated("━", filled), rest = repeated("━", width - filled);
  if (!on_terminal) return count_of(at) + " " + full + rest + as_text(logs);
  double step = at.seconds / at.done;
  std::string time =
      at.finished ? formatted("%.0fs", at.seconds) : time_left(step * (at.steps - at.done));
  auto coloured = [](const char* code, const std::string& text) {
    return "\033[" + std::string(code) + "m" + text + "\033[0m";
  };
  return coloured("1", count_of(at)) + " " + (filled ? coloured("32", full) : "") +
         coloured("37", rest) + " " + coloured("1", time) + " " + short_time(step) + "/step" +
         as_text(logs);
}

// verbose 2: 32/32 - 0s - 1ms/step - loss: 0.0917
inline std::string short_line(const Progressed& at, const Logs& logs, bool on_terminal) {
  std::string times =
      formatted(" - %.0fs - ", at.seconds) + short_time(at.seconds / at.done) + "/step";
  return count_of(at) + (on_terminal ? times : "") + as_text(logs);
}

// One epoch's line, or that of evaluate() and predict(). verbose: 0 nothing, 1 a bar that
// moves, on a terminal, 2 one line at the end.
class ProgressLine {
 public:
  ProgressLine(int verbose, int steps, bool on_terminal = output_is_terminal())
      : verbose_(verbose), on_terminal_(on_terminal), at_{0, steps, 0}, start_(Clock::now()) {}

  template <class MakeLogs> void step(MakeLogs logs) {
    ++at_.done;
    if (verbose_ != 1 || !on_terminal_) return;
    at_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    if (at_.seconds - drawn_ < 0.05) return;
    drawn_ = at_.seconds;
    say_text("\r\033[K" + bar_line(at_, logs(), true));
  }
  void finish(const Logs& logs) {
    if (verbose_ == 0) return;
    at_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    at_.finished = true;
    std::string line =
        verbose_ == 1 ? bar_line(at_, logs, on_terminal_) : short_line(at_, logs, on_terminal_);
    say_text((on_terminal_ && verbose_ == 1 ? "\r\033[K" : "") + line + "\n");
  }

 private:
  using Clock = std::chrono::steady_clock;
  int verbose_;
  bool on_terminal_;
  Progressed at_;
  Clock::time_point start_;
  double drawn_ = 0;  // when the line was last on the screen
};

}  // namespace lesson_05
