// Modules as values: names from FIELDS, copies and moves through every kind of member, modes,
// states in memory and in files.
#include <filesystem>
#include <fstream>
#include <sstream>
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "layers/activation.h"
#include "layers/batch_norm.h"
#include "layers/linear.h"
#include "layers/module.h"
#include "layers/sequential.h"
#include "optim/sgd.h"
#include "tests/golden.h"
#include "tests/run_command.h"
#include <doctest/doctest.h>
#include "tests/expect_error.h"

using namespace heed;
using heed_tests::expect_error;
using heed_tests::same;
using Names = std::vector<std::string>;

namespace {

// Two levels with every kind of member that FIELDS takes.
struct Block : Module {
  Linear inner{3, 3};
  std::optional<BatchNorm> norm;
  FIELDS(inner,norm)
  explicit Block(bool with_norm) {
    if (with_norm) norm.emplace(3);
  }
  Tensor operator()(const Tensor& x) { return norm ? (*norm)(inner(x)) : inner(x); }
};
struct Net : Module {
  Parameter scale{full({3}, 2)};
  Buffer shift{full({3}, 0.5)};
  Counter calls;
  std::vector<Block> blocks;
  std::vector<Parameter> gains;
  std::optional<Parameter> absent;
  Sequential head{Linear(3, 4), ReLU(), BatchNorm(4), Linear(4, 2, false)};
  FIELDS( scale ,  shift,
          calls,blocks , gains, absent, head )
  double rate = 0.25;  // an ordinary member: copied, not saved

  Net() {
    blocks.emplace_back(true);
    blocks.emplace_back(false);
    for (int i = 0; i < 2; ++i) gains.emplace_back(rand({3}));
  }
  Tensor operator()(const Tensor& x) {
    Tensor y = x * scale + shift;
    ++calls.value;
    for (size_t i = 0; i < blocks.size(); ++i) y = blocks[i](y) * gains[i];
    return head(y);
  }
};
struct Empty : Module {
  FIELDS()
};

Names names(const Module& m) {
  Names result;
  for (auto& [name, p] : m.named_parameters()) result.push_back(name);
  return result;
}
Names state_names(const Module& m) {
  Names result;
  for (auto& [name, t] : m.state_dict().tensors) result.push_back(name);
  for (auto& [name, n] : m.state_dict().counters) result.push_back(name);
  return result;
}
bool same_state(const StateDict& p, const StateDict& q) {
  if (p.counters != q.counters || p.tensors.size() != q.tensors.size()) return false;
  for (size_t i = 0; i < p.tensors.size(); ++i)
    if (p.tensors[i].first != q.tensors[i].first ||
        !same(p.tensors[i].second, q.tensors[i].second))
      return false;
  return true;
}
bool same_state(const Module& a, const Module& b) {
  return same_state(a.state_dict(), b.state_dict());
}
void train(Net& net, const Tensor& x) {
  net.zero_grad();
  Tensor y = net(x);
  sum(y * y).backward();
  SGD(net.named_parameters(), {.lr = 0.01}).step();
}

}  // namespace

// ---- names
TEST_CASE(
    "module: names follow FIELDS, with and without blanks, through every kind of member") {
  Net net;
  CHECK(names(net) == Names{"scale", "blocks.0.inner.weight", "blocks.0.inner.bias",
                            "blocks.0.norm.weight", "blocks.0.norm.bias",
                            "blocks.1.inner.weight", "blocks.1.inner.bias", "gains.0",
                            "gains.1", "head.0.weight", "head.0.bias", "head.2.weight",
                            "head.2.bias", "head.3.weight"});
  Names state = state_names(net);
  for (const char* name : {"shift", "blocks.0.norm.running_var", "head.2.running_mean", "calls",
                           "blocks.0.norm.num_batches_tracked", "head.2.num_batches_tracked"})
    CHECK(std::count(state.begin(), state.end(), name) == 1);
  CHECK(state.size() == 14 + 5 + 3);
  CHECK(net.parameters().size() == 14);
  CHECK(net.parameter_count() == 3 + (9 + 3 + 6) + (9 + 3) + 6 + (12 + 4) + 8 + 8);
  CHECK(names(Linear(2, 3)) == Names{"weight", "bias"});
}

