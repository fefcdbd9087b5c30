// The header, read and checked, then written; at the end the two functions that touch files.
#include "autograd/safetensors.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <sstream>
#include <system_error>

#include "autograd/check.h"
#include "autograd/json.h"

namespace heed {
namespace {

static_assert(std::endian::native == std::endian::little, "the numbers are copied as they lie");

namespace fs = std::filesystem;

// The format's own limit. It also bounds what a damaged length can make us read.
constexpr uint64_t max_header = 100'000'000;

struct Dtype {
  const char* name;
  uint64_t size;  // bytes of one number
};
// In the order in which the file has them.
constexpr Dtype dtypes[] = {{"I64", 8}, {"F64", 8}, {"F32", 4}};

const Dtype* find_dtype(const std::string& name) {
  auto found = std::find_if(std::begin(dtypes), std::end(dtypes),
                            [&](const Dtype& d) { return name == d.name; });
  return found == std::end(dtypes) ? nullptr : found;
}

// The bytes that `t` should have, by its shape. `where` begins the message of an error.
uint64_t bytes_of(const SafeTensor& t, const std::string& where) {
  const Dtype* dtype = find_dtype(t.dtype);
  HEED_CHECK(dtype, where, "dtype ", json_quoted(t.dtype), " is none of I64, F64, F32");
  uint64_t bytes = dtype->size;
  for (int64_t n : t.shape) {
    HEED_CHECK(n >= 0, where, "a negative size, ", n);
    bool overflows =
        n > 0 && bytes > uint64_t(std::numeric_limits<int64_t>::max()) / uint64_t(n);
    HEED_CHECK(!overflows, where, "the sizes of the shape multiply to more than 2^63 bytes");
    bytes *= uint64_t(n);
  }
  return bytes;
}

// The header's text, read from front to back into tensors without their bytes.
struct Header {
  JsonReader json;
  SafeTensors out;
  std::vector<std::pair<uint64_t, uint64_t>> offsets;  // [begin, end) of out.tensors[i]

  Header(const std::string& text, const std::string& where) : json{text, where + "header, "} {}

  void metadata() {
    json.list('{', '}', [&] {
      std::string key = json.string();
      json.expect(':');
      if (!out.metadata.emplace(key, json.string()).second)
        json.error("metadata ", json_quoted(key), " twice");
    });
  }

  void tensor(const std::string& name) {
    SafeTensor t;
    std::vector<uint64_t> ends;
    std::set<std::string> seen;
    json.list('{', '}', [&] {
      std::string field = json.string();
      if (!seen.insert(field).second)
        json.error("tensor ", json_quoted(name), " has ", json_quoted(field), " twice");
      json.expect(':');
      if (field == "dtype") {
        t.dtype = json.string();
      } else if (field == "shape") {
        json.list('[', ']', [&] { t.shape.push_back(int64_t(json.number())); });
      } else if (field == "data_offsets") {
        json.list('[', ']', [&] { ends.push_back(json.number()); });
      } else {
        json.error("tensor ", json_quoted(name), " has an unknown field ", json_quoted(field));
      }
    });
    for (const char* field : {"dtype", "shape", "data_offsets"})
      if (!seen.count(field))
        json.error("tensor ", json_quoted(name), " lacks ", json_quoted(field));
    if (ends.size() != 2)
      json.error("tensor ", json_quoted(name), " needs two data_offsets: begin and end");
    out.tensors.emplace_back(name, std::move(t));
    offsets.emplace_back(ends[0], ends[1]);
  }

