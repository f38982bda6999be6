// What the reader, the writer and the number types of GGUF share. Included by gguf*.cpp alone.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/formats/gguf.h"

namespace safelight::gguf {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are in the file");

template <class T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

using Expand = void (*)(const std::uint8_t* in, std::size_t blocks, float* out);
using Pack = void (*)(const float* in, std::size_t blocks, std::uint8_t* out);

struct TypeRow {
  GgufType type;
  std::string_view name;
  std::size_t block_size, block_bytes;
  Expand expand;
  Pack pack;  // null: we do not write this type
};

const TypeRow* find_row(std::uint32_t id);  // null if we do not know the type
const TypeRow& row_of(GgufType type);       // throws Error(internal)
std::string known_types();                  // "f32, f16, ..."

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr const char* kAlignmentKey = "general.alignment";
inline constexpr std::size_t kMaxName = 1024;  // real names stay under 128; errors quote them
inline constexpr std::size_t kMaxDimensions = 4;

bool is_utf8(std::string_view text);

inline bool is_alignment(std::uint64_t value) { return std::has_single_bit(value) && value >= 8 && value <= 65536; }

// Only for values that stay far from 2^64: positions inside a file that is there.
inline std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

// Bytes of a tensor of dimensions >= 0, or false where rows are no whole blocks or a product wraps round. A dimension of 0
// does not hide a wrap.
bool bytes_of(const TypeRow& row, const std::vector<std::int64_t>& shape, std::uint64_t& out);

[[noreturn]] void misuse(const std::string& what);  // Error(internal)

}  // namespace safelight::gguf
