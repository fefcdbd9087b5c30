// Attention as one operation. The weights, a number for each query and key, never lie in memory
// as a whole: they are made block by block, used, and forgotten, and backward makes them again.
// So memory grows with the length of a text and not with its square, and most of the time goes
// to products of blocks that stay in the cache. Dao et al. 2022 (FlashAttention); Milakov and
// Gimelshein 2018 (the running softmax). What queries, keys and masks are: lesson 02.
//
// A score is c s, with s = q k^T and c = 1 / sqrt(d_k); hidden ones are left out. For each query,
// over the keys so far, m is the largest score, l the sum of e^(score - m), and y that of
// e^(score - m) times the value: -infinity, 0 and 0 at first. Any m gives the same y / l; with
// the largest nothing overflows. Forward, for each block of keys from left to right, over the
// blocks of queries:
//   s = q k^T
//   m' = max(m, max c s)
//   p = e^(c s - m')
//   a = e^(m - m')                  what was summed before was made with m: a puts it right
//   l' = l a + sum p                y' = y a + p v
// and y / l at the end. Kept for backward: y, and m and 1 / l for each query.
//
// Backward, for each block of keys, over the blocks of queries. y is the result now, g its
// gradient, dv that of v. D = g . y, a number for each query, is the sum of p (g v^T) over its
// keys, which softmax's gradient asks for:
//   p = e^(c s - m) / l             the weights
//   dv += p^T g,  ds = p (g v^T - D) c,  dk += ds^T q,  dq += ds k
//
// What a mask hides has p = 0 exactly, and keys after the last one that the queries of a block
// see are not looked at: under a causal mask a block on the diagonal has few queries (RISE), so
// that little of it is hidden. Powers are summed COLUMNS keys at a time, and each block's sum is
// added to the one before, so that hidden keys at the end, all zeros, change no bit.
#include <algorithm>
#include <limits>
#include "autograd/attention_blocks.h"
#include "autograd/broadcast.h"
#include "autograd/gemm.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd_math.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace fused {
namespace {

constexpr int64_t WORTH = 1 << 18;  // multiply-adds worth a second thread
// A thread takes so many queries at a time, however many threads there are: so the blocks are
// the same, and with them whether a hidden infinity is multiplied by 0, which makes NaN.
constexpr int64_t PIECE = 4 * ROWS;
constexpr Scalar INF = std::numeric_limits<Scalar>::infinity(),
                 LOWEST = std::numeric_limits<Scalar>::lowest();

// ---- Forward

// The numbers of a query that backward needs.
struct Kept {
  Scalar most = -INF;  // m
  Scalar sum = 0;      // l; forward_rows ends by putting 1 / l in its place
};

// The scores s become p; y is put right for new maxima. Maxima first, since each sum of powers
// would wait for its own.
void add_rows(const Block& b, Scalar* s, Kept* kept, Scalar* y) {
  // A NaN may get lost here, as in the CPU's instruction; the sum of powers keeps it.
  const auto larger = [](auto a, auto b) { return a > b ? a : b; };
  const auto visible = [](auto s, auto shown) {
    return shown == 0 ? simd::all<decltype(s)>(LOWEST) : s;
  };
  const Scalar scale = b.x.scale;
  Scalar most[ROWS], factor[ROWS];  // m', and m - m' or, below, a
  for (int64_t r = 0; r < b.rows; ++r) {
    const Scalar largest = scale * simd::reduce16(LOWEST, b.seen[r], larger, visible,
                                                  s + r * b.x.line, b.shown[r]);
    // m stays -INF for a query that sees nothing; scores that all are -INF give NaN by LOWEST.
    most[r] = b.seen[r] == 0 ? kept[r].most : larger(kept[r].most, largest);
    factor[r] = kept[r].most == most[r] ? 0 : kept[r].most - most[r];  // not INF - INF
  }
  simd::map(
      factor, b.rows, [](auto x) { return simd::exp(x); }, factor);
  for (int64_t r = 0; r < b.rows; ++r, s += b.x.line, y += b.x.d_v) {
    Scalar* to = s;  // vectors come from left to right, and each takes the place of its scores
    const auto power = [&to, scale, shift = most[r]](auto s, auto shown) {
      const auto p = shown == 0 ? decltype(s){} : simd::exp(s * scale - shift);
      simd::store(to, p);  // a line has room for a whole last vector
      to += simd::LANES<decltype(s)>;
      return p;
    };
    const Scalar sum = simd::sum16_of(b.seen[r], power, s, b.shown[r]);
    std::fill(s + b.seen[r], s + b.columns, Scalar(0));
    kept[r] = {most[r], kept[r].sum * factor[r] + sum};
    const auto put_right = [a = factor[r]](auto y) { return y * a; };
    if (factor[r] != 1) simd::map(y, b.x.d_v, put_right, y);
  }
}

// Queries from begin to end, of one head. y, kept: theirs. room: ROWS + d_k lines.
void forward_rows(const Operands& x, int64_t head, int64_t begin, int64_t end, Scalar* y,
                  Kept* kept, Scalar* room) {
  Scalar *s = room, *k = s + ROWS * x.line;
  std::fill_n(y, (end - begin) * x.d_v, Scalar(0));
  std::fill_n(kept, end - begin, Kept());
  for (int64_t j = 0; j < x.Tk; j += COLUMNS) {
    x.turn(x.k, head, j, x.d_k, k);
    for (int64_t i = begin; i < end;) {
      const Block b(x, head, i, end, j);
      if (b.columns == 0) break;
      i = b.i + b.rows;
      Scalar* to = y + (b.i - begin) * x.d_v;
      gemm(b.rows, b.columns, x.d_k, b.q, x.q.step(), 1, k, x.line, 1, s, x.line);
      add_rows(b, s, kept + (b.i - begin), to);
      gemm(b.rows, x.d_v, b.columns, s, x.line, 1, b.v, x.v.step(), 1, to, x.d_v, true);
    }
  }
  for (int64_t r = 0; r < end - begin; ++r, y += x.d_v) {
    kept[r].sum = kept[r].most == -INF ? 0 : 1 / kept[r].sum;
    const auto normalize = [f = kept[r].sum](auto y) { return y * f; };
    simd::map(y, x.d_v, normalize, y);
  }
}

// ---- Backward

// Of all heads: what gradients are made from, and where they go. dq, dk, dv may be null.
struct Gradients {
  const Scalar *g, *y;
  const Kept* kept;
  Scalar *dq, *dk, *dv;
};

// The row's scores s become its weights, g v^T becomes ds.
void weights_and_gradient(const Block& b, int64_t r, Kept kept, Scalar D, Scalar* s,
                          Scalar* ds) {
  const int64_t n = b.seen[r];
  const Scalar *mask = b.shown[r], scale = b.x.scale;
  const auto weight = [=](auto s, auto shown) {
    return shown == 0 ? decltype(s){} : simd::exp(s * scale - kept.most) * kept.sum;
  };
  const auto gradient = [=](auto p, auto gv, auto shown) {
    return shown == 0 ? decltype(p){} : p * (gv - D) * scale;
  };
  simd::map(s, n, weight, s, mask);
  simd::map(ds, n, gradient, s, ds, mask);
  std::fill(s + n, s + b.columns, Scalar(0));
  std::fill(ds + n, ds + b.columns, Scalar(0));
}

// Of one head. room: 2 ROWS + d_k + d_v lines, and Tq numbers.
void backward_head(const Operands& x, int64_t head, const Gradients& of, Scalar* room) {
  const int64_t d_k = x.d_k, d_v = x.d_v, line = x.line;
  const int64_t queries = head * x.Tq, keys = head * x.Tk;
  Scalar *s = room, *ds = s + ROWS * line, *k = ds + ROWS * line, *v = k + d_k * line,
         *D = v + d_v * line;
  for (int64_t i = 0; i < x.Tq; ++i)
    D[i] = simd::dot16(of.g + (queries + i) * d_v, of.y + (queries + i) * d_v, d_v);
  for (int64_t j = 0; j < x.Tk; j += COLUMNS) {
    x.turn(x.k, head, j, d_k, k);
    x.turn(x.v, head, j, d_v, v);
    for (int64_t i = 0; i < x.Tq;) {
      const Block b(x, head, i, x.Tq, j);
      const int64_t rows = b.rows, columns = b.columns, query = queries + b.i, key = keys + j;
      if (columns == 0) break;
      i = b.i + rows;
      const Scalar* g = of.g + query * d_v;
      gemm(rows, columns, d_k, b.q, x.q.step(), 1, k, line, 1, s, line);
      gemm(rows, columns, d_v, g, d_v, 1, v, line, 1, ds, line);
      for (int64_t r = 0; r < rows; ++r)
        weights_and_gradient(b, r, of.kept[query + r], D[b.i + r], s + r * line, ds + r * line);
      if (of.dv) gemm(columns, d_v, rows, s, 1, line, g, d_v, 1, of.dv + key * d_v, d_v, true);
      if (of.dk)
        gemm(columns, d_k, rows, ds, 1, line, b.q, x.q.step(), 1, of.dk + key * d_k, d_k, true);
      if (of.dq)
        gemm(rows, d_k, columns, ds, line, 1, b.k, x.k.step(), 1, of.dq + query * d_k, d_k, true);
    }
  }
}

void check_operands(const Tensor& query, const Tensor& key, const Tensor& value,
                    const Tensor& mask) {
  check_defined("fused_attention", query, key, value);
  const Shape &q = query.shape(), &k = key.shape(), &v = value.shape();
  const int rank = q.rank();
  const bool fit = rank >= 2 && k.rank() == rank && v.rank() == rank && q.back() > 0 &&
                   q.without(rank - 2) == k.without(rank - 2) && with_last(key, v.back()) == v;
  HEED_CHECK(
      fit, "[fused_attention] query ", q, ", key ", k, ", value ", v,
      ": (..., Tq, d), (..., Tk, d) and (..., Tk, dv) wanted, with equal sizes in front");
  const int64_t most = int64_t(1) << std::numeric_limits<Scalar>::digits;  // counted exactly
  HEED_CHECK(k[rank - 2] <= most, "[fused_attention] ", k[rank - 2], " keys: at most ", most,
             "\n  cut the text into pieces, or build with -DHEED_DOUBLE");
  if (!mask.defined()) return;
  const Shape scores = with_last(query, k[rank - 2]);
  HEED_CHECK(broadcast_shapes("fused_attention", scores, mask.shape()) == scores,
             "[fused_attention] scores ", scores, " with mask ", mask.shape(),
             ": the mask must broadcast to the scores");
}

}  // namespace
}  // namespace fused

