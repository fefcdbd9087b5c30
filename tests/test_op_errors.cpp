// Bad input to every operation: an error that names the operation, both shapes and what is
// wrong.
#include "autograd/ops.h"
#include "tests/declarations.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

#include <algorithm>
#include <cmath>
#include <functional>

using namespace heed;
using heed_tests::expect_error;

namespace {

const Tensor NONE;  // a default-made tensor: undefined
const std::vector<int> IDS = {0, 1};

// An operation, as op_table.h names it, called with an undefined operand.
struct Undefined {
  std::string declaration;
  const char* op;  // as the error names it
  std::function<void()> call;
};

std::vector<Undefined> undefined_elementwise() {
  Tensor x = ones({2});
  return {
      {"operator+(Tensor, Tensor)", "[add]", [=] { x + NONE; }},
      {"operator-(Tensor, Tensor)", "[sub]", [=] { NONE - x; }},
      {"operator*(Tensor, Tensor)", "[mul]", [=] { x* NONE; }},
      {"operator/(Tensor, Tensor)", "[div]", [=] { NONE / x; }},
      {"operator+(Tensor, double)", "[add]", [=] { NONE + 1; }},
      {"operator-(Tensor, double)", "[sub]", [=] { NONE - 1; }},
      {"operator*(Tensor, double)", "[mul]", [=] { NONE * 1; }},
      {"operator/(Tensor, double)", "[div]", [=] { NONE / 1; }},
      {"operator+(double, Tensor)", "[add]", [=] { 1 + NONE; }},
      {"operator-(double, Tensor)", "[sub]", [=] { 1 - NONE; }},
      {"operator*(double, Tensor)", "[mul]", [=] { 1 * NONE; }},
      {"operator/(double, Tensor)", "[div]", [=] { 1 / NONE; }},
      {"operator-(Tensor)", "[neg]", [=] { -NONE; }},
      {"operator==(Tensor, double)", "[eq]", [=] { static_cast<void>(NONE == 1); }},
      {"operator<(Tensor, double)", "[lt]", [=] { static_cast<void>(NONE < 1); }},
      {"operator>(Tensor, double)", "[gt]", [=] { static_cast<void>(NONE > 1); }},
      {"pow(Tensor, double)", "[pow]", [=] { pow(NONE, 2); }},
      {"exp(Tensor)", "[exp]", [=] { exp(NONE); }},
      {"log(Tensor)", "[log]", [=] { log(NONE); }},
      {"sqrt(Tensor)", "[sqrt]", [=] { sqrt(NONE); }},
      {"tanh(Tensor)", "[tanh]", [=] { tanh(NONE); }},
      {"sigmoid(Tensor)", "[sigmoid]", [=] { sigmoid(NONE); }},
      {"relu(Tensor)", "[relu]", [=] { relu(NONE); }},
      {"clamp(Tensor, double, double)", "[clamp]", [=] { clamp(NONE, 0, 1); }},
      {"where(Tensor, Tensor, Tensor)", "[where]", [=] { where(x, NONE, x); }},
      {"masked_fill(Tensor, Tensor, double)", "[masked_fill]",
       [=] { masked_fill(x, NONE, 0); }},
  };
}

std::vector<Undefined> undefined_shapes() {
  Tensor x = ones({2});
  std::vector<Tensor> list = {NONE, x};
  return {
      {"Tensor::view(Shape)", "[view]", [=] { NONE.view({1}); }},
      {"Tensor::reshape(Shape)", "[reshape]", [=] { NONE.reshape({1}); }},
      {"Tensor::transpose(int, int)", "[transpose]", [=] { NONE.transpose(0, 1); }},
      {"Tensor::permute(initializer_list<int>)", "[permute]", [=] { NONE.permute({}); }},
      {"Tensor::expand(Shape)", "[expand]", [=] { NONE.expand({2}); }},
      {"Tensor::narrow(int, int64_t, int64_t)", "[narrow]", [=] { NONE.narrow(0, 0, 0); }},
      {"Tensor::select(int, int64_t)", "[select]", [=] { NONE.select(0, 0); }},
      {"Tensor::squeeze(int)", "[squeeze]", [=] { NONE.squeeze(0); }},
      {"Tensor::unsqueeze(int)", "[unsqueeze]", [=] { NONE.unsqueeze(0); }},
      {"Tensor::contiguous()", "[contiguous]", [=] { NONE.contiguous(); }},
      {"Tensor::clone()", "[clone]", [=] { NONE.clone(); }},
      {"cat(span<Tensor>, int)", "[cat]", [=] { cat(list, 0); }},
      {"cat(initializer_list<Tensor>, int)", "[cat]",
       [=] {
         cat({x, NONE}, 0);
       }},
      {"stack(span<Tensor>, int)", "[stack]", [=] { stack(list, 0); }},
      {"stack(initializer_list<Tensor>, int)", "[stack]",
       [=] {
         stack({x, NONE}, 0);
       }},
      {"index_select(Tensor, span<int>)", "[index_select]", [=] { index_select(NONE, IDS); }},
      {"embedding(span<int>, Tensor, int)", "[embedding]", [=] { embedding(IDS, NONE); }},
  };
}

std::vector<Undefined> undefined_others() {
  Tensor x = ones({2, 2}), v = ones({2});
  return {
      {"sum(Tensor)", "[sum]", [=] { sum(NONE); }},
      {"sum(Tensor, Dims, bool)", "[sum]", [=] { sum(NONE, {0}); }},
      {"sum_to(Tensor, Shape)", "[sum_to]", [=] { sum_to(NONE, {}); }},
      {"mean(Tensor)", "[mean]", [=] { mean(NONE); }},
      {"mean(Tensor, Dims, bool)", "[mean]", [=] { mean(NONE, {0}); }},
      {"var(Tensor, int)", "[var]", [=] { var(NONE); }},
      {"var(Tensor, Dims, int, bool)", "[var]", [=] { var(NONE, {0}); }},
      {"max(Tensor)", "[max]", [=] { max(NONE); }},
      {"max(Tensor, Dims, bool)", "[max]", [=] { max(NONE, {0}); }},
      {"argmax(Tensor, int)", "[argmax]", [=] { argmax(NONE, 0); }},
      {"softmax(Tensor, int)", "[softmax]", [=] { softmax(NONE, 0); }},
      {"masked_softmax(Tensor, Tensor)", "[masked_softmax]", [=] { masked_softmax(x, NONE); }},
      {"log_softmax(Tensor, int)", "[log_softmax]", [=] { log_softmax(NONE, 0); }},
      {"matmul(Tensor, Tensor)", "[matmul]", [=] { matmul(x, NONE); }},
      {"linear(Tensor, Tensor, Tensor)", "[linear]", [=] { linear(x, NONE); }},
      {"cross_entropy(Tensor, span<int>, CrossEntropy)", "[cross_entropy]",
       [=] { cross_entropy(NONE, IDS); }},
      {"mse_loss(Tensor, Tensor, Reduction)", "[mse_loss]", [=] { mse_loss(x, NONE); }},
      {"batch_norm(Tensor, Tensor, Tensor, Tensor, Tensor, bool, double, double)",
       "[batch_norm]",
       [=] {
         Tensor mean = v, var;
         batch_norm(x, mean, var, v, v, true);
       }},
      {"layer_norm(Tensor, Tensor, Tensor, double)", "[layer_norm]",
       [=] { layer_norm(x, v, NONE); }},
      {"dropout(Tensor, double, bool)", "[dropout]", [=] { dropout(NONE, 0.5, false); }},
      {"additive_scores(Tensor, Tensor, Tensor)", "[additive_scores]",
       [=] { additive_scores(x, x.unsqueeze(0), NONE); }},
      {"fused_attention(Tensor, Tensor, Tensor, Tensor)", "[fused_attention]",
       [=] { fused_attention(x, NONE, x); }},
      {"gru(Tensor, Tensor, Tensor, Tensor, span<int>, bool, bool)", "[gru]",
       [=] { gru(x, x, v, NONE); }},
  };
}

}  // namespace

