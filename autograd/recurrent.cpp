// A gated recurrent unit over a whole sequence, as one operation: a chain of small ones would
// spend its time between them. The input's share of the gates is one large product before it;
// here is one product a step, for the state's share.
#include "autograd/broadcast.h"
#include "autograd/gemm.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/parallel.h"
#include "autograd/reduce16.h"
#include "autograd/simd.h"
#include "autograd/simd_math.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

// Sizes, and which rows take part in which step. Step s is position s, or T - 1 - s backwards.
struct Steps {
  int64_t B, T, H;
  bool reverse, reset_after;
  PoolVector<int> lengths;  // none: all are T

  int64_t position(int64_t s) const { return reverse ? T - 1 - s : s; }
  bool active(int64_t b, int64_t s) const {
    return lengths.empty() || position(s) < lengths[size_t(b)];
  }
};

// What a forward pass leaves to the backward pass, step after step.
struct Kept {
  Tensor h;        // (T + 1, B, H): the state before each step, and after the last
  Tensor r, z, n;  // (T, B, H): the gates, and the candidate
  Tensor q;  // (T, B, H): W_n h + b_n, which r multiplies; or r h, if that is what W_n sees
};

// Calls row(b) for every row of a step.
template <class Row> void for_rows(const Steps& s, Row row) {
  constexpr int64_t WORTH_A_THREAD = 1 << 13;  // numbers of the state
  parallel_for(s.B, WORTH_A_THREAD / (s.H + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) row(b);
  });
}

// y (rows, 3 H) = x W^T for the gates from `first` on; wt: W^T, (H, 3 H).
void state_share(const Steps& s, const Scalar* x, const Tensor& wt, int64_t first,
                 int64_t gates, Scalar* y) {
  int64_t H = s.H, row = wt.strides()[0], column = wt.strides()[1];
  gemm(s.B, gates * H, H, x, H, 1, wt.data() + first * H * column, row, column, y + first * H,
       3 * H);
}

constexpr auto SIGMOID_OF_SUM = [](auto i, auto o, auto b) {
  return simd::sigmoid(i + (o + b));
};

// One step for one row: gates from the inputs' share `in` and the state's share `own` + `bias`.
void gates_of(const Steps& s, const Scalar* in, const Scalar* own, const Scalar* bias,
              Scalar* r, Scalar* z) {
  simd::map(r, s.H, SIGMOID_OF_SUM, in, own, bias);
  simd::map(z, s.H, SIGMOID_OF_SUM, in + s.H, own + s.H, bias + s.H);
}
void state_after(const Steps& s, const Scalar* z, const Scalar* n, const Scalar* h, Scalar* y) {
  simd::map(
      y, s.H, [](auto z, auto n, auto h) { return (1 - z) * n + z * h; }, z, n, h);
}

// All steps, from the state at the start, kept.h[0]. y: (B, T, H)
void forward(const Steps& s, const Tensor& inputs, const Tensor& wt, const Tensor& bias,
             Tensor& own, Kept& kept, Tensor& y) {
  const int64_t B = s.B, T = s.T, H = s.H;
  Scalar *share = own.mutable_data(), *out = y.mutable_data(), *hs = kept.h.mutable_data(),
         *rs = kept.r.mutable_data(), *zs = kept.z.mutable_data(), *ns = kept.n.mutable_data(),
         *qs = kept.q.mutable_data();
  const Scalar* bias_n = bias.data() + 2 * H;
  for (int64_t t = 0; t < T; ++t) {
    const int64_t at = t * B * H;
    const auto in = [&](int64_t b) { return inputs.data() + (b * T + s.position(t)) * 3 * H; };
    const auto gates = [&](int64_t b) {
      const int64_t row = at + b * H;
      if (!s.active(b, t)) {  // padding is not read; backward finds zeros
        for (Scalar* kept : {rs, zs, ns, qs}) std::fill_n(kept + row, H, Scalar(0));
        return;
      }
      const Scalar* own = share + b * 3 * H;
      gates_of(s, in(b), own, bias.data(), rs + row, zs + row);
      if (s.reset_after)
        simd::map(qs + row, H, simd::PLUS, own + 2 * H, bias_n);
      else
        simd::map(
            qs + row, H, [](auto r, auto h) { return r * h; }, rs + row, hs + row);
    };
    const auto candidate_and_state = [&](int64_t b) {
      const int64_t row = at + b * H;
      Scalar *n = ns + row, *h = hs + row, *next = h + B * H,
             *result = out + (b * T + s.position(t)) * H;
      if (!s.active(b, t)) {  // the state stays, the output is 0
        std::copy_n(h, H, next);
        std::fill_n(result, H, Scalar(0));
        return;
      }
      if (s.reset_after) {
        simd::map(
            n, H, [](auto i, auto r, auto q) { return simd::tanh(i + r * q); }, in(b) + 2 * H,
            rs + row, qs + row);
      } else {
        simd::map(
            n, H, [](auto i, auto o, auto b) { return simd::tanh(i + (o + b)); }, in(b) + 2 * H,
            share + b * 3 * H + 2 * H, bias_n);
      }
      state_after(s, zs + row, n, h, next);
      std::copy_n(next, H, result);
    };
    state_share(s, hs + at, wt, 0, s.reset_after ? 3 : 2, share);
    if (s.reset_after) {
      for_rows(s, [&](int64_t b) { gates(b), candidate_and_state(b); });
    } else {
      for_rows(s, gates);
      state_share(s, qs + at, wt, 2, 1, share);
      for_rows(s, candidate_and_state);
    }
  }
}

