// A lesson's command line. Each option is tied to a variable, whose value is its default:
//
//   struct Settings : CommonSettings { int epochs = 200; double lr = 0.001; } settings;
//   Options options("lesson-01", "A network guesses the hidden letter.", settings);
//   options.add("--epochs", settings.epochs, {1, 10000}, "times through the samples");
//   options.add("--lr", settings.lr, {0, 10}, "learning rate");
//   return run_lesson(argc, argv, options, [&] { return lesson(settings); });
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace heed {

// What every lesson has: --seed, --threads, --out.
struct CommonSettings {
  uint64_t seed = 0;
  int threads = 0;  // 0: as many as the library starts with
  std::string out;  // a directory; empty: build/figures/<program>
};

class Options {
 public:
  template <class Number> struct Range {
    Number least, most;  // both are accepted
  };

  Options(std::string program, std::string summary, CommonSettings& common);

  // --name N, --name X, --name TEXT, and --name alone. Names begin with two dashes.
  void add(const std::string& name, int& value, Range<int> range, const std::string& help);
  void add(const std::string& name, uint64_t& value, Range<uint64_t> range,
           const std::string& help);
  void add(const std::string& name, double& value, Range<double> range,
           const std::string& help);
  void add(const std::string& name, std::string& value, const std::string& placeholder,
           const std::string& help);
  void add(const std::string& name, bool& value, const std::string& help);
  // One of several words.
  void add(const std::string& name, std::string& value, const std::vector<std::string>& choices,
           const std::string& help);

  // Runs for which it says no need no directory for figures, and none is made.
  std::function<bool()> draws = [] { return true; };

  bool given(const std::string& name) const;  // was it on the command line?
  std::vector<std::string> all_given() const;
  // Nothing was given that changes the lesson's numbers: at most --threads and --out.
  bool all_default() const;

 private:
  friend int run_lesson(int, char**, Options&, const std::function<int()>&);

  struct Option {
    std::string name, placeholder, help, kind, range, initial;
    std::function<bool(const std::string&)> set;  // false: not accepted
    bool is_given = false;

    std::string accepted() const { return kind + range; }
  };

  bool parse(int argc, char** argv);  // false: --help was asked for and has been printed
  void prepare_out();
  size_t find(const std::string& name) const;  // refuses a name that is not there
  std::string help() const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::string program, summary;
  CommonSettings& common;
  std::vector<Option> options;
};

// A lesson as an ordinary program: reads the command line, sets the number of threads, runs the
// lesson and returns its exit status. A mistake on the command line gives one line on standard
// error and status 2, before any work and without a trace on disk; a heed::Error in the lesson
// gives "error: ..." and status 1.
int run_lesson(int argc, char** argv, Options& options, const std::function<int()>& lesson);

}  // namespace heed
