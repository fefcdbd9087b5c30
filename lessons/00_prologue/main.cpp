// Question: what is underneath? Where do a tensor's numbers lie, how does a program find its
//           own derivatives, who checks them, and how fast can a matrix product be?
// Command:  make lesson-00        (ARGS="--size 960": larger matrices in section 6; --help)
// Seconds:  about 2
// Expected: all checks hold; the last line, a hash of the results, is the same everywhere.
#include <algorithm>
#include <string>
#include <vector>
#include "layers/heed.h"
#include "lessons/00_prologue/layout.h"
#include "lessons/00_prologue/matmul_race.h"
#include "lessons/00_prologue/own_operations.h"
#include "lessons/00_prologue/tape.h"
#include "lessons/support/checks.h"
#include "lessons/support/files.h"
#include "lessons/support/options.h"
#include "lessons/support/terminal.h"
#include "lessons/support/text.h"

using namespace heed;

struct Settings : CommonSettings {
  std::string size = "288";  // rows and columns of the matrices in section 6
};

// The message of the error that f throws.
template <class F> std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// ---- 1. A tensor in memory ------------------------------------------------------------------

std::vector<Picture> make_views() {
  // [snippet: views]
  Tensor a = tensor({10, 11, 12, 20, 21, 22}, {2, 3});
  return {{"a", a},
          {"a.transpose(0, 1)", a.transpose(0, 1)},
          {"a.view({3, 2})", a.view({3, 2})},
          {"a.narrow(1, 1, 2)", a.narrow(1, 1, 2)},
          {"a.narrow(0, 1, 1).expand({3, 3})", a.narrow(0, 1, 1).expand({3, 3})},
          {"a.transpose(0, 1).contiguous()", a.transpose(0, 1).contiguous()}};
  // [end]
}

// Prints every tensor with the place of each element. The rule for places is checked against
// the library's own at(); then come the view that cannot be, and a change seen through a view.
void memory(const Settings& settings, Checks& checks) {
  std::vector<Picture> pictures = make_views();
  Tensor a = pictures[0].x, turned = pictures[1].x, copy = pictures.back().x;
  say("1. A tensor in memory\n\nthe memory of a");
  print_memory(a);
  int found = 0, elements = 0;
  for (const Picture& picture : pictures) {
    print(picture, a);
    const Tensor& x = picture.x;
    for (int64_t i = 0; i < x.size(0); ++i)
      for (int64_t j = 0; j < x.size(1); ++j, ++elements)
        found += x.storage()->data()[slot(x, i, j)] == x.at({i, j});
  }
  std::string refused = error_of([&] { turned.view({6}); });
  say("\na.transpose(0, 1).view({6}) throws\n  %s", refused.c_str());

  turned.set({2, 0}, 99);  // row 2, column 0 of the transpose is row 0, column 2 of a
  say("\nafter a.transpose(0, 1).set({2, 0}, 99)");
  say("  a[0, 2] is %g, the copy's [2, 0] is %g\n", double(a.at({0, 2})),
      double(copy.at({2, 0})));
  checks.check(found == elements, "offset + i stride0 + j stride1 finds %d of %d elements",
               found, elements);
  checks.check(contains(refused, "contiguous()"), "the error names the remedy");
  checks.check(a.at({0, 2}) == 99 && copy.at({2, 0}) == 12,
               "views share numbers, a copy does not");
  write_file(settings.out + "/layout.svg", as_svg(make_views()));
}

// ---- 2. The tape ----------------------------------------------------------------------------

