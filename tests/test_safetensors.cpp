// Saving and loading: what goes in comes out; files of Python's package are read, and written
// again byte for byte; damaged files are refused with a message that says what is wrong.
#include "autograd/check.h"
#include "autograd/safetensors.h"
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace heed;
namespace fs = std::filesystem;

namespace {

const char* golden = "tests/golden/python.safetensors";

// A directory of our own, gone when the test is.
struct Scratch {
  fs::path dir;
  Scratch() {
    std::string name = (fs::temp_directory_path() / "heed_safetensors_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    dir = name;
  }
  ~Scratch() { fs::remove_all(dir); }
  std::string file(const char* name) const { return (dir / name).string(); }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
  }
};

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

template <class T>
SafeTensor tensor(const char* dtype, std::vector<int64_t> shape, const std::vector<T>& v) {
  SafeTensor t{dtype, std::move(shape), std::vector<std::byte>(v.size() * sizeof(T))};
  if (!v.empty()) std::memcpy(t.bytes.data(), v.data(), t.bytes.size());
  return t;
}

template <class T> std::vector<T> values(const SafeTensor& t) {
  std::vector<T> v(t.bytes.size() / sizeof(T));
  if (!v.empty()) std::memcpy(v.data(), t.bytes.data(), t.bytes.size());
  return v;
}

// A file with this header and `data` bytes of numbers.
std::string raw(const std::string& header, size_t data) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header +
         std::string(data, '\0');
}

template <class F> std::string message_of(const F& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "no error";
}

// Loading a file of these bytes fails, and the message names the path and holds `text`.
void refused(const std::string& bytes, const std::string& text) {
  Scratch scratch;
  const std::string path = scratch.file("damaged.safetensors");
  write_all(path, bytes);
  const std::string message = message_of([&] { load_safetensors(path); });
  CAPTURE(message);
  CHECK(message.find("[load_safetensors] " + path + ": ") == 0);
  CHECK(message.find(text) != std::string::npos);
}

// One tensor "w" with this description, and `data` bytes.
void refused_tensor(const std::string& description, size_t data, const std::string& text) {
  refused(raw("{\"w\":" + description + "}", data), text);
}

}  // namespace

TEST_CASE("safetensors: what is saved is loaded") {
  Scratch scratch;
  SafeTensors file;
  file.tensors = {{"b", tensor<int64_t>("I64", {}, {-5})},
                  {"a", tensor<double>("F64", {1, 2}, {0.1, -1e300})},
                  {"z", tensor<float>("F32", {2, 3}, {1, 2, 3, 4, 5, 6})},
                  {"none", tensor<float>("F32", {2, 0}, {})}};
  file.metadata = {{"made by", "a \"test\"\n"}, {"epochs", "3"}};
  const std::string path = scratch.file("x.safetensors");
  for (int round = 0; round < 2; round++) {  // the second time it overwrites
    save_safetensors(path, file);
    SafeTensors back = load_safetensors(path);
    CHECK(back.metadata == file.metadata);
    REQUIRE(back.tensors.size() == file.tensors.size());
    for (size_t i = 0; i < file.tensors.size(); i++) {
      CHECK(back.tensors[i].first == file.tensors[i].first);
      CHECK(back.tensors[i].second.dtype == file.tensors[i].second.dtype);
      CHECK(back.tensors[i].second.shape == file.tensors[i].second.shape);
      CHECK(back.tensors[i].second.bytes == file.tensors[i].second.bytes);
    }
  }
  CHECK(scratch.entries() == 1);  // nothing left beside it
}

TEST_CASE("safetensors: an empty file of no tensors") {
  Scratch scratch;
  save_safetensors(scratch.file("none"), {});
  CHECK(read_all(scratch.file("none")) == raw("{}      ", 0));
  CHECK(load_safetensors(scratch.file("none")).tensors.empty());
}

TEST_CASE("safetensors: every number is aligned, whatever the order given") {
  Scratch scratch;
  SafeTensors file;
  file.tensors = {{"f", tensor<float>("F32", {1}, {1})},
                  {"d", tensor<double>("F64", {1}, {2})},
                  {"i", tensor<int64_t>("I64", {1}, {3})},
                  {"e", tensor<double>("F64", {1}, {4})}};
  save_safetensors(scratch.file("x"), file);
  std::string names;
  for (auto& [name, t] : load_safetensors(scratch.file("x")).tensors) names += name;
  CHECK(names == "idef");
  const std::string bytes = read_all(scratch.file("x"));
  CHECK((bytes.size() - 3 * 8 - 4) % 8 == 0);  // where the numbers begin
}