TEST_CASE("op errors: an undefined operand, in every operation") {
  std::vector<std::string> tested = {"Tensor::detach()"};  // undefined stays undefined
  CHECK_FALSE(NONE.detach().defined());
  for (auto part : {undefined_elementwise, undefined_shapes, undefined_others})
    for (const Undefined& row : part()) {
      CAPTURE(row.declaration);
      tested.push_back(row.declaration);
      expect_error(row.call, {row.op, "operand is undefined"});
    }
  std::vector<std::string> declared = heed_tests::declared_operations();
  std::sort(tested.begin(), tested.end());
  std::sort(declared.begin(), declared.end());
  CHECK(tested == declared);
}

TEST_CASE("op errors: shapes that do not fit, elementwise") {
  Tensor a = ones({4, 3}), b = ones({4}), mask = ones({2, 3});
  expect_error([&] { a + b; }, {"[add]", "(4, 3)", "(4)", "3 and 4 differ", "unsqueeze()"});
  expect_error([&] { a - b; }, {"[sub]", "(4, 3)", "(4)", "3 and 4 differ"});
  expect_error([&] { b* a; }, {"[mul]", "(4, 3)", "(4)", "4 and 3 differ"});
  expect_error([&] { a / b; }, {"[div]", "(4, 3)", "(4)", "3 and 4 differ"});
  expect_error([&] { where(a, b, scalar(0)); }, {"[where]", "(4, 3)", "(4)"});
  expect_error([&] { where(scalar(1), b, a); }, {"[where]", "(4, 3)", "(4)"});
  expect_error([&] { masked_fill(a, mask, 0); }, {"[masked_fill]", "(4, 3)", "(2, 3)"});
  // A mask that is larger than x is an error, too: x's shape would not be y's.
  expect_error([&] { masked_fill(b, ones({2, 4}), 0); }, {"[masked_fill]", "(4)", "(2, 4)"});
  expect_error([&] { clamp(a, 1, -1); }, {"[clamp]", "1", "-1"});
}