TEST_CASE("module: empty FIELDS, and a Sequential of nothing") {
  Empty none, copy = none;
  CHECK(names(copy).empty());
  CHECK(state_names(none).empty());
  none.eval();
  CHECK(!none.training);
  CHECK(copy.training);
  Sequential identity;
  Tensor x = rand({2, 3});
  CHECK(same(identity(x), x));
}

TEST_CASE("module: named_parameters() gives handles on the parameters themselves") {
  Linear layer(3, 2);
  for (auto& [name, p] : layer.named_parameters()) {
    NoGrad guard;
    p.fill_(1);
  }
  CHECK(same(layer.weight, ones({2, 3})));
  sum(layer(ones({1, 3}))).backward();
  CHECK(same(layer.named_parameters()[0].second.grad(), ones({2, 3})));
  layer.zero_grad();
  for (const Tensor& p : layer.parameters()) CHECK(!p.grad().defined());
}

TEST_CASE("module: printing shows every name and shape, and the count") {
  std::ostringstream out;
  out << Linear(3, 2);
  CHECK(out.str() == "weight  (2, 3)\nbias    (2)\n8 parameters\n");
}

// ---- modes
TEST_CASE("module: train() and eval() reach members, optionals, vectors and Sequentials") {
  Net net;
  for (bool on : {false, true}) {
    on ? net.train() : net.eval();
    CHECK(net.training == on);
    CHECK(net.blocks[0].training == on);
    CHECK(net.blocks[0].inner.training == on);
    CHECK(net.blocks[0].norm->training == on);
    CHECK(net.blocks[1].inner.training == on);
    CHECK(net.head.training == on);
    for (AnyLayer& layer : net.head.layers) CHECK(layer.module().training == on);
  }
  net.eval();
  Net copy = net;
  CHECK(!copy.head.layers[2].module().training);  // a mode is copied, too
}

// ---- copies
TEST_CASE("module: a copy shares nothing, and training it leaves the original alone") {
  manual_seed(3);
  Net net;
  Tensor x = rand({5, 3});
  train(net, x);
  Net copy = net;
  CHECK(same_state(copy, net));
  CHECK(copy.calls.value == 1);
  std::vector<Tensor> ours = copy.parameters(), theirs = net.parameters();
  for (size_t i = 0; i < ours.size(); ++i) {
    CHECK(!ours[i].grad().defined());
    CHECK(ours[i].requires_grad());
    CHECK(ours[i].is_leaf());
    CHECK(ours[i].storage().get() != theirs[i].storage().get());
  }
  CHECK(copy.shift.storage().get() != net.shift.storage().get());
  StateDict before = net.state_dict();
  for (int i = 0; i < 3; ++i) train(copy, x);
  CHECK(same_state(net.state_dict(), before));
  CHECK(!same_state(copy, net));
  CHECK(copy.calls.value == 4);
  for (int i = 0; i < 3; ++i) train(net, x);  // the same steps from the same start
  CHECK(same_state(copy, net));
}

TEST_CASE("module: a copied parameter is no part of the graph that the original is in") {
  Parameter p(ones({2}));
  Tensor y = p * 3;
  Parameter copy(p);
  sum(y).backward();
  CHECK(p.grad().defined());
  CHECK(!copy.grad().defined());
  Tensor computed = p * 3;  // a parameter from a result: its numbers, not its graph
  Parameter fresh(computed);
  CHECK(fresh.is_leaf());
  CHECK(fresh.requires_grad());
  static_assert(!std::is_convertible_v<const Parameter&, Parameter>,
                "no deep copy by accident");
  static_assert(!std::is_convertible_v<const Tensor&, Parameter>);
  static_assert(!std::is_convertible_v<const Buffer&, Buffer>);
}

