// Printing as PyTorch does: four decimals, columns aligned, long tensors with their middle left out,
// scientific notation where a fixed point would hide too much.
#include <cmath>
#include <cstdio>
#include <ostream>
#include <sstream>
#include "autograd/graph.h"
#include "autograd/tensor.h"

namespace heed {
inline namespace HEED_PRECISION {
namespace {

constexpr int64_t THRESHOLD = 1000, EDGE = 3;  // above so many numbers, only the edges are shown
constexpr size_t LINE = 80;                    // characters

// One format for all numbers of a tensor.
struct Format {
  bool whole = true;       // all are integers: 1., 2.
  bool scientific = false;
  size_t width = 0;

  std::string operator()(Scalar x) const {
    char text[512];
    if (!std::isfinite(x)) {
      std::snprintf(text, sizeof text, "%s", x != x ? "nan" : x > 0 ? "inf" : "-inf");
    } else if (scientific) {
      std::snprintf(text, sizeof text, "%.4e", double(x));
    } else if (whole) {
      std::snprintf(text, sizeof text, "%.0f.", double(x));
    } else {
      std::snprintf(text, sizeof text, "%.4f", double(x));
    }
    std::string result = text;
    if (result.size() < width) result.insert(0, width - result.size(), ' ');
    return result;
  }
};

Format choose_format(const std::vector<Scalar>& numbers) {
  Format format;
  double smallest = INFINITY, largest = 0;
  for (Scalar x : numbers) {
    if (!std::isfinite(x) || x == 0) continue;
    smallest = std::min(smallest, std::abs(double(x)));
    largest = std::max(largest, std::abs(double(x)));
    if (x != std::nearbyint(x)) format.whole = false;
  }
  if (largest > 0) {
    bool spread = largest / smallest > 1000 || largest > 1e8;
    format.scientific = format.whole ? spread : spread || smallest < 1e-4;
  }
  for (Scalar x : numbers) format.width = std::max(format.width, format(x).size());
  return format;
}

// What is shown: the edges of every dimension, or all of it.
bool is_long(const Tensor& x) { return x.numel() > THRESHOLD; }

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
  std::string between = "," + std::string(size_t(x.dim() - 1), '\n') + std::string(indent + 1, ' ');
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

std::ostream& operator<<(std::ostream& out, const Tensor& x) {
  if (!x.defined()) return out << "tensor(undefined)";
  NoGrad guard;
  std::vector<Scalar> numbers;
  collect(x, is_long(x), numbers);
  out << "tensor(";
  if (x.numel() == 0) {
    out << "[]";
    if (x.dim() > 1) out << ", size=" << x.shape();
  } else {
    out << block(x, is_long(x), choose_format(numbers), 7);
  }
  if (sizeof(Scalar) == 8) out << ", dtype=float64";
  if (!x.is_leaf()) {
    out << ", grad_fn=<" << x.node()->name << ">";
  } else if (x.requires_grad()) {
    out << ", requires_grad=True";
  }
  return out << ")";
}

std::string to_string(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

}  // namespace HEED_PRECISION
}  // namespace heed