  void read() {
    std::set<std::string> names;
    json.list('{', '}', [&] {
      std::string name = json.string();
      json.expect(':');
      if (!names.insert(name).second) json.error("the name ", json_quoted(name), " twice");
      if (name == "__metadata__") {
        metadata();
      } else {
        tensor(name);
      }
    });
    json.expect_end();
  }
};

// Tensors must lie one after the other and fill the data: no gap, no overlap, nothing outside.
// Checked before a byte of memory is asked for, so a file cannot demand more than its own size.
SafeTensors checked(Header&& header, uint64_t data_size, const std::string& path) {
  const auto& offsets = header.offsets;
  std::vector<size_t> order(offsets.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return offsets[a] < offsets[b]; });
  SafeTensors file;
  file.metadata = std::move(header.out.metadata);
  uint64_t end = 0;
  for (size_t i : order) {
    auto& [name, t] = header.out.tensors[i];
    auto [from, to] = offsets[i];
    std::string where = "[load_safetensors] " + path + ": tensor " + json_quoted(name) + ": ";
    uint64_t bytes = bytes_of(t, where);
    HEED_CHECK(from <= to && to - from == bytes, where, "data_offsets ", from, " to ", to,
          ", but its shape needs ", bytes, " bytes");
    HEED_CHECK(to <= data_size, where, "ends at byte ", to, " of ", data_size,
          ": is the file cut off?");
    HEED_CHECK(from == end, where, "begins at byte ", from,
          " of the data, but the one before it ends at ", end);
    end = to;
    file.tensors.emplace_back(name, std::move(t));
  }
  HEED_CHECK(end == data_size, "[load_safetensors] ", path, ": ", data_size - end,
        " bytes at the end belong to no tensor");
  return file;
}

// The header as the package writes it, byte for byte, filled up to a multiple of 8.
std::string header_of(const SafeTensors& file, const std::vector<size_t>& order) {
  std::ostringstream out;
  const char* comma = "";
  out << '{';
  if (!file.metadata.empty()) {
    out << "\"__metadata__\":{";
    for (auto& [key, value] : file.metadata) {
      out << comma << json_quoted(key) << ':' << json_quoted(value);
      comma = ",";
    }
    out << '}';
  }
  uint64_t begin = 0;
  for (size_t i : order) {
    const auto& [name, t] = file.tensors[i];
    uint64_t end = begin + t.bytes.size();
    out << comma << json_quoted(name) << ":{\"dtype\":\"" << t.dtype << "\",\"shape\":[";
    for (size_t d = 0; d < t.shape.size(); ++d) out << (d ? "," : "") << t.shape[d];
    out << "],\"data_offsets\":[" << begin << ',' << end << "]}";
    comma = ",";
    begin = end;
  }
  out << '}';
  std::string text = out.str();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

// What cannot be read back must not be written.
void check_writable(const SafeTensors& file, const std::string& path) {
  std::set<std::string> names;
  for (const auto& [name, t] : file.tensors) {
    std::string where = "[save_safetensors] " + path + ": tensor " + json_quoted(name) + ": ";
    uint64_t bytes = bytes_of(t, where);
    HEED_CHECK(bytes == t.bytes.size(), where, "has ", t.bytes.size(),
               " bytes, its shape needs ", bytes);
    HEED_CHECK(names.insert(name).second, where, "the name is used twice");
    HEED_CHECK(name != "__metadata__", where, "the format keeps this name for itself");
    HEED_CHECK(is_utf8(name), where, "the name is not UTF-8");
  }
  for (const auto& [key, value] : file.metadata)
    HEED_CHECK(is_utf8(key) && is_utf8(value), "[save_safetensors] ", path, ": metadata ",
          json_quoted(key), " is not UTF-8");
}

std::string system_says() {
  return errno ? std::generic_category().message(errno) : "the file ends too early";
}

}  // namespace

SafeTensors load_safetensors(const std::string& path) {
  const std::string where = "[load_safetensors] " + path + ": ";
  std::error_code ignored;
  // Opening a directory or a pipe would succeed, or wait for ever.
  HEED_CHECK(!fs::exists(path, ignored) || fs::is_regular_file(path, ignored), where,
             "not a file");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  HEED_CHECK(in, where, "cannot be opened: ", system_says());
  in.seekg(0, std::ios::end);
  const uint64_t size = uint64_t(in.tellg());
  in.seekg(0);
  auto read = [&](void* to, uint64_t n) {
    in.read(static_cast<char*>(to), std::streamsize(n));
    HEED_CHECK(in, where, "cannot be read: ", system_says());
  };

  HEED_CHECK(size >= 8, where, size, " bytes; the length of the header alone takes 8");
  uint64_t length = 0;
  read(&length, 8);
  HEED_CHECK(length <= max_header, where, "a header of ", length,
        " bytes, above the format's limit of ", max_header, ": is this a safetensors file?");
  HEED_CHECK(length <= size - 8, where, "a header of ", length, " bytes in a file of ", size,
        ": is the file cut off?");
  std::string text(length, ' ');
  read(text.data(), length);

  Header header(text, where);
  header.read();
  SafeTensors file = checked(std::move(header), size - 8 - length, path);
  for (auto& [name, t] : file.tensors) {
    t.bytes.resize(bytes_of(t, where));
    read(t.bytes.data(), t.bytes.size());
  }
  return file;
}

void save_safetensors(const std::string& path, const SafeTensors& file) {
  check_writable(file, path);
  std::vector<size_t> order;
  for (const Dtype& dtype : dtypes)
    for (size_t i = 0; i < file.tensors.size(); i++)
      if (file.tensors[i].second.dtype == dtype.name) order.push_back(i);
  const std::string text = header_of(file, order);
  const uint64_t length = text.size();
  const std::string where = "[save_safetensors] " + path + ": ";
  // A random name: another program, or a thread of this one, may be writing the same file.
  const std::string part = path + "." + std::to_string(std::random_device()()) + ".part";
  HEED_CHECK(length <= max_header, where, "a header of ", length,
        " bytes, above the format's limit of ", max_header);

  std::error_code problem;
  // Renaming onto /dev/null would replace the device.
  HEED_CHECK(!fs::exists(path, problem) || fs::is_regular_file(path, problem), where,
        "exists and is not a file");
  errno = 0;
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  HEED_CHECK(out, where, "cannot be written: ", system_says());
  auto write = [&](const void* from, uint64_t n) {
    out.write(static_cast<const char*>(from), std::streamsize(n));
  };
  write(&length, 8);
  write(text.data(), length);
  for (size_t i : order)
    write(file.tensors[i].second.bytes.data(), file.tensors[i].second.bytes.size());
  out.close();
  if (out) {
    fs::rename(part, path, problem);
  } else {
    problem = std::error_code(errno, std::generic_category());
  }
  if (problem) {
    std::error_code ignored;
    fs::remove(part, ignored);
    fail(where, "cannot be written: ", problem.message());
  }
}

}  // namespace heed