TEST_CASE("module: freezing is copied, and handles can end it, in the copy as well") {
  Net net;
  for (const auto& [name, p] : net.named_parameters()) {
    Tensor handle = p;
    if (name.starts_with("head")) handle.requires_grad_(false);
  }
  Net copy = net;
  for (Net* m : {&net, &copy}) {
    for (auto& [name, p] : m->named_parameters())
      CHECK(p.requires_grad() == !name.starts_with("head"));
    for (Tensor& p : m->parameters()) p.requires_grad_();
    for (Tensor& p : m->parameters()) CHECK(p.requires_grad());
  }
}

TEST_CASE("module: assigning a copy writes numbers into the parameters that are there") {
  manual_seed(5);
  Net source, target;
  SGD optimizer(target.named_parameters(), {.lr = 0.01});
  std::vector<Tensor> before = target.parameters();
  target = source;
  CHECK(same_state(target, source));
  std::vector<Tensor> after = target.parameters();
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i)
    CHECK(after[i].node().get() == before[i].node().get());
  Tensor y = target(rand({4, 3}));  // and the optimizer goes on with them
  sum(y * y).backward();
  optimizer.step();
  CHECK(!same_state(target, source));
  Net& itself = target;
  target = itself;
  CHECK(same_state(target, Net(target)));
}

TEST_CASE("module: assigning a layer of another shape, or into one that was moved from") {
  Linear small(2, 2), large(3, 4);
  small = large;
  CHECK(same(small.weight, large.weight));
  CHECK(small.weight.requires_grad());
  CHECK(small.weight.storage().get() != large.weight.storage().get());

  Linear taken = std::move(large);
  large = small;
  CHECK(same(large.weight, small.weight));
  CHECK(large.weight.requires_grad());
  CHECK(large.bias->requires_grad());
  sum(large(ones({1, 3}))).backward();
  CHECK(large.weight.grad().defined());

  Linear with_bias(3, 3), without(3, 3, false);
  without = with_bias;
  REQUIRE(without.bias);
  CHECK(same(*without.bias, *with_bias.bias));
  CHECK(without.bias->requires_grad());
}

TEST_CASE("module: boxes of a Sequential may change their contents by assignment") {
  Sequential a(Linear(2, 3), Tanh()), b(Linear(2, 2), ReLU(), Linear(2, 4));
  a = b;
  CHECK(names(a) == names(b));
  CHECK(same_state(a, b));
  a.layers[1] = AnyLayer(Linear(2, 2));
  CHECK(names(a) == Names{"0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"});
  CHECK(names(b).size() == 4);
}

// ---- moves
TEST_CASE("module: moves keep identity, and do not throw") {
  static_assert(std::is_nothrow_move_constructible_v<Net>);
  static_assert(std::is_nothrow_move_assignable_v<Net>);
  static_assert(std::is_nothrow_move_constructible_v<Parameter>);
  static_assert(std::is_nothrow_move_constructible_v<Buffer>);
  Net net, other;
  Net numbers = net;
  std::vector<Tensor> before = net.parameters();
  Net moved = std::move(net);
  other = std::move(moved);
  std::vector<Tensor> after = other.parameters();
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i)
    CHECK(after[i].node().get() == before[i].node().get());
  CHECK(same_state(other, numbers));

  std::vector<Linear> list;  // a growing vector moves its layers
  list.emplace_back(2, 2);
  Tensor first = list[0].weight;
  for (int i = 0; i < 20; ++i) list.emplace_back(2, 2);
  CHECK(list[0].weight.node().get() == first.node().get());
}

