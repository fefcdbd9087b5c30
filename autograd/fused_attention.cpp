// Attention as one operation. The weights, a number for each query and key, never lie in memory
// as a whole: they are made block by block, used, and forgotten, and backward makes them again.
// So memory grows with the length of a text and not with its square, and most of the time goes
// to products of blocks that stay in the cache. Dao et al. 2022 (FlashAttention); Milakov and
// Gimelshein 2018 (the running softmax).
//
// Forward, for each block of queries, over the blocks of keys from left to right:
//   s = q k^T / sqrt(d)             the block's scores
//   m' = max(m, max s)              the largest score of each query so far
//   p = e^(s - m'),  a = e^(m - m') what was summed before was made with m: a puts it right
//   l' = l a + sum p                y' = y a + p v
// and y / l at the end. Kept for backward: y, and m and 1 / l for each query.
//
// Backward, for each block of keys, over the blocks of queries, with D = sum_j g_j y_j a query:
//   p = e^(s - m) / l               the weights
//   dv += p^T g,  ds = p (g v^T - D) / sqrt(d),  dk += ds^T q,  dq += ds k
//
// What a mask hides has p = 0 exactly, and keys behind the last visible one of a block are not
// looked at. Sums run over keys in their order and start anew every COLUMNS keys, so that
// hidden keys at the end change no bit.
#include <algorithm>
#include <cmath>
#include "autograd/broadcast.h"
#include "autograd/gemm.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/parts.h"
#include "autograd/reduce16.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {
namespace fused {

constexpr int64_t ROWS = 256, COLUMNS = 128;  // of a block: queries, keys
constexpr int64_t WORTH = 1 << 18;            // multiply-adds worth a second thread
constexpr Scalar INF = std::numeric_limits<Scalar>::infinity();

// x's shape with another last size.
Shape with_last(const Tensor& x, int64_t size) {
  return x.shape().without(x.dim() - 1).with(x.dim() - 1, size);
}

// The operands, matrix by matrix: one for each leading index.
struct Operands {
  int64_t heads, Tq, Tk, d, dv;
  Parts q, k, v, mask;
  int64_t line = std::min(COLUMNS, Tk) + 16;  // from row to row of a block: no power of 2
  Scalar scale = 1 / std::sqrt(Scalar(d));

  Operands(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask)
      : heads(numel(q.shape().without(q.dim() - 1).without(q.dim() - 2))),
        Tq(q.size(-2)),
        Tk(k.size(-2)),
        d(q.size(-1)),
        dv(v.size(-1)),
        q(q, 2),
        k(k, 2),
        v(v, 2),
        mask((mask.defined() ? mask : ones({1, Tk})).expand(with_last(q, Tk)), 2) {}
};

// Queries from i on, keys from j on, of one head.
struct Block {
  const Operands& x;
  int64_t i, rows, columns;       // from the first row that sees a key to the last such key
  const Scalar *q, *k, *v, *may;  // where they begin
  int64_t seen[ROWS];             // of each row: columns up to the last key that it sees

  Block(const Operands& x, int64_t head, int64_t i, int64_t j)
      : x(x),
        i(i),
        rows(0),
        columns(0),
        k(x.k[head] + j * x.k.step()),
        v(x.v[head] + j * x.v.step()),
        may(x.mask[head] + i * x.mask.step() + j) {
    for (const int64_t end = std::min(i + ROWS, x.Tq); i < end; ++i) {
      int64_t n = std::min(COLUMNS, x.Tk - j);
      if (mask(rows)[n - 1] == 0 && simd::max16(mask(rows), n) == 0) n = 0;
      while (n > 0 && mask(rows)[n - 1] == 0) --n;
      if (n == 0 && columns == 0) {
        ++this->i, may += x.mask.step();
        continue;
      }
      seen[rows++] = n;
      columns = std::max(columns, n);
    }
    q = x.q[head] + this->i * x.q.step();
  }
  const Scalar* mask(int64_t r) const { return may + r * x.mask.step(); }

