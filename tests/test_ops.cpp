// Every operation: its results and gradients against PyTorch's (tests/golden/ops.safetensors),
// its gradients against differences, and that none is left out.
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/random.h"
#include "tests/declarations.h"
#include "tests/golden.h"
#include "tests/op_table.h"
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace heed_tests;

namespace {

constexpr bool DOUBLE = sizeof(Scalar) == 8;

const Golden& goldens() {
  static const Golden file("ops");
  return file;
}

// The arrays of a golden case. An input with a gradient there requires one here.
Args arguments(const std::string& name) {
  const Golden& file = goldens();
  Args args;
  for (std::string in = name + "/in0"; file.has(in); ++in.back()) {
    args.in.push_back(file[in]);
    std::string grad = name + "/grad" + in.back();
    if (file.has(grad)) args.in.back().requires_grad_();
  }
  REQUIRE(!args.in.empty());
  for (const char* ids : {"/ids", "/labels"})
    if (file.has(name + ids)) args.ids = file.ints(name + ids);
  if (file.has(name + "/running_mean")) {
    args.running_mean = file[name + "/running_mean"];
    args.running_var = file[name + "/running_var"];
  }
  return args;
}

void compare_with_golden(const std::string& name, const OpRow& row, const Call& call) {
  CAPTURE(name);
  const Golden& file = goldens();
  Args args = arguments(name);
  Tensor y = call(args);
  if (row.declaration.compare(0, 6, "argmax") == 0) {
    CHECK(y.to_vector() == as_tensor(file.ints(name + "/out")).to_vector());
    return;
  }
  CHECK(difference(y, file[name + "/out"]) <= GOLDEN_TOLERANCE);
  if (args.running_mean.defined()) {
    CHECK(difference(args.running_mean, file[name + "/running_mean_after"]) <=
          GOLDEN_TOLERANCE);
    CHECK(difference(args.running_var, file[name + "/running_var_after"]) <= GOLDEN_TOLERANCE);
  }
  REQUIRE(file.has(name + "/c") == row.differentiable);
  if (!row.differentiable) return;
  y.backward(file[name + "/c"]);
  for (size_t i = 0; i < args.in.size(); ++i) {
    CAPTURE(i);
    std::string grad = name + "/grad" + std::to_string(i);
    CHECK(args[i].grad().defined() == file.has(grad));
    if (file.has(grad)) CHECK(difference(args[i].grad(), file[grad]) <= GOLDEN_TOLERANCE);
  }
}

// The same call, checked by differences. Constants stay where they are.
double differences(const std::string& name, const Call& call, const Args& args) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : args.in)
    if (x.requires_grad()) leaves.push_back(x);
  auto f = [&](const std::vector<Tensor>& in) {
    Args now = args;
    for (size_t i = 0, next = 0; i < now.in.size(); ++i)
      if (now.in[i].requires_grad()) now.in[i] = in[next++];
    return call(now);
  };
  return gradcheck(name, f, leaves);  // throws above 1e-7
}

// Numbers between 0.5 and 1.5, of either sign.
Args random_arguments(const std::vector<Shape>& shapes) {
  Generator generator(7);
  Args args;
  for (const Shape& shape : shapes) {
    Tensor x = empty(shape);
    generator.uniform(x.mutable_data(), x.numel(), 0.5, 1.5);
    for (int64_t i = 0; i < x.numel(); ++i)
      if (generator.bernoulli(0.5)) x.mutable_data()[i] *= -1;
    args.in.push_back(x.requires_grad_());
  }
  return args;
}

}  // namespace