// Gradients by program beside gradients by hand; what a used tape says; how gradients add up.
void tape(Checks& checks) {
  say("\n2. The tape of loss = (w x + b - target)^2, with w = 2, x = 3, b = 1, target = 5\n");
  Tensor w = scalar(2).requires_grad_(), b = scalar(1).requires_grad_();
  Tensor x = scalar(3), target = scalar(5);
  Forward f(w, b, x, target);
  Named tensors = {{"loss", f.loss}, {"error", f.error}, {"guess", f.guess},
                   {"product", f.product}, {"w", w}, {"b", b}};
  const double by_hand[] = {1, 4, 4, 4, 12, 4};  // the chain rule, from the loss down
  std::vector<std::string> operations;
  for (const auto& [name, t] : tensors) {
    operations.push_back(recorded(t, tensors));
    t.retain_grad();  // inner tensors, too, shall keep what backward() brings
  }
  f.loss.backward();
  say("%-8s  %-17s  %5s  %13s  %7s", "tensor", "recorded as", "value", "dloss/d(this)",
      "by hand");
  int right = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, t] = tensors[i];
    double gradient = t.grad().item();
    right += gradient == by_hand[i];
    say("%-8s  %-17s  %5g  %13g  %7g", name, operations[i].c_str(), double(t.item()), gradient,
        by_hand[i]);
  }
  // The definition of a slope: move w a little, and see how far the loss moves.
  double moved = Forward(scalar(2.001), b, x, target).loss.item();
  double slope = (moved - f.loss.item()) / 0.001;
  say("\nw moved by 0.001 moves the loss %.2f times as far", slope);

  std::string refused = error_of([&] { f.loss.backward(); });
  say("\na second loss.backward() throws\n  %s", refused.c_str());
  Forward(w, b, x, target).loss.backward();
  double twice = w.grad().item();
  w.zero_grad();
  say("\na second forward and backward pass: the gradient of w is %g\n", twice);
  checks.check(right == 6, "%d of 6 gradients are those by hand", right);
  checks.near("the slope from two neighbours", slope, 12, 0.02);
  checks.check(contains(refused, "run the forward pass again"), "a used tape is refused");
  checks.check(twice == 24, "gradients add up");
  checks.check(!w.grad().defined(), "zero_grad() drops the gradient");
}

// Expected numbers: README.md of github.com/karpathy/micrograd.
void micrograd_example(Checks& checks) {
  // [snippet: micrograd]
  Tensor a = scalar(-4).requires_grad_(), b = scalar(2).requires_grad_();
  Tensor c = a + b, d = a * b + pow(b, 3);
  c = c + c + 1;
  c = c + 1 + c - a;
  d = d + d * 2 + relu(b + a);
  d = d + 3 * d + relu(b - a);
  Tensor f = pow(c - d, 2), g = f / 2 + 10 / f;
  g.backward();
  // [end]
  double da = a.grad().item(), db = b.grad().item();
  say("\nmicrograd's example: g %.4f, dg/da %.4f, dg/db %.4f\n", double(g.item()), da, db);
  checks.near("g", g.item(), 24.7041, 0.00005);
  checks.near("dg/da", da, 138.8338, 0.00005);
  checks.near("dg/db", db, 645.5773, 0.00005);
}

// ---- 3. What gradients are for --------------------------------------------------------------

// Forty steps downhill. w and b must arrive at the line that a formula gives.
uint64_t training(Checks& checks) {
  say("\n3. What gradients are for: a line through 64 points scattered around y = 2 x - 1\n");
  // [snippet: training]
  Tensor x = uniform({64}, -1, 1), y = 2 * x - 1 + 0.1 * randn({64});
  Tensor w = scalar(0).requires_grad_(), b = scalar(0).requires_grad_();
  for (int step = 0; step <= 40; ++step) {
    Tensor loss = mean(pow(w * x + b - y, 2));
    if (step % 10 == 0)
      say("step %2d   loss %.4f   w %7.4f   b %7.4f", step, loss.item(), w.item(), b.item());
    w.zero_grad();
    b.zero_grad();
    loss.backward();
    NoGrad guard;            // the step itself is not recorded
    w.add_(w.grad(), -0.5);  // w -= 0.5 dloss/dw
    b.add_(b.grad(), -0.5);
  }
  // [end]
  Tensor dx = x - mean(x);  // the least squares line in closed form
  double best_w = (sum(dx * y) / sum(dx * dx)).item();
  double best_b = mean(y).item() - best_w * mean(x).item();
  say("the best line, by formula: w %.4f   b %.4f\n", best_w, best_b);
  checks.near("w", w.item(), best_w, 0.001);
  checks.near("b", b.item(), best_b, 0.001);
  return hash_of(b, hash_of(w));
}

// ---- 4. A check that can fail ---------------------------------------------------------------

// One row an operation: what either check finds in its backward step. The plain sum must be
// fooled where theory says so, and gradcheck must judge rightly, but for x^0.
void gradient_checks(const Settings& settings, Checks& checks) {
  say("\n4. A check that can fail\n");
  constexpr double tolerance = 1e-7;
  auto judged = [](double error) {
    return formatted("%7.1e %s", error, error < tolerance ? "passes" : "caught");
  };
  GradcheckResults results = check_own_operations(settings.seed);
  say("%-28s  %-14s  %s", "error found in", "by plain sum", "by gradcheck");
  int fooled = 0, misjudged = 0;
  for (const Verdict& v : results.verdicts) {
    say("%-28s  %s  %s", v.operation.c_str(), judged(v.plain_sum).c_str(),
        judged(v.random_weights).c_str());
    fooled += !v.right && v.plain_sum < tolerance;
    misjudged += v.right != (v.random_weights < tolerance);
  }
  say("\ngradcheck of cube with 2 x^2 throws\n  %s\n", results.message.c_str());
  checks.check(fooled == 3, "the plain sum passes %d of 5 wrong backward steps", fooled);
  checks.check(misjudged == 1, "gradcheck misjudges %d: x^0, where the slip does not show",
               misjudged);
}

