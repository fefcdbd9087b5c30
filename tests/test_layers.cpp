// Every layer of the table (layer_table.h): derivatives, PyTorch's numbers and names, copies,
// moves, modes, saved state.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "optim/sgd.h"
#include "tests/golden.h"
#include "tests/layer_table.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>

using namespace heed;
using namespace heed_tests;

namespace {

const Golden& golden() {
  static const Golden file("layers");
  return file;
}

// The inputs of a case's calls, in order. What has a gradient there requires one here.
std::vector<Inputs> calls_of(const std::string& name) {
  std::vector<Inputs> calls;
  auto part = [&](const std::string& array, size_t j) {
    return name + "/" + array + (j ? "." + std::to_string(j) : "");
  };
  for (std::string in = "in0"; golden().has(part(in, 0)); ++in.back()) {
    calls.emplace_back();
    for (size_t j = 0; golden().has(part(in, j)); ++j) {
      calls.back().push_back(golden()[part(in, j)]);
      if (golden().has(part("grad0", j))) calls.back().back().requires_grad_();
    }
  }
  return calls;
}
Inputs last_inputs(const std::string& name) { return calls_of(name).back(); }

// "weight" from "Linear/param.weight", and so on: the state that PyTorch had, under its names.
StateDict state_of(const std::string& name, const std::string& parameters,
                   const std::string& buffers) {
  StateDict state;
  for (const std::string& prefix : {name + "/" + parameters + ".", name + "/" + buffers + "."})
    for (const std::string& key : golden().names(prefix))
      if (key.ends_with("num_batches_tracked")) {
        state.counters.emplace_back(key, golden().ints(prefix + key).at(0));
      } else {
        state.tensors.emplace_back(key, golden()[prefix + key]);
      }
  return state;
}

const std::vector<AnyRow>& rows() {
  static const std::vector<AnyRow> all = all_rows();
  return all;
}

// The layer of a row with the golden case's weights.
AnyRow::Layer with_golden_weights(const AnyRow& row) {
  AnyRow::Layer layer = row.make();
  layer->load_state_dict(state_of(row.name, "param", "buffer"));
  return layer;
}

const Tensor* find(const StateDict& state, const std::string& name) {
  for (auto& [key, tensor] : state.tensors)
    if (key == name) return &tensor;
  return nullptr;
}

bool same(const StateDict& a, const StateDict& b) {
  if (a.counters != b.counters || a.tensors.size() != b.tensors.size()) return false;
  for (size_t i = 0; i < a.tensors.size(); ++i)
    if (a.tensors[i].first != b.tensors[i].first ||
        !heed_tests::same(a.tensors[i].second, b.tensors[i].second))
      return false;
  return true;
}

// Every parameter and buffer that FIELDS leads to.
std::vector<Tensor> listed(Module& layer) {
  std::vector<Tensor> result;
  Fields walk;
  walk.parameter = [&](auto&, Parameter& p) { result.push_back(p); };
  walk.buffer = [&](auto&, Buffer& b) { result.push_back(b); };
  layer.fields(walk);
  return result;
}

#ifdef HEED_DOUBLE
// The leaves among the inputs, then the parameters.
std::vector<Tensor> leaves(const Inputs& inputs, const Module& layer) {
  std::vector<Tensor> result;
  for (const Tensor& x : inputs)
    if (x.requires_grad()) result.push_back(x);
  for (const Tensor& p : layer.parameters()) result.push_back(p);
  return result;
}
#endif

// Two steps of training, which move weights, running statistics and counters.
void train_a_little(const AnyRow& row, Module& layer) {
  for (int step = 0; step < 2; ++step) {
    layer.zero_grad();
    Tensor y = row.call(layer, last_inputs(row.name));
    if (layer.parameters().empty()) continue;
    (y * y).backward(ones(y.shape()));
    SGD(layer.named_parameters(), {.lr = 0.1}).step();
  }
}

// The class that a line declares, if it derives from Module: "Linear" of
// "struct Linear : Module {" or "class Linear final : public Module {". Else "".
std::string layer_declared_in(const std::string& line) {
  std::istringstream words(line);
  std::string kind, name, colon, base;
  words >> kind >> name >> colon;
  if (colon == "final") words >> colon;
  words >> base;
  if (base == "public") words >> base;
  base = base.substr(0, base.find_first_of(",{"));
  return (kind == "struct" || kind == "class") && colon == ":" && base == "Module" ? name : "";
}

std::set<std::string> declared_layers() {
  std::set<std::string> result;
  for (auto& entry : std::filesystem::directory_iterator("layers")) {
    if (entry.path().extension() != ".h") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) result.insert(layer_declared_in(line));
  }
  result.erase("");
  return result;
}

}  // namespace