  // s = q k^T
  void scores(Scalar* s) const {
    gemm(rows, columns, x.d, q, x.q.step(), 1, k, 1, x.k.step(), s, x.line);
  }
};

// ---- Forward

// The numbers of a query that backward needs.
struct Kept {
  Scalar most = -INF;  // m
  Scalar sum = 0;      // l; in the end its inverse
};

// The row's scores s become p; y is put right for the new maximum.
void add_row(const Block& b, int64_t r, Scalar* s, Kept& kept, Scalar* y) {
  const int64_t n = b.seen[r];
  std::fill(s + n, s + b.columns, Scalar(0));
  if (n == 0) return;
  const Scalar *may = b.mask(r), scale = b.x.scale;
  const auto visible = [](auto s, auto m) { return m == 0 ? simd::all<decltype(s)>(-INF) : s; };
  const Scalar most =
      simd::max(kept.most, scale * simd::reduce16(-INF, n, simd::LARGER, visible, s, may));
  const auto power = [=](auto s, auto m) {
    return m == 0 ? decltype(s){} : simd::exp(s * scale - most);
  };
  simd::map(s, n, power, s, may);
  const Scalar before = kept.most == most ? 1 : simd::exp(kept.most - most);
  kept = {most, kept.sum * before + simd::sum16(s, n)};
  if (before != 1)
    simd::map(
        y, b.x.dv, [before](auto y) { return y * before; }, y);
}

// Queries from i on, of one head. y: their rows of the result; s: ROWS lines.
void forward_rows(const Operands& x, int64_t head, int64_t i, Scalar* y, Kept* kept,
                  Scalar* s) {
  const int64_t rows = std::min(ROWS, x.Tq - i);
  std::fill_n(y, rows * x.dv, Scalar(0));
  std::fill_n(kept, rows, Kept());
  for (int64_t j = 0; j < x.Tk; j += COLUMNS) {
    const Block b(x, head, i, j);
    if (b.columns == 0) continue;
    b.scores(s);
    const int64_t first = b.i - i;
    Scalar* to = y + first * x.dv;
    for (int64_t r = 0; r < b.rows; ++r)
      add_row(b, r, s + r * x.line, kept[first + r], to + r * x.dv);
    gemm(b.rows, x.dv, b.columns, s, x.line, 1, b.v, x.v.step(), 1, to, x.dv, 1, true);
  }
  for (int64_t r = 0; r < rows; ++r) {
    kept[r].sum = kept[r].most == -INF ? 0 : 1 / kept[r].sum;
    simd::map(
        y + r * x.dv, x.dv, [f = kept[r].sum](auto y) { return y * f; }, y + r * x.dv);
  }
}

// ---- Backward

// What one head has of gradients, and of what they are made from. dq, dk, dv may be null.
struct Gradients {
  const Scalar *g, *y;
  const Kept* kept;
  Scalar *dq, *dk, *dv;
};

// The row's scores s become its weights, g v^T becomes ds.
void weights_and_gradient(const Block& b, int64_t r, const Kept& kept, Scalar D, Scalar* s,
                          Scalar* ds) {
  const int64_t n = b.seen[r];
  std::fill(s + n, s + b.columns, Scalar(0));
  std::fill(ds + n, ds + b.columns, Scalar(0));
  const Scalar *may = b.mask(r), scale = b.x.scale;
  const auto weight = [=](auto s, auto m) {
    return m == 0 ? decltype(s){} : simd::exp(s * scale - kept.most) * kept.sum;
  };
  simd::map(s, n, weight, s, may);
  const auto gradient = [=](auto p, auto d, auto m) {
    return m == 0 ? decltype(p){} : p * (d - D) * scale;
  };
  simd::map(ds, n, gradient, s, ds, may);
}

// Of one head. room: 2 ROWS lines, and Tq numbers.
void backward_head(const Operands& x, int64_t head, const Gradients& to, Scalar* room) {
  Scalar *s = room, *ds = s + ROWS * x.line, *D = ds + ROWS * x.line;
  for (int64_t i = 0; i < x.Tq; ++i) D[i] = simd::dot16(to.g + i * x.dv, to.y + i * x.dv, x.dv);
  for (int64_t j = 0; j < x.Tk; j += COLUMNS)
    for (int64_t i = 0; i < x.Tq; i += ROWS) {
      const Block b(x, head, i, j);
      if (b.columns == 0) continue;
      const Scalar* g = to.g + b.i * x.dv;
      b.scores(s);
      gemm(b.rows, b.columns, x.dv, g, x.dv, 1, b.v, 1, x.v.step(), ds, x.line);
      for (int64_t r = 0; r < b.rows; ++r)
        weights_and_gradient(b, r, to.kept[b.i + r], D[b.i + r], s + r * x.line,
                             ds + r * x.line);
      if (to.dv)
        gemm(b.columns, x.dv, b.rows, s, 1, x.line, g, x.dv, 1, to.dv + j * x.dv, x.dv, 1,
             true);
      if (to.dk)
        gemm(b.columns, x.d, b.rows, ds, 1, x.line, b.q, x.q.step(), 1, to.dk + j * x.d, x.d, 1,
             true);
      if (to.dq)
        gemm(b.rows, x.d, b.columns, ds, x.line, 1, b.k, x.k.step(), 1, to.dq + b.i * x.d, x.d,
             1, true);
    }
}

void check_operands(const Tensor& query, const Tensor& key, const Tensor& value,
                    const Tensor& mask) {
  check_defined("fused_attention", query, key, value);
  const Shape &q = query.shape(), &k = key.shape(), &v = value.shape();
  const int rank = q.rank();
  bool fit = rank >= 2 && k.rank() == rank && v.rank() == rank && q.back() == k.back() &&
             q.back() > 0 && k[rank - 2] == v[rank - 2];
  for (int d = 0; fit && d + 2 < rank; ++d) fit = q[d] == k[d] && k[d] == v[d];
  HEED_CHECK(
      fit, "[fused_attention] query ", q, ", key ", k, ", value ", v,
      ": (..., Tq, d), (..., Tk, d) and (..., Tk, dv) wanted, with equal sizes in front");
  if (!mask.defined()) return;
  const Shape scores = with_last(query, k[rank - 2]);
  HEED_CHECK(broadcast_shapes("fused_attention", scores, mask.shape()) == scores,
             "[fused_attention] scores ", scores, " with mask ", mask.shape(),
             ": the mask must broadcast to the scores");
}

}  // namespace fused
}  // namespace

