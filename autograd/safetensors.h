// Named tensors in a file, in the format of Python's `safetensors` package: what is saved here
// is read there, and the other way round. Raw bytes only, so one copy serves float and double.
//
// The file: 8 bytes, little-endian: length of the header; the header, JSON, filled up with
// blanks to a multiple of 8; then the tensors' numbers, little-endian, row-major, without gaps.
//   {"__metadata__": {"key": "value"},
//    "weight": {"dtype": "F32", "shape": [26, 100], "data_offsets": [0, 10400]}, ...}
// Source: https://github.com/huggingface/safetensors, section "Format".
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace heed {

struct SafeTensor {
  std::string dtype;           // "F32" (float), "F64" (double) or "I64" (64-bit integer)
  std::vector<int64_t> shape;  // empty: one number
  std::vector<std::byte> bytes;
};

struct SafeTensors {
  std::vector<std::pair<std::string, SafeTensor>> tensors;  // in the order of the file
  std::map<std::string, std::string> metadata;
};

// Whatever the file holds, the result is a checked SafeTensors or an Error that names the path,
// the tensor or the place in the header, and what is wrong. Names are UTF-8 and distinct; sizes
// fit shapes; every byte of the data belongs to exactly one tensor.
SafeTensors load_safetensors(const std::string& path);

// Writes I64 first, then F64, then F32, so that every number is aligned; within one type the
// order stays as given. The file appears whole or not at all: `path`.(a random number).part
// is written and then renamed.
void save_safetensors(const std::string& path, const SafeTensors& file);

}  // namespace heed
