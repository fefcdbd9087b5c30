#include "autograd/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "autograd/check.h"

namespace heed {
namespace {

int processors() {
  static const int count = std::max(1, int(std::thread::hardware_concurrency()));
  return count;
}

std::atomic<int> num_threads{0};  // 0: not set, use the number of processors

// True while this thread runs a body: loops inside it run inline.
thread_local bool inside_body = false;

// True when the program is ending and the threads are gone.
std::atomic<bool> closed{false};

// One loop: range r of `ranges` is [n r / ranges, n (r + 1) / ranges). Whoever has time takes
// the next one, so that the caller waits for no thread that is slow to wake up.
struct Loop {
  int64_t n;
  int ranges;
  detail::RangeBody call;
  void* body;

  std::atomic<int> next{0};    // the first range that nobody has taken
  std::mutex catching{};       // of the two below
  int thrown_by = ranges;      // the lowest range that threw
  std::exception_ptr thrown{};

  void run() noexcept {
    inside_body = true;
    for (int r; (r = next++) < ranges;) run(r);
    inside_body = false;
  }

 private:
  void run(int r) noexcept {
    try {
      call(body, n * r / ranges, n * (r + 1) / ranges);
    } catch (...) {
      std::lock_guard lock(catching);
      if (r < thrown_by) {
        thrown_by = r;
        thrown = std::current_exception();
      }
    }
  }
};

// Leaves the processor to its other half, if it has one, for some nanoseconds.
inline void breathe() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits a moment for what is about to happen: a thread that sleeps takes tens of microseconds
// to wake up, longer than many a loop takes. gently: gives way to other programs.
template <class Condition> void wait_a_moment(Condition happened, bool gently) {
  using namespace std::chrono;
  for (auto until = steady_clock::now() + microseconds(100);
       !happened() && steady_clock::now() < until;)
    if (gently) std::this_thread::yield();
    else breathe();
}

// Workers wait for loops, first awake and then asleep.
class Pool {
 public:
  ~Pool() {
    {
      std::lock_guard lock(mutex);
      closing = true;
    }
    closed = true;
    wake.notify_all();
    for (std::thread& t : threads) t.join();
  }

  void run(Loop& work) {
    {
      std::lock_guard lock(mutex);
      start_threads(work.ranges - 1);
      loop = &work;
      ++started;
    }
    wake.notify_all();
    work.run();
    wait_a_moment([&] { return inside == 0; }, false);
    std::unique_lock lock(mutex);
    loop = nullptr;
    done.wait(lock, [&] { return inside == 0; });
  }

  std::mutex taken;  // held by the one user thread whose loop is running

 private:
  // As many as the system gives; the caller does the work of those that are missing.
  void start_threads(int count) {
    try {
      while (int(threads.size()) < count)
        threads.emplace_back(&Pool::serve, this, started.load());
    } catch (const std::system_error&) {
    }
  }

  void serve(uint64_t seen) {
    while (true) {
      wait_a_moment([&] { return closing || started != seen; }, true);
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return closing || started != seen; });
      if (closing) return;
      seen = started;
      if (!loop) continue;
      Loop& work = *loop;
      ++inside;
      lock.unlock();
      work.run();
      lock.lock();
      if (--inside == 0) done.notify_one();
    }
  }

  std::mutex mutex;  // of everything below; the atomic ones may be read without it
  std::condition_variable wake, done;
  std::vector<std::thread> threads;
  Loop* loop = nullptr;
  std::atomic<uint64_t> started = 0;  // loops so far: who has seen fewer has something to do
  std::atomic<int> inside = 0;        // workers in the loop: it stays until they have left it
  std::atomic<bool> closing = false;
};

}  // namespace

void set_num_threads(int count) {
  HEED_CHECK(count >= 1, "[set_num_threads] ", count,
        " threads: at least 1 is needed.\n1 runs all in the calling thread; this machine has ",
        processors(), " processors");
  num_threads = count;
}

int get_num_threads() {
  const int count = num_threads;
  return count > 0 ? count : processors();
}

void detail::run_parallel(int64_t n, int64_t grain, RangeBody call, void* body) {
  const int64_t ranges = std::min<int64_t>(get_num_threads(), n / std::max<int64_t>(grain, 1));
  if (ranges <= 1 || inside_body || closed) return call(body, 0, n);
  static Pool pool;
  std::unique_lock taken(pool.taken, std::try_to_lock);
  if (!taken) return call(body, 0, n);
  Loop loop{n, int(ranges), call, body};
  pool.run(loop);
  if (loop.thrown) std::rethrow_exception(loop.thrown);
}

}  // namespace heed