TEST_CASE("op errors: views") {
  Tensor x = ones({4, 3});
  expect_error([&] { x.view({5, 2}); }, {"[view]", "(4, 3)", "(5, 2)", "12", "10"});
  expect_error([&] { x.view({-1, 5}); }, {"[view]", "(4, 3)", "(-1, 5)", "12", "5"});
  expect_error([&] { x.view({-1, -1}); }, {"[view]", "(-1, -1)", "more than one -1"});
  expect_error([&] { x.view({-2, -6}); }, {"(-2, -6)", "negative"});
  expect_error([&] { x.view({1LL << 32, 1LL << 32, -1}); }, {"[view]", "too large"});
  expect_error([&] { x.transpose(0, 1).view({12}); },
               {"[view]", "(3, 4)", "(12)", "strides (1, 3)", "contiguous()"});
  expect_error([&] { x.reshape({5}); }, {"[reshape]", "(4, 3)", "(5)"});
  expect_error([&] { x.transpose(0, 2); }, {"[transpose]", "dimension 2", "2 dimensions"});
  expect_error([&] { x.transpose(-3, 0); }, {"[transpose]", "dimension -3", "2 dimensions"});
  expect_error([&] { x.permute({0}); }, {"[permute]", "1", "(4, 3)"});
  expect_error([&] { x.permute({1, -1}); }, {"[permute]", "twice"});
  expect_error([&] { x.expand({4, 6}); }, {"[expand]", "(4, 3)", "(4, 6)", "3 and 6 differ"});
  expect_error([&] { x.expand({3}); }, {"[expand]", "(4, 3)", "(3)"});
  expect_error([&] { x.expand({-1, 4, 3}); }, {"[expand]", "(4, 3)", "(-1, 4, 3)"});
  expect_error([&] { ones({1}).expand({-2}); }, {"[expand]", "(1)", "(-2)"});
  expect_error([&] { ones({1}).expand({1LL << 40, 1LL << 40}); }, {"too large"});
  expect_error([&] { x.narrow(0, 3, 2); }, {"[narrow]", "dimension 0", "(4, 3)"});
  expect_error([&] { x.narrow(1, -1, 1); }, {"[narrow]", "-1", "(4, 3)"});
  expect_error([&] { x.narrow(1, 0, -1); }, {"[narrow]", "-1", "(4, 3)"});
  expect_error([&] { x.select(0, 4); }, {"[select]", "index 4", "dimension 0", "(4, 3)"});
  expect_error([&] { x.select(1, -4); }, {"[select]", "index -4", "dimension 1", "(4, 3)"});
  expect_error([&] { x.squeeze(2); }, {"[squeeze]", "dimension 2"});
  expect_error([&] { x.unsqueeze(3); }, {"[unsqueeze]", "dimension 3"});
  expect_error([&] { ones({1, 1, 1, 1, 1, 1}).unsqueeze(0); }, {"7 dimensions", "6"});
}

