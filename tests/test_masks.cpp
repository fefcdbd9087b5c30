// Masks: what each hides, the words it prints, and what it refuses. That a hidden key has no
// influence: test_attention.cpp, test_proofs.cpp.
#include "layers/masks.h"
#include <cmath>
#include <sstream>
#include "autograd/ops.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::expect_error;

namespace {

using Numbers = std::vector<Scalar>;

std::string words(const Mask& mask) {
  std::ostringstream out;
  out << mask;
  return out.str();
}
bool is(const Mask& mask, const Shape& shape, Numbers numbers) {
  return mask.tensor().shape() == shape && mask.tensor().to_vector() == numbers;
}
// (B, Tq, Tk) = (2, 1, 5)
Mask two_sentences() { return padding_mask(std::vector<int>{5, 3}, 5); }

}  // namespace

TEST_CASE("masks: causal: position i sees 0 to i") {
  CHECK(is(causal_mask(1), {1, 1}, {1}));
  CHECK(is(causal_mask(3), {3, 3}, {1, 0, 0, 1, 1, 0, 1, 1, 1}));
  CHECK(words(causal_mask(3)) ==
        "query 0 sees key 0\nquery 1 sees keys 0, 1\nquery 2 sees keys 0 to 2\n");
  expect_error([] { causal_mask(0); }, {"[causal_mask] size 0", "at least 1"});
  expect_error([] { causal_mask(-2); }, {"[causal_mask] size -2"});
}

TEST_CASE("masks: padding: the keys of a sentence are its first positions") {
  CHECK(is(two_sentences(), {2, 1, 5}, {1, 1, 1, 1, 1, 1, 1, 1, 0, 0}));
  CHECK(is(padding_mask(std::vector<int>{0}, 2), {1, 1, 2}, {0, 0}));
  CHECK(words(two_sentences()) ==
        "sentence 0, every query sees keys 0 to 4\n"
        "sentence 1, every query sees keys 0 to 2\n");
  auto of = [](std::vector<int> lengths, int64_t T) {
    return [=] { padding_mask(lengths, T); };
  };
  expect_error(of({}, 5), {"[padding_mask]", "no sentences"});
  expect_error(of({5, 6}, 5), {"[padding_mask] sentence 1", "length 6", "5 positions"});
  expect_error(of({-1}, 5), {"[padding_mask] sentence 0", "length -1"});
}

TEST_CASE("masks: keep and hide are each other's opposite") {
  Tensor numbers = tensor({1, 0, 0, 1, 1, 0}, {2, 3});
  CHECK(is(Mask::keep(numbers), {2, 3}, {1, 0, 0, 1, 1, 0}));
  CHECK(is(Mask::hide(numbers), {2, 3}, {0, 1, 1, 0, 0, 1}));
  // A mask is a value of its own, row-major, without a graph.
  Tensor wide = tensor({1, 0, 0, 1}, {2, 2}).requires_grad_();
  Mask turned = Mask::keep(wide.transpose(0, 1).unsqueeze(0));
  CHECK(turned.tensor().is_contiguous());
  CHECK_FALSE(turned.tensor().requires_grad());
  Mask before = Mask::keep(numbers);
  numbers.fill_(1);
  CHECK(is(before, {2, 3}, {1, 0, 0, 1, 1, 0}));
}

TEST_CASE("masks: combine: what both leave visible") {
  Mask both = combine(causal_mask(3), padding_mask(std::vector<int>{3, 1}, 3));
  CHECK(is(both, {2, 3, 3}, {1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0}));
  CHECK(words(both) ==
        "sentence 0, query 0 sees key 0\nsentence 0, query 1 sees keys 0, 1\n"
        "sentence 0, query 2 sees keys 0 to 2\nsentence 1, query 0 sees key 0\n"
        "sentence 1, query 1 sees key 0\nsentence 1, query 2 sees key 0\n");
  Mask none;
  CHECK(is(combine(none, causal_mask(2)), {2, 2}, {1, 0, 1, 1}));
  CHECK(is(combine(causal_mask(2), none), {2, 2}, {1, 0, 1, 1}));
  CHECK_FALSE(combine(none, none).defined());
  // A mask for each sentence beside one for each head: (2, 1, 3) and (1, 2, 1, 3).
  Mask heads = Mask::keep(tensor({1, 1, 0, 0, 1, 1}, {1, 2, 1, 3}));
  Numbers expected = {1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0};
  Mask sentences = padding_mask(std::vector<int>{3, 1}, 3);
  CHECK(is(combine(heads, sentences), {2, 2, 1, 3}, expected));
  CHECK(is(combine(sentences, heads), {2, 2, 1, 3}, expected));
  expect_error([&] { combine(causal_mask(4), two_sentences()); },
               {"[combine]", "(4, 4)", "(2, 1, 5)", "4 and 5 differ"});
  expect_error([&] { combine(Mask::keep(ones({3, 1, 5})), two_sentences()); },
               {"[combine]", "(3, 1, 5)", "(2, 1, 5)", "3 and 2 differ"});
}