TEST_CASE("module: what was moved from may be copied, assigned to and destroyed") {
  Linear source(2, 3);
  Linear taken = std::move(source);
  Linear copy = source;  // of nothing
  CHECK(!copy.weight.defined());
  copy = taken;
  CHECK(same(copy.weight, taken.weight));
  taken = source;  // nothing to take: the numbers stay
  CHECK(same(copy.weight, taken.weight));
  expect_error([&] { source(ones({1, 2})); }, {"undefined"});
  expect_error([&] { source.state_dict(); }, {"undefined"});

  Sequential stack(Linear(2, 2)), stolen = std::move(stack), again = stack;
  CHECK(names(stolen).size() == 2);
  AnyLayer box(Linear(2, 2));
  AnyLayer filled = std::move(box);
  AnyLayer hollow = box;
  hollow = filled;
  CHECK(hollow.module().parameter_count() == 6);
  expect_error([&] { box(ones({1, 2})); }, {"moved from"});
  expect_error([&] { box.module(); }, {"moved from"});
  expect_error([&] { clones(taken, -1); }, {"[clones] -1"});
}

// ---- states
TEST_CASE("module: a state is a snapshot, and a const module can be saved") {
  Net net;
  const Net& view = net;
  StateDict state = view.state_dict();
  Net before = view;
  train(net, rand({4, 3}));
  CHECK(!same_state(net, before));
  for (auto& [name, tensor] : state.tensors) CHECK(!tensor.requires_grad());
  std::vector<Tensor> identity = net.parameters();
  net.load_state_dict(state);
  CHECK(same_state(net, before));
  for (size_t i = 0; i < identity.size(); ++i)
    CHECK(net.parameters()[i].node().get() == identity[i].node().get());
}

TEST_CASE("module: a state that does not fit is refused as a whole, and everything is named") {
  Net net;
  Net before = net;
  StateDict state = Net().state_dict();
  auto loading = [&] { net.load_state_dict(state); };
  auto entry = [&](const std::string& name) {
    auto it = state.tensors.begin();
    while (it->first != name) ++it;
    return it;
  };
  entry("blocks.1.inner.bias")->first = "blocks.1.inner.shift";
  entry("gains.1")->second = ones({4});
  state.counters.erase(state.counters.begin());
  state.counters.emplace_back("steps", 3);
  expect_error(loading, {"blocks.1.inner.bias", "blocks.1.inner.shift", "gains.1 (4) for (3)",
                         "calls", "steps"});
  CHECK(same_state(net, before));  // nothing of it was taken over
  state = {};
  expect_error(loading, {"scale"});
  CHECK(same_state(net, before));
  state = Net().state_dict();
  state.tensors.emplace_back("scale", state.tensors[0].second);
  expect_error(loading, {"more than once: scale"});
  CHECK(same_state(net, before));
  state = Net().state_dict();
  state.counters.push_back(state.counters[0]);
  expect_error(loading, {"more than once: ", state.counters[0].first.c_str()});
  CHECK(same_state(net, before));
}

TEST_CASE("module: a file holds a state, bit for bit") {
  heed_tests::TemporaryDirectory directory;
  std::string path = directory / "net.safetensors";
  manual_seed(8);
  Net net, other;
  train(net, rand({4, 3}));
  save(path, net.state_dict());
  CHECK(!same_state(other, net));
  other.load_state_dict(load(path));
  CHECK(same_state(other, net));
  for (auto& [name, entry] : load_safetensors(path).tensors) {
    bool counter = name == "calls" || name.ends_with("num_batches_tracked");
    CHECK(entry.dtype == (counter ? "I64" : sizeof(Scalar) == 8 ? "F64" : "F32"));
  }
  save(path, {{{"none", zeros({0, 3})}}, {}, {}});
  CHECK(load(path).tensors.at(0).second.shape() == Shape{0, 3});
}

TEST_CASE("module: a file in the other precision is converted") {
  heed_tests::TemporaryDirectory directory;
  std::string path = directory / "other.safetensors";
  using Other = std::conditional_t<sizeof(Scalar) == 8, float, double>;
  SafeTensors file;
  Other numbers[] = {Other(0.1), Other(-2.5)};
  SafeTensor entry{sizeof(Other) == 8 ? "F64" : "F32", {2}, {}};
  entry.bytes.resize(sizeof numbers);
  std::memcpy(entry.bytes.data(), numbers, sizeof numbers);
  file.tensors.emplace_back("weight", entry);
  save_safetensors(path, file);
  StateDict state = load(path);
  REQUIRE(state.tensors.size() == 1);
  CHECK(same(state.tensors[0].second, tensor({Scalar(numbers[0]), Scalar(numbers[1])})));
}