TEST_CASE("op errors: joining and picking") {
  Tensor a = ones({2, 3}), b = ones({2, 4});
  std::span<const Tensor> nobody;
  expect_error([&] { cat({a, b}, 0); }, {"[cat]", "(2, 3)", "(2, 4)", "dimension 0"});
  expect_error([&] { cat({a, ones({2})}, 1); }, {"[cat]", "(2, 3)", "(2)"});
  expect_error([&] { cat({a, a}, 2); }, {"[cat]", "dimension 2"});
  expect_error([&] { cat(nobody, 0); }, {"[cat]", "no tensors"});
  expect_error([&] { stack({a, b}, 0); }, {"[stack]", "(2, 3)", "(2, 4)"});
  expect_error([&] { stack({a, a}, 3); }, {"[stack]", "dimension 3"});
  expect_error([&] { stack(nobody, 0); }, {"[stack]", "no tensors"});
  std::vector<int> far = {0, 2}, negative = {-1};
  expect_error([&] { index_select(a, far); },
               {"[index_select]", "index 2", "place 1", "(2, 3)"});
  expect_error([&] { index_select(a, negative); }, {"[index_select]", "index -1", "(2, 3)"});
  expect_error([&] { index_select(scalar(1), IDS); }, {"[index_select]", "scalar"});
  expect_error([&] { embedding(far, a); }, {"[embedding]", "index 2", "place 1", "(2, 3)"});
  expect_error([&] { embedding(negative, a); }, {"[embedding]", "index -1", "0 to 1"});
  expect_error([&] { embedding(IDS, scalar(1)); }, {"[embedding]", "scalar"});
  for (int row : {2, -2})
    expect_error([&] { embedding(IDS, a, row); }, {"[embedding] padding_idx", "(2, 3)"});
}

TEST_CASE("op errors: reductions") {
  Tensor x = ones({4, 3}), empty_rows = zeros({2, 0});
  expect_error([&] { sum(x, {2}); }, {"[sum]", "dimension 2", "2 dimensions"});
  expect_error([&] { sum(x, {1, -1}); }, {"[sum]", "dimension 1", "twice"});
  expect_error([&] { sum_to(x, {2, 3}); }, {"[sum_to]", "(4, 3)", "(2, 3)"});
  expect_error([&] { sum_to(x, {1, 4, 3}); }, {"[sum_to]", "(4, 3)", "(1, 4, 3)"});
  expect_error([&] { mean(x, {-3}); }, {"[mean]", "dimension -3"});
  expect_error([&] { mean(empty_rows, {1}); }, {"[mean]", "no numbers", "(2, 0)"});
  expect_error([&] { mean(empty_rows); }, {"[mean]", "no numbers", "(2, 0)"});
  expect_error([&] { var(x, {0, 0}); }, {"[var]", "twice"});
  expect_error(
      [&] {
        var(ones({2, 1}), {1});
      },
      {"[var]", "1 number", "1 - 1", "correction = 0"});
  expect_error([&] { var(empty_rows, {1}, 0); }, {"[var]", "0 numbers"});
  expect_error([&] { max(x, {5}); }, {"[max]", "dimension 5"});
  expect_error([&] { max(empty_rows, {1}); }, {"[max]", "no numbers", "(2, 0)"});
  expect_error([&] { max(empty_rows); }, {"[max]", "no numbers", "(2, 0)"});
  expect_error([&] { argmax(x, 2); }, {"[argmax]", "dimension 2"});
  expect_error([&] { argmax(empty_rows, 1); }, {"[argmax]", "no numbers", "(2, 0)"});
  expect_error([&] { softmax(x, 2); }, {"[softmax]", "dimension 2", "2 dimensions"});
  expect_error([&] { softmax(scalar(1), 0); }, {"[softmax]", "0 dimensions"});
  expect_error([&] { log_softmax(x, -3); }, {"[log_softmax]", "dimension -3"});
  expect_error([&] { masked_softmax(x, ones({2})); },
               {"[masked_softmax]", "(4, 3)", "(2)", "3 and 2 differ"});
  expect_error(
      [&] {
        masked_softmax(x, ones({2, 4, 3}));
      },
      {"[masked_softmax]", "(4, 3)", "(2, 4, 3)", "mask must broadcast to x"});
  expect_error([&] { masked_softmax(ones({3}), x); }, {"[masked_softmax]", "(3)", "(4, 3)"});
  expect_error([&] { masked_softmax(scalar(1), scalar(1)); }, {"[masked_softmax]", "scalar"});
}

