// Loops over strided tensors of one shape, for library sources. Neighbouring dimensions that
// lie in memory as one are merged first, so the innermost loop is as long as it can be.
#pragma once
#include <array>
#include "autograd/shape.h"

namespace heed {

// Walk<N>(shape, {strides of N tensors}).run(body): calls body(at, n, step) for every innermost
// row; the row's i-th number of tensor t lies at[t] + i * step[t] from the tensor's first. The
// walk itself is compiled once for each N and not for each body: one call more a row.
template <int N> class Walk {
 public:
  using Places = std::array<int64_t, N>;  // one a tensor

  [[gnu::noinline]] Walk(const Shape& shape, const std::array<Strides, N>& strides) {
    for (int d = 0; d < shape.rank(); ++d) {
      if (shape[d] == 1) continue;
      if (rank_ > 0 && merges(shape[d], strides, d)) {
        sizes_[rank_ - 1] *= shape[d];
      } else {
        sizes_[rank_++] = shape[d];
      }
      for (int t = 0; t < N; ++t) steps_[rank_ - 1][t] = strides[t][d];
    }
    if (rank_ == 0) sizes_[rank_++] = 1;  // a single number
  }

  template <class Body> void run(Body body) const {
    run([](void* b, const Places& at, int64_t n,
           const Places& step) { (*static_cast<Body*>(b))(at, n, step); },
        &body);
  }

 private:
  using Row = void (*)(void* body, const Places& at, int64_t n, const Places& step);

  [[gnu::noinline]] void run(Row row, void* body) const {
    for (int d = 0; d < rank_; ++d)
      if (sizes_[d] == 0) return;
    Places at{};
    int64_t index[Shape::MAX_RANK] = {};
    for (;;) {
      row(body, at, sizes_[rank_ - 1], steps_[rank_ - 1]);
      int d = rank_ - 2;  // count up, like the wheels of an odometer
      for (; d >= 0; --d) {
        move(at, d, 1);
        if (++index[d] < sizes_[d]) break;
        move(at, d, -sizes_[d]);
        index[d] = 0;
      }
      if (d < 0) return;
    }
  }

  bool merges(int64_t size, const std::array<Strides, N>& strides, int d) const {
    for (int t = 0; t < N; ++t)
      if (steps_[rank_ - 1][t] != size * strides[t][d]) return false;
    return true;
  }
  void move(Places& at, int d, int64_t times) const {
    for (int t = 0; t < N; ++t) at[t] += times * steps_[d][t];
  }

  int rank_ = 0;  // of both arrays, only so much is written and read
  int64_t sizes_[Shape::MAX_RANK];
  Places steps_[Shape::MAX_RANK];
};

}  // namespace heed
