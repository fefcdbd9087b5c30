// What fused_attention.cpp computes at a time: a block of scores, some queries' with some keys.
// Included there and by its test.
#pragma once
#include <algorithm>
#include <cmath>
#include "autograd/broadcast.h"
#include "autograd/copy_matrix.h"
#include "autograd/ops.h"
#include "autograd/parts.h"
#include "autograd/reduce16.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace fused {

constexpr int64_t ROWS = 192, COLUMNS = 128;  // of a block at most: queries, keys (measured)
// A block ends before a row that sees more keys than its first row does, rounded up to a multiple
// of RISE: on the diagonal of a causal mask, after RISE rows.
constexpr int64_t RISE = 32;

// x's shape with another last size.
inline Shape with_last(const Tensor& x, int64_t size) {
  return x.shape().without(x.dim() - 1).with(x.dim() - 1, size);
}

// For each row of a mask: n if the first n keys are visible and no other, else -1.
inline Tensor reach(const Tensor& mask) {
  const int64_t size = mask.size(-1);
  const Parts rows(mask, 1);
  Tensor result = empty(with_last(mask, 1));
  Scalar* out = result.mutable_data();
  const auto one = [](auto m) { return m == 0 ? m : simd::all<decltype(m)>(1); };
  for (int64_t r = 0; r < result.numel(); ++r) {
    const int64_t n = int64_t(simd::sum16_of(size, one, rows[r]));
    out[r] = simd::sum16_of(size - n, one, rows[r] + n) == 0 ? Scalar(n) : -1;
  }
  return result;
}

// The mask, or ones, with Tk numbers side by side in each row. (Else Parts, which sees it
// repeated for all heads, would copy it for each.)
inline Tensor whole(const Tensor& mask, int64_t Tk) {
  if (!mask.defined()) return ones({1, Tk});
  const Tensor row = mask.expand(broadcast_shapes("fused_attention", mask.shape(), {1, Tk}));
  return row.strides().back() == 1 ? row : row.contiguous();
}

// The operands, matrix by matrix: one for each leading index.
struct Operands {
  int64_t heads, Tq, Tk, d_k, d_v;  // d_k, d_v: numbers in a key and in a value
  Parts q, k, v, mask, reach;
  // From row to row of a block: room for a whole last vector, and not often a power of 2, whose
  // lines would compete for places in the cache.
  int64_t line = std::min(COLUMNS, Tk) + 16;
  Scalar scale = 1 / std::sqrt(Scalar(d_k));
  Scalar ones[COLUMNS];  // read in place of rows of the mask that show all their keys

  Operands(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask)
      : heads(numel(q.shape().without(q.dim() - 1).without(q.dim() - 2))),
        Tq(q.size(-2)),
        Tk(k.size(-2)),
        d_k(q.size(-1)),
        d_v(v.size(-1)),
        q(q, 2),
        k(k, 2),
        v(v, 2),
        mask(whole(mask, Tk).expand(with_last(q, Tk)), 2),
        reach(fused::reach(whole(mask, Tk)).expand(with_last(q, 1)), 2) {
    std::fill_n(ones, COLUMNS, Scalar(1));
  }

  // Up to COLUMNS keys (or values) from j on become columns: number i of key c goes to
  // to[i * line + c]. Once for all queries, where gemm would do it for each block of them.
  void turn(const Parts& from, int64_t head, int64_t j, int64_t size, Scalar* to) const {
    copy_matrix(size, std::min(COLUMNS, Tk - j), from[head] + j * from.step(), 1, from.step(), to,
                line);
  }
};

// Queries from i on, keys from j on, of one head.
struct Block {
  const Operands& x;
  int64_t i, rows = 0;        // from the first query that sees one of these keys
  int64_t columns = 0;        // up to the last key that one of them sees
  const Scalar *q, *k, *v;    // where they begin
  int64_t seen[ROWS];         // of each row: columns up to the last key that it sees
  const Scalar* shown[ROWS];  // and the mask of these

  Block(const Operands& x, int64_t head, int64_t begin, int64_t end, int64_t j)
      : x(x), i(begin), k(x.k[head] + j * x.k.step()), v(x.v[head] + j * x.v.step()) {
    const Scalar *reach = x.reach[head], *mask = x.mask[head] + j;
    int64_t limit = 0;
    for (int64_t at = begin; at < end && rows < ROWS; ++at) {
      const int64_t first = int64_t(reach[at * x.reach.step()]);
      const Scalar* row = first < 0 ? mask + at * x.mask.step() : x.ones;
      int64_t n = std::clamp<int64_t>((first < 0 ? x.Tk : first) - j, 0, COLUMNS);
      while (n > 0 && row[n - 1] == 0) --n;
      if (rows == 0) {
        i = at;
        if (n == 0) continue;
        limit = (n + RISE - 1) / RISE * RISE;
      }
      if (n > limit) break;
      seen[rows] = n;
      shown[rows++] = row;
      columns = std::max(columns, n);
    }
    q = x.q[head] + i * x.q.step();
  }
};

}  // namespace fused
}  // namespace HEED_PRECISION
}  // namespace heed