TEST_CASE("op errors: products") {
  expect_error(
      [] {
        matmul(ones({4, 3}), ones({5, 2}));
      },
      {"[matmul]", "(4, 3) x (5, 2)", "inner sizes 3 and 5 differ", "transpose"});
  expect_error([] { matmul(ones({3}), ones({5})); }, {"[matmul]", "(3) x (5)", "3 and 5"});
  expect_error(
      [] {
        matmul(ones({3}), ones({5, 2}));
      },
      {"[matmul]", "(3) x (5, 2)", "3 and 5"});
  expect_error(
      [] {
        matmul(ones({4, 3}), ones({5}));
      },
      {"[matmul]", "(4, 3) x (5)", "3 and 5"});
  expect_error(
      [] {
        matmul(ones({2, 4, 3}), ones({5, 3, 2}));
      },
      {"[matmul]", "(2, 4, 3) x (5, 3, 2)", "(2)", "(5)", "broadcast"});
  expect_error([] { matmul(scalar(2), ones({3})); }, {"[matmul]", "() x (3)", "scalar", "*"});
  expect_error([] { linear(ones({7, 5}), ones({5, 3})); }, {"[linear]", "(7, 5)", "(5, 3)"});
  expect_error(
      [] {
        linear(ones({7, 5}), ones({5}));
      },
      {"[linear]", "(7, 5)", "(5)", "(out, in)"});
  expect_error(
      [] {
        linear(ones({7, 5}), ones({3, 5}), ones({5}));
      },
      {"[linear]", "bias (5)", "(3, 5)"});
  expect_error([] { linear(scalar(1), ones({3, 5})); }, {"[linear]", "()", "(3, 5)"});
}

TEST_CASE("op errors: losses") {
  Tensor logits = ones({2, 3});
  std::vector<int> three = {0, 1, 2}, large = {0, 3}, negative = {-1, 0}, none = {-100, -100};
  expect_error([&] { cross_entropy(logits, three); },
               {"[cross_entropy]", "3 labels", "(2, 3)"});
  expect_error([&] { cross_entropy(logits, large); },
               {"[cross_entropy]", "label 3", "place 1", "3 classes", "0 to 2"});
  expect_error([&] { cross_entropy(logits, negative); },
               {"[cross_entropy]", "label -1", "place 0"});
  expect_error([&] { cross_entropy(logits, none); }, {"[cross_entropy]", "ignore_index"});
  CHECK(cross_entropy(logits, none, {.reduction = Reduction::sum}).item() == 0);
  expect_error([&] { cross_entropy(scalar(1), three); }, {"[cross_entropy]", "classes"});
  expect_error([&] { cross_entropy(zeros({2, 0}), IDS); }, {"[cross_entropy]", "(2, 0)"});
  expect_error([&] { cross_entropy(logits, IDS, {.label_smoothing = 1.5}); },
               {"[cross_entropy]", "label_smoothing 1.5"});
  expect_error([&] { mse_loss(logits, ones({3})); }, {"[mse_loss]", "(2, 3)", "(3)"});
  expect_error([&] { mse_loss(zeros({0}), zeros({0})); }, {"no numbers", "(0)"});
}