TEST_CASE("safetensors: a file of Python's package is read") {
  SafeTensors file = load_safetensors(golden);
  CHECK(file.metadata.at("heed").find("\"safetensors\"") != std::string::npos);
  std::map<std::string, SafeTensor> by_name(file.tensors.begin(), file.tensors.end());
  REQUIRE(by_name.size() == 6);
  CHECK(by_name["weight"].shape == std::vector<int64_t>{2, 3});
  CHECK(values<float>(by_name["weight"]) == std::vector<float>{0, .25f, .5f, .75f, 1, 1.25f});
  CHECK(by_name["nothing"].shape == std::vector<int64_t>{0, 3});
  CHECK(values<double>(by_name["wide"]) == std::vector<double>{0.1, -1e300});
  CHECK(values<double>(by_name["name \"é€😀\"\\\n\x01/."]) == std::vector<double>{1.0 / 3});
  CHECK(by_name["num_batches_tracked"].shape.empty());
  CHECK(values<int64_t>(by_name["num_batches_tracked"]) == std::vector<int64_t>{-7});
  CHECK(values<uint32_t>(by_name["bits"]) == std::vector<uint32_t>{0x80000000, 1, 0x7fc00001});
}

TEST_CASE("safetensors: saved again, a file of Python's package keeps every byte") {
  Scratch scratch;
  save_safetensors(scratch.file("again"), load_safetensors(golden));
  CHECK(read_all(scratch.file("again")) == read_all(golden));
}

TEST_CASE("safetensors: every truncation of a good file is refused") {
  const std::string whole = read_all(golden);
  for (size_t n = 0; n < whole.size(); n++) {
    CAPTURE(n);
    refused(whole.substr(0, n), n < 8 ? "8" : "is the file cut off?");
  }
  refused(whole + "x", "1 bytes at the end belong to no tensor");
}

// No byte of the header changed at random may do more than throw or give another valid file.
TEST_CASE("safetensors: damaged bytes never crash") {
  Scratch scratch;
  const std::string whole = read_all(golden);
  const std::string path = scratch.file("damaged");
  int refusals = 0;
  for (size_t i = 0; i < whole.size(); i++) {
    for (char c : {'\0', '"', '9', '{', ']', '\xff'}) {
      std::string bytes = whole;
      bytes[i] = c;
      write_all(path, bytes);
      refusals += message_of([&] { load_safetensors(path); }) != "no error";
    }
  }
  CHECK(refusals > 1000);
}

TEST_CASE("safetensors: damaged headers are refused, each with its message") {
  refused(raw("", 0), "byte 0: expected \"{\", found the end");
  refused(raw("[]", 0), "byte 0: expected \"{\", found \"[\"");
  refused(raw("{}x", 0), "byte 2: expected the end, found \"x\"");
  refused(raw(std::string("{}\0", 3), 0), "byte 2: expected the end");
  refused(raw("{\"w\"}", 0), "byte 4: expected \":\"");
  refused(raw("{\"w", 0), "a string without its closing quote");
  refused(raw("{\"w\n\"", 0), "a control character inside a string");
  refused(raw("{\"\\x\"", 0), "unknown escape");
  refused(raw("{\"\\u12g4\"", 0), "four hexadecimal digits");
  refused(raw("{\"\\ud83d\\u0041\"", 0), "second half");
  refused(raw("{\"\\ude00\"", 0), "not UTF-8");
  refused(raw("{\"\xc3\"", 0), "not UTF-8");
  refused(raw("{\"\xc0\x80\"", 0), "not UTF-8");
  refused(raw("{\"w\":" + std::string(100000, '['), 0), "byte 5: expected \"{\", found \"[\"");
  refused(raw("{\"__metadata__\":{\"k\":1}}", 0), "expected \"\\\"\", found \"1\"");
  refused(raw("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0), "metadata \"k\" twice");
  std::string w = "\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}";
  refused(raw("{" + w + "," + w + "}", 4), "the name \"w\" twice");
  refused(raw("{" + w + ",}", 4), "expected \"\\\"\", found \"}\"");
}

TEST_CASE("safetensors: damaged tensors are refused, each with its message") {
  refused_tensor("{\"shape\":[],\"data_offsets\":[0,4]}", 4, "tensor \"w\" lacks \"dtype\"");
  refused_tensor("{\"dtype\":\"F32\",\"dtype\":\"F32\"}", 0, "\"dtype\" twice");
  refused_tensor("{\"x\":1}", 0, "unknown field \"x\"");
  auto w = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" +
           offsets + "]}";
  };
  refused_tensor(w("F16", "2", "0,4"), 4, "dtype \"F16\" is none of I64, F64, F32");
  refused_tensor(w("F32", "-1", "0,4"), 4, "expected a whole number from 0 on, found \"-\"");
  refused_tensor(w("F32", "1.0", "0,4"), 4, "expected \"]\", found \".\"");
  refused_tensor(w("F32", "01", "0,4"), 4, "a leading 0");
  refused_tensor(w("F32", "9223372036854775808", "0,4"), 4, "above 2^63 - 1");
  refused_tensor(w("F32", "4294967296,4294967296", "0,0"), 0, "more than 2^63 bytes");
  refused_tensor(w("F32", "1", "0"), 4, "two data_offsets");
  refused_tensor(w("F32", "1", "0,8"), 8, "data_offsets 0 to 8, but its shape needs 4 bytes");
  refused_tensor(w("F32", "1", "4,0"), 4, "data_offsets 4 to 0, but its shape needs 4 bytes");
  refused_tensor(w("F32", "2", "0,8"), 4, "ends at byte 8 of 4: is the file cut off?");
  refused_tensor(w("F32", "1", "4,8"), 8, "begins at byte 4 of the data");
  refused_tensor(w("F32", "1", "0,4"), 12, "8 bytes at the end belong to no tensor");
  std::string v = w("F32", "1", "2,6");
  refused(raw("{\"v\":" + v + ",\"w\":" + w("F32", "1", "0,4") + "}", 6),
          "tensor \"v\": begins at byte 2 of the data, but the one before it ends at 4");
}