TEST_CASE("ops: everything declared has a row, and every row is declared") {
  std::vector<std::string> declared = declared_operations(), rows;
  for (const OpRow& row : op_table()) rows.push_back(row.declaration);
  std::sort(declared.begin(), declared.end());
  std::sort(rows.begin(), rows.end());
  CHECK(declared.size() >= 60);
  CHECK(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
  std::vector<std::string> without_row, without_declaration;
  std::set_difference(declared.begin(), declared.end(), rows.begin(), rows.end(),
                      std::back_inserter(without_row));
  std::set_difference(rows.begin(), rows.end(), declared.begin(), declared.end(),
                      std::back_inserter(without_declaration));
  for (const std::string& name : without_row) FAIL_CHECK("no row for " << name);
  for (const std::string& name : without_declaration) FAIL_CHECK("no declaration of " << name);
}

TEST_CASE("ops: every golden case is used") {
  std::set<std::string> cases, used;
  for (const std::string& array : goldens().names(""))
    cases.insert(array.substr(0, array.find('/')));
  for (const OpRow& row : op_table())
    for (const GoldenCall& golden : row.goldens)
      for (const std::string& name : golden.cases) CHECK(used.insert(name).second);
  CHECK(cases.size() > 150);
  for (const std::string& name : cases)
    if (!used.count(name)) FAIL_CHECK("no row uses the golden case " << name);
  for (const std::string& name : used)
    if (!cases.count(name)) FAIL_CHECK("there is no golden case " << name);
}

TEST_CASE("ops: every row tests something") {
  for (const OpRow& row : op_table()) {
    CAPTURE(row.declaration);
    bool smooth = !row.forms.empty();
    for (const GoldenCall& golden : row.goldens) smooth |= golden.smooth;
    CHECK(smooth);
    bool copies = row.declaration == "Tensor::clone()" || row.declaration == "Tensor::detach()";
    CHECK(row.goldens.empty() == copies);  // their numbers: tests/test_tensor.cpp
  }
}

TEST_CASE("ops: results and gradients are PyTorch's") {
  for (const OpRow& row : op_table())
    for (const GoldenCall& golden : row.goldens)
      for (const std::string& name : golden.cases) compare_with_golden(name, row, golden.call);
}

TEST_CASE("ops: a view with gaps between its numbers gives the bits of a dense tensor") {
  auto spread = [](const Tensor& x) {  // every number has a NaN behind it
    if (x.dim() == Shape::MAX_RANK) return x;
    Tensor pairs = full(x.shape().with(x.dim(), 2), std::nan(""));
    pairs.select(-1, 0).copy_(x.detach());
    return pairs.select(-1, 0).requires_grad_(x.requires_grad());
  };
  int compared = 0;
  for (const OpRow& row : op_table()) {
    if (row.declaration.compare(0, 13, "Tensor::view(") == 0) continue;  // refuses such views
    for (const GoldenCall& golden : row.goldens)
      for (const std::string& name : golden.cases) {
        CAPTURE(name);
        Args dense = arguments(name), views = arguments(name);
        for (Tensor& x : views.in) x = spread(x);
        Tensor expected = golden.call(dense), y = golden.call(views);
        CHECK(same(y, expected));
        if (!expected.requires_grad()) continue;
        Tensor c = goldens()[name + "/c"];
        expected.backward(c);
        y.backward(c);
        for (size_t i = 0; i < dense.in.size(); ++i)
          CHECK(same(views[i].grad(), dense[i].grad()));
        ++compared;
      }
  }
  CHECK(compared > 100);
}

TEST_CASE("ops: what is not differentiable requires no gradient") {
  for (const OpRow& row : op_table()) {
    if (row.differentiable) continue;
    CAPTURE(row.declaration);
    std::vector<Args> all;
    for (const FormCall& form : row.forms) {
      Args args = random_arguments(form.inputs);
      CHECK_FALSE(form.call(args).requires_grad());
    }
    for (const GoldenCall& golden : row.goldens) {
      Args args = arguments(golden.cases[0]);
      for (Tensor& x : args.in) x.requires_grad_();
      CHECK_FALSE(golden.call(args).requires_grad());
    }
  }
}

TEST_CASE("ops: gradients against differences, every element" * doctest::skip(!DOUBLE)) {
  int calls = 0;
  double largest = 0;
  auto check = [&](const std::string& name, const Call& call, const Args& args) {
    ++calls;
    CHECK_NOTHROW(largest = std::max(largest, differences(name, call, args)));
  };
  for (const OpRow& row : op_table()) {
    if (!row.differentiable) continue;
    for (const GoldenCall& golden : row.goldens)
      for (const std::string& name : golden.cases)
        if (golden.smooth) check(name, golden.call, arguments(name));
    for (const FormCall& form : row.forms)
      check(row.declaration, form.call, random_arguments(form.inputs));
  }
  CHECK(calls > 200);
  MESSAGE("largest error of " << calls << " calls: " << largest);
}
