#include "lessons/support/terminal.h"
#include <unistd.h>
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include "lessons/support/text.h"

namespace heed {
namespace {

bool bar_on_screen = false;

void erase_bar() {
  if (!bar_on_screen) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  bar_on_screen = false;
}

std::string duration(double seconds) {
  int whole = static_cast<int>(std::min(seconds, 1e6) + 0.5);
  if (whole >= 60) return formatted("%d min %02d s", whole / 60, whole % 60);
  return formatted("%d s", whole);
}

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void say(const char* format, ...) {
  erase_bar();
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::putchar('\n');
  std::fflush(stdout);
}

void say() { say_text("\n"); }

void say_aside(const std::string& text) {
  erase_bar();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void say_text(const std::string& text) {
  erase_bar();
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

Progress::Progress(std::string label, int64_t steps)
    : label(std::move(label)), steps(steps), visible(isatty(STDERR_FILENO) && steps > 0) {
  start = drawn = std::chrono::steady_clock::now();
}

Progress::~Progress() {
  if (visible) erase_bar();
}

void Progress::step(const std::string& note) {
  ++done;
  if (!visible) return;
  auto now = std::chrono::steady_clock::now();
  if (seconds_between(drawn, now) < 0.1) return;
  drawn = now;
  draw(note);
}

// training ██████████▌               42 %  3 s left  loss 1.23
void Progress::draw(const std::string& note) {
  static const char* const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  constexpr int width = 26;
  double part = std::min(1.0, double(done) / double(steps));
  int filled = static_cast<int>(part * width * 8);
  std::string bar = repeated("█", filled / 8) + eighths[filled % 8];
  double left = seconds_between(start, drawn) * (1 - part) / part;
  std::fprintf(stderr, "\r\033[K%s %s %3d %%  %s left  %s", label.c_str(),
               pad_right(bar, width).c_str(), static_cast<int>(part * 100),
               duration(left).c_str(), note.c_str());
  std::fflush(stderr);
  bar_on_screen = true;
}

}  // namespace heed