// Formulas: at the top.
Tensor fused_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                       const Tensor& mask) {
  using namespace fused;
  check_operands(query, key, value, mask);
  const Operands x(query, key, value, mask);
  Tensor y = empty(with_last(query, x.d_v));
  Tensor kept = empty({x.heads, x.Tq, 2});  // a Kept for each query, as a tensor to be saved
  Scalar* out = y.mutable_data();
  Kept* numbers = reinterpret_cast<Kept*>(kept.mutable_data());
  const int64_t pieces = (x.Tq + PIECE - 1) / PIECE;  // of a head
  const int64_t work = std::min(PIECE, x.Tq) * x.Tk * (x.d_k + x.d_v);
  parallel_for(x.heads * pieces, WORTH / (work + 1) + 1, [&](int64_t first, int64_t last) {
    PoolVector<Scalar> room(size_t((ROWS + x.d_k) * x.line));
    for (int64_t piece = first; piece < last; ++piece) {
      const int64_t head = piece / pieces, i = piece % pieces * PIECE, at = head * x.Tq + i;
      forward_rows(x, head, i, std::min(i + PIECE, x.Tq), out + at * x.d_v, numbers + at,
                   room.data());
    }
  });
  return record(
      "fused_attention", y, inputs(query, key, value), saved(query, key, value, y, kept, mask),
      [](const Tensor& g, GradOf dq, GradOf dk, GradOf dv, const Tensor& q, const Tensor& k,
         const Tensor& v, const Tensor& y, const Tensor& kept, const Tensor& mask) {
        const Operands x(q, k, v, mask);
        Tensor of_q = dq ? zeros(q.shape()) : Tensor(), of_k = dk ? zeros(k.shape()) : Tensor(),
               of_v = dv ? zeros(v.shape()) : Tensor();
        const Gradients all{g.data(), y.data(), reinterpret_cast<const Kept*>(kept.data()),
                            dq ? of_q.mutable_data() : nullptr,
                            dk ? of_k.mutable_data() : nullptr,
                            dv ? of_v.mutable_data() : nullptr};
        const int64_t work = 3 * x.Tq * x.Tk * (x.d_k + x.d_v);
        // Whole heads: all queries of one add to the same dk and dv.
        parallel_for(x.heads, WORTH / (work + 1) + 1, [&](int64_t begin, int64_t end) {
          PoolVector<Scalar> room(size_t((2 * ROWS + x.d_k + x.d_v) * x.line + x.Tq));
          for (int64_t head = begin; head < end; ++head) backward_head(x, head, all, room.data());
        });
        dq += std::move(of_q);
        dk += std::move(of_k);
        dv += std::move(of_v);
      });
}

}  // namespace HEED_PRECISION
}  // namespace heed