TEST_CASE("layers: every class derived from Module has a row, and every row a class") {
  CHECK(layer_declared_in("  class A final : public Module, B {") == "A");
  CHECK(layer_declared_in("struct A : Module{") == "A");
  CHECK(layer_declared_in("struct A : Modules {") == "");
  std::set<std::string> classes;
  for (const AnyRow& row : rows()) classes.insert(row.name.substr(0, row.name.find('.')));
  CHECK(classes == declared_layers());
  CHECK(classes.size() >= 6);  // the reader of headers finds something
}

TEST_CASE("layers: FIELDS lists every parameter and buffer there is") {
  for (const AnyRow& row : rows()) {
    INFO(row.name);
    int before = OwnedTensor::alive();
    AnyRow::Layer layer = row.make();
    CHECK(OwnedTensor::alive() - before == int(listed(*layer).size()));
  }
  CHECK(OwnedTensor::alive() == 0);  // no default-made layer outlives its row
}

TEST_CASE("layers: PyTorch's names, and no others") {
  for (const AnyRow& row : rows()) {
    INFO(row.name);
    AnyRow::Layer layer = row.make();
    std::set<std::string> ours, theirs, trained, trained_there;
    for (auto& [name, tensor] : layer->state_dict().tensors) ours.insert(name);
    for (auto& [name, count] : layer->state_dict().counters) ours.insert(name);
    for (auto& [name, tensor] : layer->named_parameters()) trained.insert(name);
    for (const char* kind : {"param.", "buffer."})
      for (const std::string& name : golden().names(row.name + "/" + kind)) theirs.insert(name);
    for (const std::string& name : golden().names(row.name + "/param."))
      trained_there.insert(name);
    CHECK(ours == theirs);
    CHECK(trained == trained_there);
  }
}

TEST_CASE("layers: PyTorch's outputs, gradients and running statistics") {
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer layer = with_golden_weights(row);
    std::vector<Inputs> calls = calls_of(row.name);
    REQUIRE(calls.size() >= 1);
    Tensor y;
    for (size_t i = 0; i < calls.size(); ++i) {
      CAPTURE(i);
      y = row.call(*layer, calls[i]);
      CHECK(difference(y, golden()[row.name + "/out" + std::to_string(i)]) < GOLDEN_TOLERANCE);
    }
    y.backward(golden()[row.name + "/c"]);
    for (size_t j = 0; j < calls.back().size(); ++j) {
      if (!calls.back()[j].requires_grad()) continue;
      std::string grad = row.name + "/grad0" + (j ? "." + std::to_string(j) : "");
      CHECK(difference(calls.back()[j].grad(), golden()[grad]) < GOLDEN_TOLERANCE);
    }
    for (auto& parameter : layer->named_parameters()) {
      auto& name = parameter.first;
      auto& p = parameter.second;
      CAPTURE(name);
      if (row.zero_gradient.count(name)) continue;
      CHECK(difference(p.grad(), golden()[row.name + "/grad." + name]) < GOLDEN_TOLERANCE);
    }
    StateDict after = state_of(row.name, "no parameters", "buffer_after");
    StateDict ours = layer->state_dict();
    CHECK(ours.counters == after.counters);
    for (auto& expected : after.tensors) {
      auto& name = expected.first;
      CAPTURE(name);
      REQUIRE(find(ours, name));
      CHECK(difference(*find(ours, name), expected.second) < GOLDEN_TOLERANCE);
    }
    layer->eval();
    CHECK(difference(row.call(*layer, calls.back()), golden()[row.name + "/out_eval"]) <
          GOLDEN_TOLERANCE);
    CHECK(same(layer->state_dict(), ours));  // eval() leaves the state as it is
  }
}

TEST_CASE(
    "layers: every parameter gets a gradient, but for those that are named with a reason") {
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer layer = with_golden_weights(row);
    Tensor y = row.call(*layer, last_inputs(row.name));
    if (layer->parameters().empty()) continue;
    y.backward(golden()[row.name + "/c"]);
    auto size = [](const Tensor& p) { return double(max(p.grad() * p.grad()).item()); };
    double largest = 0;
    for (const Tensor& p : layer->parameters()) largest = std::max(largest, size(p));
    for (auto& parameter : layer->named_parameters()) {
      auto& name = parameter.first;
      auto& p = parameter.second;
      CAPTURE(name);
      REQUIRE(p.grad().defined());
      bool zero =
          std::sqrt(size(p) / largest) < 10 * double(std::numeric_limits<Scalar>::epsilon());
      CHECK(zero == (row.zero_gradient.count(name) == 1));
    }
    for (auto& [name, reason] : row.zero_gradient) {
      CHECK(golden().has(row.name + "/param." + name));
      CHECK(!reason.empty());
    }
  }
}