TEST_CASE("masks: words for every form") {
  CHECK(words(Mask()) == "no mask: every query sees every key\n");
  CHECK(words(Mask::keep(tensor({0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1}, {4, 4}))) ==
        "query 0 sees key 3\nquery 1 sees keys 0 to 3\nquery 2 sees keys 1, 2\n"
        "query 3 sees keys 1 to 3\n");
  CHECK(words(Mask::keep(tensor({1, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0}, {2, 7}))) ==
        "query 0 sees keys 0 to 2, 4, 6\nquery 1 sees key 0\n");
  CHECK(words(Mask::hide(ones({1, 3}))) == "every query sees nothing\n");
  CHECK(words(Mask::keep(eye(2).unsqueeze(0).unsqueeze(0))) ==
        "sentence 0, head 0, query 0 sees key 0\nsentence 0, head 0, query 1 sees key 1\n");
  CHECK(words(Mask::keep(tensor({1, 0, 0, 1}, {1, 2, 1, 2}))) ==
        "sentence 0, head 0, every query sees key 0\n"
        "sentence 0, head 1, every query sees key 1\n");
}

TEST_CASE("masks: what is no mask is refused") {
  expect_error([] { Mask::keep(ones({5})); }, {"[mask] (5)", "(Tq, Tk)", "(B, H, Tq, Tk)"});
  expect_error([] { Mask::keep(scalar(1)); }, {"[mask] ()", "(Tq, Tk)"});
  expect_error([] { Mask::keep(ones({1, 1, 1, 2, 2})); }, {"[mask] (1, 1, 1, 2, 2)"});
  expect_error([] { Mask::keep(Tensor()); }, {"[mask]", "undefined"});
  expect_error([] { Mask::hide(Tensor()); }, {"[mask]", "undefined"});
  for (double number : {-1e9, 0.5, 2., std::nan("")})
    expect_error([&] { Mask::keep(full({2, 2}, number)); },
                 {"[mask] holds ", "1, may attend, and 0, hidden", "not added to the scores"});
}

TEST_CASE("masks: for_scores: the batch first, a size of 1 repeats") {
  const Shape scores{2, 3, 4, 5};  // B, H, Tq, Tk
  auto shape = [&](const Shape& mask) {
    return Mask::keep(ones(mask)).for_scores(scores).shape();
  };
  CHECK(shape({4, 5}) == Shape{4, 5});
  CHECK(shape({1, 5}) == Shape{1, 5});
  CHECK(shape({4, 1}) == Shape{4, 1});
  CHECK(shape({2, 4, 5}) == Shape{2, 1, 4, 5});
  CHECK(shape({2, 1, 5}) == Shape{2, 1, 1, 5});
  CHECK(shape({1, 4, 5}) == Shape{1, 1, 4, 5});
  CHECK(shape({2, 3, 4, 5}) == Shape{2, 3, 4, 5});
  CHECK(shape({1, 3, 1, 5}) == Shape{1, 3, 1, 5});
  // Without heads: (B, Tq, Tk) and (Tq, Tk).
  CHECK(Mask::keep(ones({2, 4, 5})).for_scores({2, 4, 5}).shape() == Shape{2, 4, 5});
  CHECK(Mask::keep(ones({4, 5})).for_scores({2, 4, 5}).shape() == Shape{4, 5});
  CHECK(Mask::keep(ones({4, 5})).for_scores({4, 5}).shape() == Shape{4, 5});
}

TEST_CASE("masks: for_scores: sizes of something else are refused, and which is said") {
  const Shape scores{2, 3, 4, 5};
  auto use = [&](const Shape& mask, const Shape& for_these) {
    return [=] { Mask::keep(ones(mask)).for_scores(for_these); };
  };
  expect_error(use({4, 6}, scores),
               {"[mask] (4, 6)", "scores (2, 3, 4, 5)", "6 keys", "there are 5"});
  expect_error(use({5, 5}, scores), {"[mask] (5, 5)", "5 queries", "there are 4"});
  expect_error(use({5, 4}, scores), {"[mask] (5, 4)", "4 keys", "there are 5"});  // transposed
  // A mask for each head in place of one for each sentence: (H, Tq, Tk).
  expect_error(use({3, 4, 5}, scores),
               {"[mask] (3, 4, 5)", "3 sentences", "there are 2", "the batch first",
                "unsqueeze(0)"});
  expect_error(use({7, 4, 5}, scores), {"[mask] (7, 4, 5)", "7 sentences", "there are 2"});
  expect_error(use({2, 2, 4, 5}, scores), {"[mask] (2, 2, 4, 5)", "2 heads", "there are 3"});
  expect_error(use({3, 3, 4, 5}, scores), {"[mask] (3, 3, 4, 5)", "3 sentences"});
  expect_error(use({3, 4, 5}, {2, 4, 5}), {"[mask] (3, 4, 5)", "3 sentences", "there are 2"});
  expect_error(use({2, 4, 5}, {4, 5}), {"[mask] (2, 4, 5)", "(4, 5)", "more dimensions"});
  expect_error(use({2, 3, 4, 5}, {2, 4, 5}), {"[mask] (2, 3, 4, 5)", "more dimensions"});
}
