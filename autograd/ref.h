// A counted reference to an object that counts for itself: `std::atomic<int> refs`, which
// starts at 1, and `static void destroy(T*)`. One word, one allocation, and handles may cross
// threads.
#pragma once
#include <atomic>
#include <utility>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace heed {

// Has this program one thread only? Where nobody can tell, no.
inline bool one_thread() {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded;
#else
  return false;
#endif
}

// Adds to a count and returns what it was. One thread needs no atomic addition, which takes a
// tenth of the time of a small recorded operation.
inline int add_to_count(std::atomic<int>& count, int change, std::memory_order order) {
  if (!one_thread()) return count.fetch_add(change, order);
  int before = count.load(std::memory_order_relaxed);
  count.store(before + change, std::memory_order_relaxed);
  return before;
}

template <class T> class Ref {
 public:
  Ref() = default;
  // Takes over a new object's first count.
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  // One more reference to an object that others hold.
  static Ref share(T* object) {
    if (object) add_to_count(object->refs, 1, std::memory_order_relaxed);
    return adopt(object);
  }
  Ref(const Ref& other) : Ref(share(other.object_)) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    // The only holder needs no atomic subtraction: nobody is left who could copy it meanwhile.
    if (object_ &&
        (unique() || add_to_count(object_->refs, -1, std::memory_order_acq_rel) == 1))
      T::destroy(object_);
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_; }
  // Nobody else holds the object.
  bool unique() const { return object_->refs.load(std::memory_order_acquire) == 1; }

 private:
  T* object_ = nullptr;
};

}  // namespace heed