#ifdef HEED_DOUBLE
TEST_CASE("layers: gradcheck of every element of inputs and parameters, in both modes") {
  double largest = 0;
  for (const AnyRow& row : rows()) {
    if (!row.no_derivative.empty()) continue;
    AnyRow::Layer layer = with_golden_weights(row);
    for (bool training : {true, false}) {
      CAPTURE(row.name);
      CAPTURE(training);
      layer->train(training);
      // The leaves are changed in place, so that the call sees each change.
      Inputs inputs = last_inputs(row.name);
      auto call = [&](auto&) { return row.call(*layer, inputs); };
      double error = gradcheck(row.name, call, leaves(inputs, *layer));
      CHECK(error < 1e-7);
      largest = std::max(largest, error);
    }
  }
  MESSAGE("largest error: " << largest);
}
#endif

TEST_CASE("layers: a copy is equal, and then a layer of its own") {
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer layer = with_golden_weights(row);
    train_a_little(row, *layer);  // gradients, and statistics that are not those of the start
    AnyRow::Layer copy = row.copy(*layer);
    CHECK(same(copy->state_dict(), layer->state_dict()));
    CHECK(copy->training == layer->training);
    std::vector<Tensor> a = listed(*layer), b = listed(*copy);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].storage().get() != b[i].storage().get());
      CHECK(a[i].requires_grad() == b[i].requires_grad());
      CHECK(b[i].is_leaf());
      CHECK(!b[i].grad().defined());
      if (a[i].node()) CHECK(a[i].node().get() != b[i].node().get());
    }
    StateDict before = layer->state_dict();
    train_a_little(row, *copy);
    if (!layer->parameters().empty()) CHECK(!same(copy->state_dict(), before));
    CHECK(same(layer->state_dict(), before));
    std::vector<AnyRow::Layer> copies = row.clones(*layer, 3);
    REQUIRE(copies.size() == 3);
    train_a_little(row, *copies[1]);
    for (int i : {0, 2}) CHECK(same(copies[size_t(i)]->state_dict(), before));
    CHECK(same(copies[1]->state_dict(), copy->state_dict()));
  }
}

TEST_CASE("layers: a moved layer keeps its parameters' identity") {
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer layer = with_golden_weights(row);
    StateDict numbers = layer->state_dict();
    std::vector<Tensor> before = listed(*layer);
    AnyRow::Layer moved = row.move(*layer);
    AnyRow::Layer assigned = row.make();
    row.move_assign(*assigned, *moved);
    std::vector<Tensor> after = listed(*assigned);
    REQUIRE(after.size() == before.size());
    for (size_t i = 0; i < after.size(); ++i) {
      CHECK(after[i].storage().get() == before[i].storage().get());
      CHECK(after[i].node().get() == before[i].node().get());
    }
    CHECK(same(assigned->state_dict(), numbers));
  }
}

TEST_CASE("layers: a copy assigned over a layer puts its numbers into the parameters there") {
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer source = with_golden_weights(row), target = row.make();
    train_a_little(row, *source);
    std::vector<Tensor> before = listed(*target);
    row.assign(*target, *source);
    std::vector<Tensor> after = listed(*target);
    CHECK(same(target->state_dict(), source->state_dict()));
    REQUIRE(after.size() == before.size());
    for (size_t i = 0; i < after.size(); ++i) {
      CHECK(after[i].storage().get() == before[i].storage().get());
      CHECK(after[i].node().get() == before[i].node().get());
    }
  }
}

TEST_CASE("layers: train() and eval() reach every layer inside") {
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer layer = row.make();
    for (bool training : {false, true}) {
      training ? layer->train() : layer->eval();
      Fields walk;
      bool all = layer->training == training;
      walk.module = [&](Module& m) { all &= m.training == training; };
      layer->fields(walk);
      CHECK(all);
    }
  }
}

TEST_CASE("layers: a saved state gives another layer the same outputs") {
  TemporaryDirectory directory;
  std::string path = directory / "layer.safetensors";
  for (const AnyRow& row : rows()) {
    CAPTURE(row.name);
    AnyRow::Layer trained = with_golden_weights(row), other = row.make();
    train_a_little(row, *trained);
    save(path, trained->state_dict());
    other->load_state_dict(load(path));
    CHECK(same(other->state_dict(), trained->state_dict()));
    trained->eval();
    other->eval();
    Inputs inputs = last_inputs(row.name);
    CHECK(heed_tests::same(row.call(*other, inputs), row.call(*trained, inputs)));
  }
}
