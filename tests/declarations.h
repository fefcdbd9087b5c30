// What autograd/ops.h declares, and what autograd/tensor.h declares under "---- shapes": read
// from the headers themselves, so that a test can tell when its table has no row for something.
#pragma once
#include <fstream>
#include <regex>
#include <string>
#include <vector>
#include "autograd/check.h"

namespace heed_tests {

// "const Tensor& x, Dims dims, bool keepdim = false" -> "Tensor, Dims, bool"
inline std::string types_of(const std::string& parameters) {
  std::string text =
      std::regex_replace(parameters, std::regex("const |std::|&|\\s*=[^,]*"), "");
  text = std::regex_replace(text, std::regex("\\s+\\w+\\s*(,|$)"), "$1");
  return std::regex_replace(text, std::regex("\\s+"), " ");
}

// Every declaration of a function between two lines of a header, as "name(types)".
inline std::vector<std::string> declared(const std::string& path, const std::string& first,
                                         const std::string& last, const std::string& prefix) {
  std::ifstream file(path);
  if (!file) heed::fail("[declared] cannot read ", path, ": tests run in the top directory");
  std::string line, text;
  bool inside = false;
  while (std::getline(file, line)) {
    if (line.find(first) != std::string::npos)
      inside = true;
    else if (inside && line.find(last) != std::string::npos)
      break;
    if (inside) text += line.substr(0, line.find("//")) + ' ';
  }
  std::regex function(
      "(?:Tensor|std::vector<int>) (operator\\S+?|\\w+)\\(([^()]*)\\)[ const]*;");
  std::vector<std::string> result;
  for (std::sregex_iterator i(text.begin(), text.end(), function), end; i != end; ++i)
    result.push_back(prefix + (*i)[1].str() + '(' + types_of((*i)[2]) + ')');
  return result;
}

inline std::vector<std::string> declared_operations() {
  std::vector<std::string> all =
      declared("autograd/ops.h", "---- elementwise", "no such line", "");
  for (auto& member : declared("autograd/tensor.h", "---- shapes", "// ---- ", "Tensor::"))
    all.push_back(member);
  return all;
}

}  // namespace heed_tests