// Gradients before the activations of one row at one step: of r, z, n in dg (3 H), and dh, the
// gradient of the state after the step, becomes the direct part of that before it.
void row_backward(const Steps& s, const Kept& k, int64_t row, Scalar* dh, Scalar* dg) {
  const int64_t H = s.H;
  const Scalar *h = k.h.data() + row, *r = k.r.data() + row, *z = k.z.data() + row,
               *n = k.n.data() + row, *q = k.q.data() + row;
  Scalar *dr = dg, *dz = dg + H, *dn = dg + 2 * H;
  simd::map(
      dn, H, [](auto d, auto z, auto n) { return d * (1 - z) * (1 - n * n); }, dh, z, n);
  simd::map(
      dz, H, [](auto d, auto h, auto n, auto z) { return d * (h - n) * z * (1 - z); }, dh, h, n,
      z);
  if (s.reset_after)
    simd::map(
        dr, H, [](auto dn, auto q, auto r) { return dn * q * r * (1 - r); }, dn, q, r);
  simd::map(
      dh, H, [](auto d, auto z) { return d * z; }, dh, z);
}

// With the reset before the product, W_n sees r h: its gradient d, (B, H), parts there.
void reset_backward(const Steps& s, const Kept& k, int64_t at, const Scalar* d, Scalar* dh,
                    Scalar* dg) {
  for (int64_t b = 0; b < s.B; ++b)
    for (int64_t j = 0; j < s.H; ++j) {
      const int64_t i = b * s.H + j;
      Scalar r = k.r.data()[at + i];
      dg[b * 3 * s.H + j] = d[i] * k.h.data()[at + i] * r * (1 - r);
      dh[i] += d[i] * r;
    }
}

struct Gradients {
  Tensor inputs;  // (B, T, 3 H): of the inputs' share
  Tensor own;     // (T, B, 3 H): of the state's share
  Tensor state;   // (B, H): of the state at the start
};

// All steps, from the last to the first. g: (B, T, H); w: (3 H, H).
Gradients backward(const Steps& s, const Tensor& g, const Tensor& w, const Kept& k) {
  const int64_t B = s.B, T = s.T, H = s.H;
  Gradients d{empty({B, T, 3 * H}), empty({T, B, 3 * H}), zeros({B, H})};
  Tensor through = empty({B, H});
  Scalar *dh = d.state.mutable_data(), *to_inputs = d.inputs.mutable_data(),
         *to_own = d.own.mutable_data(), *passed = through.mutable_data();
  const auto pass_on = [&](const Scalar* dg, int64_t first, int64_t gates) {  // dg W
    gemm(B, H, gates * H, dg + first * H, 3 * H, 1, w.data() + first * H * H, H, 1, passed, H);
  };
  for (int64_t t = T - 1; t >= 0; --t) {
    const int64_t at = t * B * H;
    Scalar* dg = to_own + 3 * at;
    const auto before_activations = [&](int64_t b) {
      if (!s.active(b, t)) {
        std::fill_n(dg + b * 3 * H, 3 * H, Scalar(0));
        return;
      }
      const Scalar* upstream = g.data() + (b * T + s.position(t)) * H;
      simd::map(dh + b * H, H, simd::PLUS, dh + b * H, upstream);
      row_backward(s, k, at + b * H, dh + b * H, dg + b * 3 * H);
    };
    const auto of_inputs = [&](int64_t b) {
      std::copy_n(dg + b * 3 * H, 3 * H, to_inputs + (b * T + s.position(t)) * 3 * H);
      if (!s.reset_after) return;
      Scalar* dn = dg + b * 3 * H + 2 * H;  // r stands between n and its product
      simd::map(
          dn, H, [](auto d, auto r) { return d * r; }, dn, k.r.data() + at + b * H);
    };
    if (s.reset_after) {
      for_rows(s, [&](int64_t b) { before_activations(b), of_inputs(b); });
    } else {
      for_rows(s, before_activations);
      pass_on(dg, 2, 1);
      reset_backward(s, k, at, passed, dh, dg);
      for_rows(s, of_inputs);
    }
    pass_on(dg, 0, s.reset_after ? 3 : 2);
    simd::map(dh, B * H, simd::PLUS, dh, passed);
  }
  return d;
}

