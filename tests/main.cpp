// The main program of the tests. When HEED_TEST_COUNTS names a file, the numbers of passed and
// failed test cases go there, for the line that `make test` ends with.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <cstdlib>
#include <fstream>

namespace {

struct Counts : doctest::IReporter {
  explicit Counts(const doctest::ContextOptions&) {}

  void test_run_end(const doctest::TestRunStats& stats) override {
    const char* path = std::getenv("HEED_TEST_COUNTS");
    if (!path) return;
    unsigned failed = stats.numTestCasesFailed;
    std::ofstream(path) << stats.numTestCasesPassingFilters - failed << ' ' << failed << '\n';
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("counts", 1, Counts);

}  // namespace
