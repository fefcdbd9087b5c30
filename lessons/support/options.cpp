#include "lessons/support/options.h"
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include "autograd/check.h"
#include "autograd/parallel.h"
#include "lessons/support/files.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

namespace heed {
namespace {

// A mistake on the command line.
struct UsageError : Error {
  using Error::Error;
};

template <class Integer> bool read(const std::string& text, Integer& value) {
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

bool read(const std::string& text, double& value) {
  if (text.find_first_not_of("0123456789+-.eE") != std::string::npos) return false;
  char* stop = nullptr;
  value = std::strtod(text.c_str(), &stop);
  return !text.empty() && *stop == '\0';
}

// A setter that changes `value` only when the text is a number within [least, most].
template <class Number> auto setter(Number& value, Number least, Number most) {
  return [&value, least, most](const std::string& text) {
    Number number{};
    if (!read(text, number) || !(number >= least && number <= most)) return false;
    value = number;
    return true;
  };
}

// Letters to insert, delete or change to come from a to b.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

Options::Options(std::string program, std::string summary, CommonSettings& common)
    : program(std::move(program)), summary(std::move(summary)), common(common) {
  if (common.out.empty()) common.out = "build/figures/" + this->program;
  if (common.threads == 0) common.threads = get_num_threads();
  add("--seed", common.seed, {0, 0xFFFFFFFF}, "where the random numbers start");
  add("--threads", common.threads, {1, 256},
      "threads to compute with; no number depends on it");
  add("--out", common.out, "DIR", "directory for figures and curves");
}

void Options::add(const std::string& name, int& value, Range<int> range,
                  const std::string& help) {
  options.push_back({name, "N", help, "a whole number from ",
                     formatted("%d to %d", range.least, range.most), formatted("%d", value),
                     setter(value, range.least, range.most)});
}

void Options::add(const std::string& name, uint64_t& value, Range<uint64_t> range,
                  const std::string& help) {
  using Printed = unsigned long long;
  options.push_back({name, "N", help, "a whole number from ",
                     formatted("%llu to %llu", Printed(range.least), Printed(range.most)),
                     formatted("%llu", Printed(value)),
                     setter(value, range.least, range.most)});
}

void Options::add(const std::string& name, double& value, Range<double> range,
                  const std::string& help) {
  options.push_back({name, "X", help, "a number from ",
                     formatted("%g to %g", range.least, range.most), formatted("%g", value),
                     setter(value, range.least, range.most)});
}

void Options::add(const std::string& name, std::string& value, const std::string& placeholder,
                  const std::string& help) {
  options.push_back({name, placeholder, help, "a text that is not empty", "", value,
                     [&value](const std::string& text) {
                       if (text.empty()) return false;
                       value = text;
                       return true;
                     }});
}

void Options::add(const std::string& name, bool& value, const std::string& help) {
  options.push_back({name, "", help, "", "", value ? "on" : "off",
                     [&value](const std::string&) { return value = true; }});
}

void Options::add(const std::string& name, std::string& value,
                  const std::vector<std::string>& choices, const std::string& help) {
  options.push_back({name, "WORD", help, "one of ", joined(choices), value,
                     [&value, choices](const std::string& text) {
                       if (std::find(choices.begin(), choices.end(), text) == choices.end())
                         return false;
                       value = text;
                       return true;
                     }});
}

size_t Options::find(const std::string& name) const {
  for (size_t i = 0; i < options.size(); ++i)
    if (options[i].name == name) return i;
  const Option* nearest = nullptr;
  size_t least = 3;  // farther than two letters is no misspelling
  for (const Option& option : options)
    if (size_t distance = edit_distance(option.name, name); distance < least)
      least = distance, nearest = &option;
  refuse("unknown option " + name + (nearest ? "; did you mean " + nearest->name + "?" : ""));
}

bool Options::given(const std::string& name) const { return options[find(name)].is_given; }

std::vector<std::string> Options::all_given() const {
  std::vector<std::string> names;
  for (const Option& option : options)
    if (option.is_given) names.push_back(option.name);
  return names;
}

bool Options::all_default() const {
  return std::none_of(options.begin(), options.end(), [](const Option& option) {
    return option.is_given && option.name != "--threads" && option.name != "--out";
  });
}

void Options::refuse(const std::string& what) const {
  throw UsageError(program + ": " + what + " (try --help)");
}

bool Options::parse(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i], value;
    if (name == "--help" || name == "-h") {
      say_text(help());
      return false;
    }
    size_t equals = name.find('=');
    bool has_value = equals != std::string::npos;
    if (has_value) value = name.substr(equals + 1), name.resize(equals);
    if (name.rfind("--", 0) != 0) refuse("unexpected '" + name + "'; options begin with --");
    Option& option = options[find(name)];
    bool wants_value = !option.placeholder.empty();
    if (wants_value && !has_value) {
      // Another option is not a value, but a negative number is.
      if (i + 1 == argc || std::string(argv[i + 1]).rfind("--", 0) == 0)
        refuse(name + " needs a value: " + option.accepted());
      value = argv[++i];
    }
    if (has_value && !wants_value) refuse(name + " takes no value, not '" + value + "'");
    if (!option.set(value))
      refuse(name + " '" + value + "' is not accepted: it takes " + option.accepted());
    option.is_given = true;
  }
  if (draws()) prepare_out();
  return true;
}

void Options::prepare_out() {
  try {
    make_writable_directory(common.out);
  } catch (const Error& error) { refuse("--out " + common.out + ": " + error.what()); }
}

std::string Options::help() const {
  std::string text = "usage: " + program + " [options]\n" + summary + "\n\n";
  auto usage = [](const Option& option) { return option.name + " " + option.placeholder; };
  int width = columns("--help");
  for (const Option& option : options) width = std::max(width, columns(usage(option)));
  for (const Option& option : options) {
    text += "  " + pad_right(usage(option), width) + "  " + option.help;
    if (!option.range.empty()) text += "; " + option.range;
    text += option.initial.empty() ? "\n" : " (default " + option.initial + ")\n";
  }
  return text + "  " + pad_right("--help", width) + "  this text\n";
}

int run_lesson(int argc, char** argv, Options& options, const std::function<int()>& lesson) {
  int status = 1;
  try {
    if (options.parse(argc, argv)) {
      set_num_threads(options.common.threads);
      status = lesson();
    } else {
      status = 0;
    }
  } catch (const UsageError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  // A full disk or a closed pipe must not pass for success.
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    std::fprintf(stderr, "error: cannot write the output\n");
    return 1;
  }
  return status;
}

}  // namespace heed
