// What autograd/ops.h declares, and what autograd/tensor.h declares under "---- shapes": read
// from the headers themselves, so that a test can tell when its table has no row for something.
#pragma once
#include <fstream>
#include <sstream>
#include <string>
#include <vector>
#include "autograd/check.h"

namespace heed_tests {

inline void erase_all(std::string& text, const std::string& part) {
  for (size_t at; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
}

// "const Tensor& x, Dims dims, bool keepdim = false" -> "Tensor, Dims, bool"
inline std::string types_of(std::string parameters) {
  for (const char* part : {"const ", "std::", "&"}) erase_all(parameters, part);
  std::istringstream list(parameters);
  std::string types;
  for (std::string parameter, type; std::getline(list, parameter, ',');)
    if (std::istringstream(parameter) >> type) types += (types.empty() ? "" : ", ") + type;
  return types;
}

// "Tensor relu(const Tensor& x)" -> "relu(Tensor)"; what is no function of this kind -> ""
inline std::string function_of(std::string statement) {
  statement.erase(0, statement.find_first_not_of(" "));
  for (std::string result : {"Tensor ", "std::vector<int> "}) {
    size_t open = statement.find('('), close = statement.rfind(')');
    if (statement.compare(0, result.size(), result) == 0 && close != std::string::npos)
      return statement.substr(result.size(), open - result.size()) + '(' +
             types_of(statement.substr(open + 1, close - open - 1)) + ')';
  }
  return "";
}

// Every function declared between two lines of a header.
inline std::vector<std::string> declared(const std::string& path, const std::string& first,
                                         const std::string& last, const std::string& prefix) {
  std::ifstream file(path);
  if (!file) heed::fail("[declared] cannot read ", path, ": tests run in the top directory");
  std::string line, statement;
  while (std::getline(file, line) && line.find(first) == std::string::npos) continue;
  std::vector<std::string> result;
  while (std::getline(file, line) && line.find(last) == std::string::npos) {
    erase_all(line, "{}");  // defaults
    for (char c : line.substr(0, line.find("//")) + ' ') {
      if (c != ';' && c != '{' && c != '}') {
        statement += c;
        continue;
      }
      std::string function = function_of(statement);
      if (!function.empty()) result.push_back(prefix + function);
      statement.clear();
    }
  }
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