// ---- 5. Softmax, wherever the scores lie ----------------------------------------------------

// [snippet: softmax start]
// Softmax of one row of scores. The search for the largest starts at `start`.
Tensor softmax_from(double start, const Tensor& scores) {
  double largest = start;
  for (Scalar score : scores.to_vector()) largest = std::max(largest, double(score));
  Tensor e = exp(scores - largest);
  return e / sum(e);
}
// [end]

// Softmax does not depend on a number that is added to all scores. Which code knows that?
uint64_t moved_softmax(Checks& checks) {
  say("\n5. Softmax of the scores 1, 2, 3 with one number added to all of them\n");
  say("%8s   %-27s   %s", "added", "         search from -10000", "     heed's softmax");
  auto row = [](const Tensor& y) {
    std::string text;
    for (double share : y.to_vector())
      text += formatted("%9s", share == share ? formatted("%.4f", share).c_str() : "NaN");
    return text;
  };
  Tensor scores = tensor({1, 2, 3}), expected = softmax(scores, 0);
  bool same = true, broken = false;
  for (double added : {0, -9000, -10050, -10100, -10105, -10200}) {
    Tensor from = softmax_from(-10000, scores + added), ours = softmax(scores + added, 0);
    say("%8g   %s   %s", added, row(from).c_str(), row(ours).c_str());
    same &= hash_of(ours) == hash_of(expected);
    broken |= from.at({0}) != from.at({0});  // nothing but NaN differs from itself
  }
  say();
  checks.check(same, "heed's softmax keeps its bits when all scores move");
  checks.check(broken, "the one that starts at -10000 ends in NaN");
  return hash_of(expected);
}

// ---- 6. Matrix multiplication ---------------------------------------------------------------

// On one thread, so that the steps and the peak are of one core.
uint64_t multiplication(const Settings& settings, Checks& checks) {
  say("\n6. Matrix multiplication, step by step\n");
  int threads = get_num_threads();
  set_num_threads(1);
  double peak = steps::measured_peak();
  uint64_t hash = steps::print_steps(std::stoi(settings.size), peak, checks);
  steps::draw_steps(settings.out + "/matmul.measured.svg", peak);
  set_num_threads(threads);
  return hash;
}

// ---- 7. The same numbers everywhere ---------------------------------------------------------

// A seed's numbers are PyTorch's; and why "the same bits" is not a matter of course.
uint64_t same_numbers(const Settings& settings, Checks& checks) {
  say("\n7. The same numbers everywhere\n");
  manual_seed(settings.seed);
  Tensor r = rand({3});
  say("manual_seed(%llu); rand({3}) is %s", static_cast<unsigned long long>(settings.seed),
      to_string(r).c_str());
  float big = 1e8f, one = 1;
  float left = (big + one) - big, right = (big - big) + one;
  say("in float, (1e8 + 1) - 1e8 = %g, and (1e8 - 1e8) + 1 = %g\n", double(left),
      double(right));
  if (settings.seed == 0)
    checks.check(contains(to_string(r), "[0.4963, 0.7682, 0.0885]"),
                 "torch.manual_seed(0) gives the same three numbers");
  checks.check(left == 0 && right == 1, "the order of a sum matters");
  return hash_of(r);
}

int lesson(const Settings& settings) {
  Checks checks;
  memory(settings, checks);
  tape(checks);
  micrograd_example(checks);
  manual_seed(settings.seed);
  uint64_t hashes[4];
  hashes[0] = training(checks);
  gradient_checks(settings, checks);
  hashes[1] = moved_softmax(checks);
  hashes[2] = multiplication(settings, checks);
  hashes[3] = same_numbers(settings, checks);
  say("\nfigures are in %s\n", settings.out.c_str());
  int status = checks.finish();
  say("results %s", digits(fnv1a(hashes, sizeof hashes)).c_str());
  return status;
}

int main(int argc, char** argv) {
  Settings settings;
  Options options("lesson-00",
                  "Tensors, the tape, gradients that can be checked, fast matrices.", settings);
  // Multiples of 96: the tiles of step 5 know no edges.
  const std::vector<std::string> sizes = {"96", "192", "288", "384", "480", "960", "1920"};
  options.add("--size", settings.size, sizes, "rows and columns of the matrices");
  return run_lesson(argc, argv, options, [&] { return lesson(settings); });
}