TEST_CASE("module: a file with what no state has is refused") {
  heed_tests::TemporaryDirectory directory;
  std::string path = directory / "labels.safetensors";
  SafeTensors file;
  SafeTensor entry{"I64", {2}, std::vector<std::byte>(16)};
  file.tensors.emplace_back("labels", entry);
  save_safetensors(path, file);
  expect_error([&] { load(path); }, {"labels", path.c_str()});
  file.tensors = {{"deep", {"F32", {1, 1, 1, 1, 1, 1, 1}, std::vector<std::byte>(4)}}};
  save_safetensors(path, file);
  expect_error([&] { load(path); }, {"deep", "7 dimensions", path.c_str()});
  expect_error([&] { load(directory / "missing"); }, {"missing"});
}

TEST_CASE("module: several states travel in one file, each under a prefix") {
  heed_tests::TemporaryDirectory directory;
  std::string path = directory / "both.safetensors";
  Linear a(2, 3), c(2, 3);
  BatchNorm b(4), d(4);
  a(ones({2, 2}));
  b(rand({3, 4}));
  StateDict both;
  both.add("encoder", a.state_dict());
  both.add("norm", b.state_dict());
  save(path, both);
  StateDict read = load(path);
  read.add("copy", read);  // into itself
  CHECK(read.part("copy").tensors.size() * 2 == read.tensors.size());
  CHECK(same(tensor_of(read, "copy.encoder.weight"), a.weight));
  c.load_state_dict(read.part("encoder"));
  d.load_state_dict(read.part("norm"));
  CHECK(same_state(a, c));
  CHECK(same_state(b, d));
  CHECK(d.num_batches_tracked.value == 1);
  expect_error([&] { read.part("decoder"); }, {"decoder"});
  expect_error([&] { both.add("norm", b.state_dict()); }, {"norm.weight"});
}

// ---- what does not compile
TEST_CASE("module: FIELDS refuses a bare Tensor, and says what to do") {
  using heed_tests::run;
  heed_tests::TemporaryDirectory directory;
  auto compile = [&](const std::string& member) {
    std::ofstream(directory / "layer.cpp")
        << "#include \"layers/module.h\"\n"
           "struct Layer : heed::Module { " << member << " FIELDS(x) };\nLayer layer;\n";
    return run(heed_tests::setting("HEED_CXX", "c++") + " -std=c++20 -I. -fsyntax-only " +
               directory.path + "/layer.cpp");
  };
  CHECK(compile("heed::Buffer x{heed::zeros({2})};").status == 0);
  heed_tests::Run refused = compile("heed::Tensor x;");
  CHECK(refused.status != 0);
  CHECK(refused.err.find("make it a Parameter or Buffer") != std::string::npos);
}

// ---- single layers
TEST_CASE("module: what a layer cannot take is said by its name, with the shapes") {
  expect_error([] { Linear(0, 3); }, {"[Linear] from 0 to 3"});
  expect_error([] { Linear(3, -1); }, {"[Linear] from 3 to -1"});
  expect_error([] { Linear(3, 2)(ones({4, 5})); }, {"(4, 5)", "(2, 3)"});
  BatchNorm norm(3);
  expect_error([&] { norm(ones({1, 3})); }, {"(1, 3)", "eval()"});
  CHECK(norm.num_batches_tracked.value == 0);  // a refused batch leaves no trace
  CHECK(same(norm.running_mean, zeros({3})));
  expect_error([&] { norm(ones({4, 2})); }, {"(4, 2)"});
  norm.eval();
  CHECK(norm(ones({1, 3})).shape() == Shape{1, 3});
}
