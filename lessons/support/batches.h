// The batches of a data set of n samples, as spans of indices, in the order of PyTorch's
// DataLoader(num_workers=0):
//
//   Batches batches(n, 32, /*shuffle=*/true);
//   for (int epoch = 0; epoch < epochs; ++epoch)
//     for (std::span<const int> batch : batches) ...
//
// Each loop is one epoch. Its order is drawn when it starts, from the global generator
// (random.h: loader_order); a loop that is left early has drawn just as much. A span stays good
// until the next epoch starts.
#pragma once
#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

#include "autograd/check.h"
#include "autograd/random.h"

namespace heed {

class Batches {
 public:
  // drop_last leaves out the last batch when it is not full.
  Batches(int n, int batch_size, bool shuffle, bool drop_last = false)
      : batch_size(batch_size), shuffle(shuffle) {
    HEED_CHECK(n > 0, "[Batches] n = ", n, " samples: at least one is needed");
    HEED_CHECK(batch_size > 0, "[Batches] batch size ", batch_size, ": must be at least 1");
    order.resize(n);
    used = drop_last ? n - n % batch_size : n;
  }

  // Batches in an epoch, and samples in them.
  int size() const { return used / batch_size + (used % batch_size != 0); }
  int samples() const { return used; }

  class Iterator {
   public:
    explicit Iterator(const Batches& batches) : batches(&batches) {}
    std::span<const int> operator*() const {
      const int left = batches->used - first;
      return std::span(batches->order).subspan(first, std::min(left, batches->batch_size));
    }
    Iterator& operator++() {
      first += std::min(batches->used - first, batches->batch_size);
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return first == batches->used; }

   private:
    const Batches* batches;
    int first = 0;  // where the current batch starts
  };

  // Starts an epoch.
  Iterator begin() {
    loader_order(default_generator(), order, shuffle);
    return Iterator(*this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  int batch_size, used;
  bool shuffle;
  std::vector<int> order;  // kept, so that an epoch allocates nothing
};

}  // namespace heed
