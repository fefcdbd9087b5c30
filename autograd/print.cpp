// Printing as PyTorch does: four decimals, columns aligned, long tensors with their middle left
// out, scientific notation where a fixed point would hide too much.
#include <cmath>
#include <cstdio>
#include <ostream>
#include <sstream>
#include "autograd/graph.h"
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t THRESHOLD = 1000,
                  EDGE = 3;  // above so many numbers, only the edges are shown
constexpr size_t LINE = 80, INDENT = 7;        // characters; the length of "tensor("

// One format for all numbers of a tensor, chosen as PyTorch's _tensor_str.py does.
struct Format {
  bool whole = true;  // all are integers: 1., 2.
  bool scientific = false;
  size_t width = 1;

  explicit Format(const std::vector<Scalar>& numbers) {
    double smallest = INFINITY, largest = 0;
    auto counts = [](Scalar x) { return std::isfinite(x) && x != 0; };
    for (Scalar x : numbers) {
      if (!counts(x)) continue;
      double size = std::abs(double(x));
      smallest = std::min(smallest, size);
      largest = std::max(largest, size);
      whole &= size > 0x1p53 || size == double(int64_t(size));
    }
    if (largest > 0) scientific = largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4;
    for (Scalar x : numbers)  // zeros, infinities and NaN may stick out
      if (counts(x)) width = std::max(width, (*this)(x).size());
  }

  std::string operator()(Scalar x) const {
    char text[400];  // the largest double has 309 digits
    if (!std::isfinite(x)) {
      std::snprintf(text, sizeof text, "%s", x != x ? "nan" : x > 0 ? "inf" : "-inf");
    } else {
      const char* format = scientific ? "%.4e" : whole ? "%.0f." : "%.4f";
      std::snprintf(text, sizeof text, format, double(x));
    }
    std::string result = text;
    if (result.size() < width) result.insert(0, width - result.size(), ' ');
    return result;
  }
};

// The numbers that are shown: the edges of every dimension, or all.
void collect(const Tensor& x, bool edges, std::vector<Scalar>& numbers) {
  if (x.dim() == 0) return numbers.push_back(*x.data());
  int64_t n = x.shape()[0];
  for (int64_t i = 0; i < n; ++i) {
    if (edges && n > 2 * EDGE && i == EDGE) i = n - EDGE;
    collect(x.select(0, i), edges, numbers);
  }
}

std::string row(const Tensor& x, bool edges, const Format& format, size_t indent) {
  size_t per_line = std::max<size_t>(1, (LINE - indent) / (format.width + 2));
  std::vector<std::string> items;
  for (int64_t i = 0, n = x.shape()[0]; i < n; ++i) {
    if (edges && n > 2 * EDGE && i == EDGE) {
      items.push_back(" ...");
      i = n - EDGE;
    }
    items.push_back(format(x.at({i})));
  }
  std::string text = "[";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i % per_line == 0 ? ",\n" + std::string(indent + 1, ' ') : ", ";
    text += items[i];
  }
  return text + "]";
}

std::string block(const Tensor& x, bool edges, const Format& format, size_t indent) {
  if (x.dim() == 0) return format(*x.data());
  if (x.dim() == 1) return row(x, edges, format, indent);
  std::string between =
      "," + std::string(size_t(x.dim() - 1), '\n') + std::string(indent + 1, ' ');
  std::string text = "[";
  for (int64_t i = 0, n = x.shape()[0]; i < n; ++i) {
    if (i > 0) text += between;
    if (edges && n > 2 * EDGE && i == EDGE) {
      text += "..." + between;
      i = n - EDGE;
    }
    text += block(x.select(0, i), edges, format, indent + 1);
  }
  return text + "]";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "tensor(undefined)";
  NoGrad guard;
  std::string text = "tensor(";
  std::vector<Scalar> numbers;
  bool edges = x.numel() > THRESHOLD;
  if (x.numel() > 0) collect(x, edges, numbers);
  text += x.numel() == 0 ? "[]" : block(x, edges, Format(numbers), INDENT);
  // More about it goes on the same line if there is room, by PyTorch's count.
  size_t used = text.size() - (text.rfind('\n') + 1) + 2;
  auto add = [&](const std::string& more) {
    bool fits = used + more.size() + 2 <= LINE;
    text += fits ? ", " + more : ",\n" + std::string(INDENT, ' ') + more;
    used = more.size() + (fits ? used + 2 : INDENT);
  };
  std::ostringstream size;
  size << "size=" << x.shape();
  if (x.numel() == 0 && x.dim() != 1) add(size.str());
  if (sizeof(Scalar) == 8) add("dtype=float64");
  if (!x.is_leaf()) {
    add("grad_fn=<" + std::string(x.node()->name) + ">");
  } else if (x.requires_grad()) {
    add("requires_grad=True");
  }
  return text + ")";
}

}  // namespace HEED_PRECISION
}  // namespace heed
