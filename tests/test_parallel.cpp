// parallel_for: every element once, whatever the threads; exceptions; nested loops; user
// threads.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "autograd/check.h"
#include "autograd/parallel.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>

using namespace heed;

namespace {

// Sets the number of threads for one test.
struct Threads {
  int before = get_num_threads();
  explicit Threads(int count) { set_num_threads(count); }
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("parallel: every element once, in ranges that are not below the grain") {
  for (int threads : {1, 2, 3, 8}) {
    Threads set(threads);
    for (int64_t n : {0, 1, 2, 7, 8, 100, 1001})
      for (int64_t grain : {1, 3, 50, 2000}) {
        std::vector<int> visits(n);
        std::atomic<int> ranges{0};
        std::atomic<bool> small{false};
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          ++ranges;
          if (end - begin < std::min(grain, n)) small = true;
          for (int64_t i = begin; i < end; ++i) ++visits[i];
        });
        CHECK(visits == std::vector<int>(n, 1));
        CHECK_FALSE(small);
        CHECK(ranges <= threads);
        CHECK(ranges == std::min<int64_t>(threads, n < grain ? n > 0 : n / grain));
      }
  }
}

TEST_CASE("parallel: a loop below the grain runs in the caller") {
  Threads set(4);
  const auto caller = std::this_thread::get_id();
  std::thread::id runner;
  parallel_for(199, 100, [&](int64_t, int64_t) { runner = std::this_thread::get_id(); });
  CHECK(runner == caller);
}

TEST_CASE("parallel: several threads do take part") {
  Threads set(3);
  // Each body waits for the others: with fewer than three threads at work none would return.
  std::atomic<int> here{0};
  parallel_for(3, 1, [&](int64_t, int64_t) {
    ++here;
    while (here < 3) std::this_thread::yield();
  });
  CHECK(here == 3);
}

TEST_CASE(
    "parallel: the exception of the lowest range reaches the caller, after all are done") {
  Threads set(4);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> done{0};
    std::string caught;
    try {
      parallel_for(400, 1, [&](int64_t begin, int64_t) {
        ++done;
        if (begin > 0) throw std::runtime_error(std::to_string(begin));
      });
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
    CHECK(caught == "100");
    CHECK(done == 4);
  }
  int after = 0;
  parallel_for(1, 1, [&](int64_t, int64_t) { ++after; });
  CHECK(after == 1);
}

TEST_CASE("parallel: a loop inside a body runs in the body's thread") {
  Threads set(4);
  std::vector<int> visits(16 * 100);
  std::atomic<bool> elsewhere{false};
  parallel_for(16, 1, [&](int64_t begin, int64_t end) {
    const auto outer = std::this_thread::get_id();
    for (int64_t i = begin; i < end; ++i)
      parallel_for(100, 1, [&](int64_t from, int64_t to) {
        if (std::this_thread::get_id() != outer) elsewhere = true;
        for (int64_t j = from; j < to; ++j) ++visits[i * 100 + j];
      });
  });
  CHECK_FALSE(elsewhere);
  CHECK(visits == std::vector<int>(16 * 100, 1));
}

TEST_CASE("parallel: several user threads at once") {
  Threads set(3);
  std::vector<std::vector<int>> visits(4, std::vector<int>(1000));
  std::vector<std::thread> users;
  for (auto& mine : visits)
    users.emplace_back([&mine] {
      for (int round = 0; round < 200; ++round)
        parallel_for(1000, 10, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++mine[i];
        });
    });
  for (auto& user : users) user.join();
  for (auto& mine : visits) CHECK(mine == std::vector<int>(1000, 200));
}

TEST_CASE("parallel: the number of threads may change between loops") {
  for (int round = 0; round < 30; ++round) {
    Threads set(round % 5 + 1);
    std::atomic<int64_t> sum{0};
    parallel_for(100, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) sum += i;
    });
    CHECK(sum == 4950);
  }
}

TEST_CASE("parallel: bodies that cannot be copied") {
  Threads set(2);
  auto number = std::make_unique<std::atomic<int>>(0);
  parallel_for(10, 1, [&, owned = std::make_unique<int>(3)](int64_t begin, int64_t end) {
    *number += int(end - begin) * *owned;
  });
  CHECK(*number == 30);
}

TEST_CASE("parallel: at least one thread") {
  const int before = get_num_threads();
  CHECK(before >= 1);
  for (int count : {0, -3}) {
    std::string said;
    try {
      set_num_threads(count);
    } catch (const Error& e) {
      said = e.what();
    }
    CHECK(said.find("[set_num_threads] " + std::to_string(count)) == 0);
    CHECK(said.find("at least 1") != std::string::npos);
  }
  CHECK(get_num_threads() == before);
}

#if defined(__linux__) && !defined(HEED_NO_POOL)
// Run by the next test in a process that may have some hundred megabytes: no 64 threads fit.
TEST_CASE("parallel: the caller does what threads that cannot be had would do" *
          doctest::skip()) {
  Threads many(64);
  std::vector<int> seen(640);
  parallel_for(640, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++seen[size_t(i)];
  });
  CHECK(seen == std::vector<int>(640, 1));
}

TEST_CASE("parallel: threads that cannot be had are no error") {
  heed_tests::Run child = heed_tests::run(
      "unset HEED_TEST_COUNTS; ulimit -v 300000; "
      "/proc/$PPID/exe --no-skip --test-case='parallel: the caller does*'");
  CHECK(child.status == 0);
  CHECK(child.out.find("1 passed") != std::string::npos);
}
#endif