TEST_CASE("op errors: batch_norm") {
  Tensor x = ones({4, 3}), mean = zeros({3}), var = ones({3}), w = ones({3}), bad = ones({4});
  expect_error([&] { batch_norm(ones({4}), mean, var, w, w, true); }, {"[batch_norm]", "(4)"});
  expect_error([&] { batch_norm(x, mean, var, bad, w, true); },
               {"[batch_norm]", "(4, 3)", "(4)", "3 channels"});
  expect_error([&] { batch_norm(x, bad, var, w, w, true); }, {"[batch_norm]", "(4, 3)", "(4)"});
  Tensor gaps = zeros({3, 2}).select(1, 0);
  expect_error([&] { batch_norm(x, gaps, var, w, w, true); },
               {"[batch_norm]", "running", "gaps"});
  expect_error(
      [&] {
        batch_norm(ones({1, 3}), mean, var, w, w, true);
      },
      {"[batch_norm]", "(1, 3)", "one value", "drop_last", "eval()"});
  expect_error(
      [&] {
        batch_norm(zeros({0, 3}), mean, var, w, w, true);
      },
      {"[batch_norm]", "(0, 3)", "no values"});
  CHECK(mean.to_vector() == zeros({3}).to_vector());  // nothing was changed
  CHECK(var.to_vector() == ones({3}).to_vector());
  CHECK(batch_norm(ones({1, 3}), mean, var, w, w, false).shape() == Shape{1, 3});
}

TEST_CASE("op errors: additive_scores") {
  Tensor q = ones({2, 3}), k = ones({2, 4, 3}), v = ones({3});
  expect_error([&] { additive_scores(q, q, v); }, {"[additive_scores]", "(2, 3)", "(B, T, A)"});
  expect_error(
      [&] {
        additive_scores(ones({2, 4}), k, v);
      },
      {"[additive_scores]", "(2, 4, 3)", "query (2, 4)", "(2, 3) and (3) wanted"});
  expect_error([&] { additive_scores(ones({1, 3}), k, v); }, {"[additive_scores]", "(1, 3)"});
  expect_error([&] { additive_scores(q, k, ones({1, 3})); }, {"[additive_scores]", "v (1, 3)"});
}

TEST_CASE("op errors: fused_attention") {
  Tensor q = ones({2, 3, 4}), k = ones({2, 5, 4}), v = ones({2, 5, 6});
  auto wrong = [](const Tensor& q, const Tensor& k, const Tensor& v, const char* shape) {
    expect_error([&] { fused_attention(q, k, v); },
                 {"[fused_attention]", shape, "(..., Tq, d), (..., Tk, d) and (..., Tk, dv)"});
  };
  wrong(ones({4}), ones({4}), ones({4}), "query (4)");
  wrong(ones({2, 3, 5}), k, v, "query (2, 3, 5)");
  wrong(q, ones({5, 4}), v, "key (5, 4)");
  wrong(q, ones({3, 5, 4}), v, "key (3, 5, 4)");
  wrong(q, k, ones({3, 5, 6}), "value (3, 5, 6)");
  wrong(q, k, ones({2, 4, 6}), "value (2, 4, 6)");
  wrong(ones({2, 3, 0}), ones({2, 5, 0}), v, "query (2, 3, 0)");
  auto wrong_mask = [&](const Shape& mask, const char* shape) {
    expect_error([&] { fused_attention(q, k, v, ones(mask)); },
                 {"[fused_attention]", "(2, 3, 5)", shape});
  };
  wrong_mask({3, 4}, "(3, 4)");
  wrong_mask({2, 2, 5}, "(2, 2, 5)");
  wrong_mask({3, 2, 3, 5}, "(3, 2, 3, 5)");
}

TEST_CASE("op errors: layer_norm and dropout") {
  Tensor x = ones({4, 3}), w = ones({3}), bad = ones({4});
  expect_error([&] { layer_norm(x, bad, w); }, {"[layer_norm]", "(4, 3)", "rows of 3", "(4)"});
  expect_error([&] { layer_norm(x, w, bad); }, {"[layer_norm]", "(4, 3)", "rows of 3", "(4)"});
  expect_error([&] { layer_norm(x, ones({1}), w); }, {"[layer_norm]", "(4, 3)", "(1)"});
  expect_error([&] { layer_norm(scalar(1), w, w); }, {"[layer_norm]", "scalar"});
  for (double p : {-0.1, 1.1, std::nan("")}) {
    expect_error([&] { dropout(x, p); }, {"[dropout] p ", "between 0 and 1"});
    expect_error([&] { dropout(x, p, false); }, {"[dropout] p ", "between 0 and 1"});
  }
}
