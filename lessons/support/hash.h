// FNV-1a, 64 bits (Fowler, Noll, Vo): a hash of a few lines that anybody can check. A lesson's
// last line is the hash of its weights: the same digits everywhere mean the same bits
// everywhere.
#pragma once
#include <cstddef>
#include <cstdint>

namespace heed {

// To hash several pieces as one, pass the hash so far.
inline uint64_t fnv1a(const void* data, size_t bytes, uint64_t hash = 0xcbf29ce484222325) {
  auto byte = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ byte[i]) * 0x100000001b3;
  return hash;
}

}  // namespace heed