// dW = dg^T x over all steps and rows; x is h, but r h for W_n where the reset comes first.
Tensor weight_gradient(const Steps& s, const Tensor& own, const Kept& k) {
  const int64_t H = s.H, rows = s.T * s.B;
  Tensor d = empty({3 * H, H});
  const auto part = [&](int64_t first, int64_t gates, const Tensor& x) {
    gemm(gates * H, H, rows, own.data() + first * H, 1, 3 * H, x.data(), H, 1,
         d.mutable_data() + first * H * H, H);
  };
  part(0, s.reset_after ? 3 : 2, k.h);
  if (!s.reset_after) part(2, 1, k.q);
  return d;
}

void check_shapes(const Tensor& inputs, const Tensor& weight, const Tensor& bias,
                  const Tensor& h0, std::span<const int> lengths) {
  check_defined("gru", inputs, weight, bias, h0);
  HEED_CHECK(inputs.dim() == 3 && inputs.shape()[2] % 3 == 0, "[gru] inputs ", inputs.shape(),
             ": (B, T, 3 H) wanted");
  int64_t B = inputs.shape()[0], T = inputs.shape()[1], H = inputs.shape()[2] / 3;
  HEED_CHECK((weight.shape() == Shape{3 * H, H}) && bias.shape() == Shape{3 * H} &&
                 (h0.shape() == Shape{B, H}),
             "[gru] inputs ", inputs.shape(), ", so H = ", H, ", with weight ", weight.shape(),
             ", bias ", bias.shape(), ", h0 ", h0.shape(), ": ", Shape{3 * H, H}, ", ",
             Shape{3 * H}, ", ", Shape{B, H}, " wanted");
  HEED_CHECK(lengths.empty() || int64_t(lengths.size()) == B, "[gru] ", lengths.size(),
             " lengths for inputs ", inputs.shape());
  for (int length : lengths)
    HEED_CHECK(length >= 0 && length <= T, "[gru] a length of ", length, " for inputs ",
               inputs.shape());
}

}  // namespace

// Position after position (from the last one on, if reverse), with the state h before it:
//   r = sigmoid(i_r + W_r h + b_r)                  i: inputs, in three parts
//   z = sigmoid(i_z + W_z h + b_z)
//   n = tanh(i_n + r (W_n h + b_n)), or tanh(i_n + W_n (r h) + b_n)
//   y = (1 - z) n + z h, the state after it
Tensor gru(const Tensor& inputs, const Tensor& weight, const Tensor& bias, const Tensor& h0,
           std::span<const int> lengths, bool reverse, bool reset_after) {
  check_shapes(inputs, weight, bias, h0, lengths);
  int64_t B = inputs.shape()[0], T = inputs.shape()[1], H = inputs.shape()[2] / 3;
  Steps steps{B, T, H, reverse, reset_after, PoolVector<int>(lengths.begin(), lengths.end())};
  Tensor in = inputs.detach().contiguous(), w = weight.detach().contiguous();
  Tensor wt = w.transpose(0, 1), b = bias.detach().contiguous();
  if (T > 1) wt = wt.contiguous();  // a copy pays when several steps read it
  Tensor own = empty({B, 3 * H}), y = empty({B, T, H});
  Kept kept{empty({T + 1, B, H}), empty({T, B, H}), empty({T, B, H}), empty({T, B, H}),
            empty({T, B, H})};
  kept.h.select(0, 0).copy_(h0.detach());
  forward(steps, in, wt, b, own, kept, y);
  return record("gru", std::move(y), heed::inputs(inputs, weight, bias, h0),
                saved(w, kept.h, kept.r, kept.z, kept.n, kept.q),
                [steps](const Tensor& g, GradOf di, GradOf dw, GradOf db, GradOf dh,
                        const Tensor& w, const Tensor& h, const Tensor& r, const Tensor& z,
                        const Tensor& n, const Tensor& q) {
                  Kept kept{h, r, z, n, q};
                  Gradients d = backward(steps, g, w, kept);
                  if (dw) dw += weight_gradient(steps, d.own, kept);
                  if (db) db += sum(d.own, {0, 1});
                  di += std::move(d.inputs);
                  dh += std::move(d.state);
                });
}

}  // namespace HEED_PRECISION
}  // namespace heed
