// Printing, line by line as PyTorch does: tests/golden/print.txt, made by make_print.py.
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "autograd/tensor.h"
#include <doctest/doctest.h>

#include <bit>
#include <fstream>
#include <sstream>
#include <type_traits>

using namespace heed;

namespace {

constexpr bool DOUBLE = sizeof(Scalar) == 8;

Scalar from_bits(const std::string& hexadecimal) {
  using Bits = std::conditional_t<DOUBLE, uint64_t, uint32_t>;
  return std::bit_cast<Scalar>(Bits(std::stoull(hexadecimal, nullptr, 16)));
}

// "bits 3f800000 ..." or "waves SCALE [FIRST]": see make_print.py.
std::vector<Scalar> numbers(const std::string& line, int64_t count) {
  std::istringstream in(line);
  std::string kind, word;
  std::vector<Scalar> given, result;
  for (in >> kind; in >> word;) given.push_back(from_bits(word));
  if (kind == "bits") return given;
  REQUIRE(kind == "waves");
  for (int64_t i = 0; i < count; ++i)
    result.push_back(Scalar(double(i * 37 % 97 - 48) / 16 * double(given.at(0))));
  if (given.size() > 1) result.at(0) = given[1];
  return result;
}

struct Case {
  std::string name, expected;
  Tensor x;
};

std::vector<Case> cases() {
  std::ifstream file("tests/golden/print.txt");
  std::vector<Case> result;
  std::string line, values;
  bool wide = false;
  while (std::getline(file, line)) {
    if (line == "double")
      wide = true;
    else if (wide != DOUBLE)
      continue;
    else if (line[0] == '|') {
      std::string& text = result.back().expected;
      text += (text.empty() ? "" : "\n") + line.substr(1);
    } else {
      Case c{line.substr(5), "", {}};
      REQUIRE(std::getline(file, line));
      REQUIRE(std::getline(file, values));
      std::istringstream in(line);
      Shape shape;
      for (int64_t size; in >> size;) shape = shape.with(shape.rank(), size);
      c.x = tensor(numbers(values, numel(shape)), shape);
      if (c.name.ends_with("leaf")) c.x.requires_grad_();
      if (c.name.ends_with("result")) c.x = c.x.requires_grad_() * 1;
      result.push_back(c);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("print: as PyTorch does") {
  std::vector<Case> all = cases();
  CHECK(all.size() > 60);
  for (const Case& c : all) {
    CAPTURE(c.name);
    CHECK(to_string(c.x) == c.expected);
  }
}

TEST_CASE("print: a tensor without numbers is not walked, whatever its sizes") {
  // (A walk would take hours.)
  CHECK(to_string(zeros({int64_t(1) << 40, 0})).find("size=(1099511627776, 0)") !=
        std::string::npos);
}

TEST_CASE("print: a view prints as its numbers do") {
  Tensor x = arange(24).view({2, 3, 4});
  for (const Tensor& y :
       {x.transpose(0, 2), x.narrow(1, 1, 2), x.select(0, 1).expand({3, 3, 4})})
    CHECK(to_string(y) == to_string(y.clone()));
  std::ostringstream stream;
  stream << x;
  CHECK(stream.str() == to_string(x));
}

TEST_CASE("print: what hangs on the numbers") {
  auto text = [](const std::string& numbers, const std::string& more) {
    return "tensor(" + numbers + (DOUBLE ? ", dtype=float64" : "") + more + ")";
  };
  Tensor x = tensor({1, 2}).requires_grad_();
  CHECK(to_string(x) == text("[1., 2.]", ", requires_grad=True"));
  CHECK(to_string(x * 2) == text("[2., 4.]", ", grad_fn=<mul>"));
  CHECK(to_string(mean(x)) == text("1.5000", ", grad_fn=<mean>"));
  CHECK(to_string(x.detach()) == text("[1., 2.]", ""));
  CHECK(to_string(x.requires_grad_(false)) == text("[1., 2.]", ""));
  CHECK(to_string(Tensor()) == "tensor(undefined)");
}