// Formulas: at the top.
Tensor fused_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                       const Tensor& mask) {
  using namespace fused;
  check_operands(query, key, value, mask);
  const Operands x(query, key, value, mask);
  Tensor y = empty(with_last(query, x.dv));
  Tensor kept = empty({x.heads, x.Tq, 2});
  Scalar* out = y.mutable_data();
  Kept* numbers = reinterpret_cast<Kept*>(kept.mutable_data());
  const int64_t blocks = (x.Tq + ROWS - 1) / ROWS;
  const int64_t work = std::min(ROWS, x.Tq) * x.Tk * (x.d + x.dv);
  parallel_for(x.heads * blocks, WORTH / (work + 1) + 1, [&](int64_t begin, int64_t end) {
    PoolVector<Scalar> s(size_t(ROWS * x.line));
    for (int64_t at = begin; at < end; ++at) {
      const int64_t head = at / blocks, i = at % blocks * ROWS, row = head * x.Tq + i;
      forward_rows(x, head, i, out + row * x.dv, numbers + row, s.data());
    }
  });
  return record(
      "fused_attention", y, inputs(query, key, value), saved(query, key, value, y, kept, mask),
      [](const Tensor& g, GradOf dq, GradOf dk, GradOf dv, const Tensor& q, const Tensor& k,
         const Tensor& v, const Tensor& y, const Tensor& kept, const Tensor& mask) {
        const Operands x(q, k, v, mask);
        Tensor of_q = dq ? zeros(q.shape()) : Tensor(), of_k = dk ? zeros(k.shape()) : Tensor(),
               of_v = dv ? zeros(v.shape()) : Tensor();
        Scalar *to_q = dq ? of_q.mutable_data() : nullptr,
               *to_k = dk ? of_k.mutable_data() : nullptr,
               *to_v = dv ? of_v.mutable_data() : nullptr;
        const Kept* numbers = reinterpret_cast<const Kept*>(kept.data());
        const int64_t work = 3 * x.Tq * x.Tk * (x.d + x.dv);
        parallel_for(x.heads, WORTH / (work + 1) + 1, [&](int64_t begin, int64_t end) {
          PoolVector<Scalar> room(size_t(2 * ROWS * x.line + x.Tq));
          for (int64_t h = begin; h < end; ++h)
            backward_head(
                x, h,
                {g.data() + h * x.Tq * x.dv, y.data() + h * x.Tq * x.dv, numbers + h * x.Tq,
                 dq ? to_q + h * x.Tq * x.d : nullptr, dk ? to_k + h * x.Tk * x.d : nullptr,
                 dv ? to_v + h * x.Tk * x.dv : nullptr},
                room.data());
        });
        if (dq) dq += std::move(of_q);
        if (dk) dk += std::move(of_k);
        if (dv) dv += std::move(of_v);
      });
}

}  // namespace HEED_PRECISION
}  // namespace heed
