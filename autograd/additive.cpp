// The score of additive attention, as one operation: the sum inside the tanh is as large as all
// keys, and a decoder makes it at every step. Here only its tanh is kept, which backward reads:
// to make it again would take longer than to fetch it.
#include "autograd/broadcast.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd_math.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t WORTH_A_THREAD = 1 << 12;  // numbers worth a second thread

constexpr auto TANH_OF_SUM = [](auto q, auto k) { return simd::tanh(q + k); };

// One sentence: T keys of A numbers. `ds` has room for A numbers.
struct SumsOfOne {
  Scalar *query, *keys, *v;  // (A), (T, A), (A): added to; keys may be null
};
void backward_of_one(int64_t T, int64_t A, const Scalar* g, const Scalar* tanh, const Scalar* v,
                     Scalar* ds, const SumsOfOne& d) {
  for (int64_t t = 0; t < T; ++t, tanh += A) {
    const Scalar gt = g[t];
    if (gt == 0) continue;  // padding has no part
    simd::map(
        ds, A, [gt](auto v, auto y) { return gt * v * (1 - y * y); }, v, tanh);
    simd::map(
        d.v, A, [gt](auto sum, auto y) { return sum + gt * y; }, d.v, tanh);
    simd::map(d.query, A, simd::PLUS, d.query, ds);
    if (d.keys) simd::map(d.keys + t * A, A, simd::PLUS, d.keys + t * A, ds);
  }
}

}  // namespace

// With s_bta = tanh(q_ba + k_bta): dv_a = sum of g_bt s_bta, and with d = g_bt v_a (1 - s^2)
// dq_ba = the sum of d over t, dk_bta = d
Tensor additive_scores(const Tensor& query, const Tensor& keys, const Tensor& v) {
  check_defined("additive_scores", query, keys, v);
  HEED_CHECK(keys.dim() == 3, "[additive_scores] keys ", keys.shape(), ": (B, T, A) wanted");
  const int64_t B = keys.shape()[0], T = keys.shape()[1], A = keys.shape()[2];
  HEED_CHECK((query.shape() == Shape{B, A}) && v.shape() == Shape{A}, "[additive_scores] keys ",
             keys.shape(), " with query ", query.shape(), " and v ", v.shape(), ": ",
             Shape{B, A}, " and ", Shape{A}, " wanted");
  Tensor q = query.detach().contiguous(), k = keys.detach().contiguous(),
         w = v.detach().contiguous(), s = empty({B, T, A}), y = empty({B, T});
  Scalar *out = y.mutable_data(), *tanhs = s.mutable_data();
  parallel_for(B, WORTH_A_THREAD / (T * A + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * T; i < end * T; ++i) {
      simd::map(tanhs + i * A, A, TANH_OF_SUM, q.data() + i / T * A, k.data() + i * A);
      out[i] = simd::dot16(w.data(), tanhs + i * A, A);
    }
  });
  return record(
      "additive_scores", std::move(y), inputs(query, keys, v), saved(s, w),
      [B, T, A](const Tensor& g, GradOf dq, GradOf dk, GradOf dv, const Tensor& s,
                const Tensor& w) {
        Tensor d_query = zeros({B, A}), d_v = zeros({B, A}),
               d_keys = dk ? dk.whole() : Tensor();
        Scalar *to_query = d_query.mutable_data(), *to_v = d_v.mutable_data(),
               *to_keys = dk ? d_keys.mutable_data() : nullptr;
        parallel_for(B, WORTH_A_THREAD / (T * A + 1) + 1, [&](int64_t begin, int64_t end) {
          PoolVector<Scalar> ds(static_cast<size_t>(A));
          for (int64_t b = begin; b < end; ++b)
            backward_of_one(
                T, A, g.data() + b * T, s.data() + b * T * A, w.data(), ds.data(),
                {to_query + b * A, dk ? to_keys + b * T * A : nullptr, to_v + b * A});
        });
        dq += std::move(d_query);
        if (dv) dv += sum(d_v, {0});
      });
}

}  // namespace HEED_PRECISION
}  // namespace heed