TEST_CASE("safetensors: damaged lengths are refused") {
  refused("", "0 bytes; the length of the header alone takes 8");
  refused("{\"w\":", "5 bytes");
  refused(std::string(8, '\xff') + "{}",
          "18446744073709551615 bytes, above the format's limit");
  std::string too_long = raw("{}", 0);
  too_long[0] = 3;
  refused(too_long, "a header of 3 bytes in a file of 10: is the file cut off?");
}

TEST_CASE("safetensors: paths that cannot be read or written") {
  Scratch scratch;
  const std::string missing = scratch.file("missing"), below = scratch.file("file") + "/x";
  write_all(scratch.file("file"), "old");
  auto load = [](const std::string& path) {
    return message_of([&] { load_safetensors(path); });
  };
  auto save = [](const std::string& path) {
    return message_of([&] { save_safetensors(path, {}); });
  };
  CHECK(load(missing) ==
        "[load_safetensors] " + missing + ": cannot be opened: No such file or directory");
  CHECK(load(scratch.dir.string()).find("not a file") != std::string::npos);
  CHECK(save(scratch.dir.string()).find("exists and is not a file") != std::string::npos);
  CHECK(save("/dev/null").find("exists and is not a file") != std::string::npos);
  CHECK(save(below) == "[save_safetensors] " + below + ": cannot be written: Not a directory");
  CHECK(save(missing + "/x").find("No such file or directory") != std::string::npos);
  CHECK(read_all(scratch.file("file")) == "old");
  CHECK(scratch.entries() == 1);
}

TEST_CASE("safetensors: two programs that save under one name do not write into one file") {
  Scratch scratch;
  const std::string path = scratch.file("w"), others = path + ".part";
  write_all(others, "another program is writing here");
  save_safetensors(path, {});
  CHECK(read_all(others) == "another program is writing here");
  CHECK(load_safetensors(path).tensors.empty());
  CHECK(scratch.entries() == 2);
}

TEST_CASE("safetensors: what could not be read back is not written") {
  Scratch scratch;
  const std::string path = scratch.file("kept");
  write_all(path, "old");
  auto refuse = [&](SafeTensors file, const std::string& text) {
    const std::string message = message_of([&] { save_safetensors(path, file); });
    CAPTURE(message);
    CHECK(message.find("[save_safetensors] " + path + ": ") == 0);
    CHECK(message.find(text) != std::string::npos);
  };
  SafeTensor one = tensor<float>("F32", {1}, {1});
  SafeTensor two = tensor<float>("F32", {3}, {1, 2});
  SafeTensor half = tensor<float>("F16", {2}, {1});
  SafeTensor negative = tensor<float>("F32", {-1}, {1});
  refuse({{{"w", two}}, {}}, "tensor \"w\": has 8 bytes, its shape needs 12");
  refuse({{{"w", half}}, {}}, "dtype \"F16\"");
  refuse({{{"w", negative}}, {}}, "a negative size, -1");
  refuse({{{"w", one}, {"w", one}}, {}}, "the name is used twice");
  refuse({{{"__metadata__", one}}, {}}, "keeps this name for itself");
  refuse({{{"\xff", one}}, {}}, "not UTF-8");
  refuse({{}, {{"k", "\xff"}}}, "not UTF-8");
  CHECK(read_all(path) == "old");
  CHECK(scratch.entries() == 1);
}
