// The GGUF format (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little endian: reading, writing, and the
// arithmetic of its quantised types. Files are hostile until checked: counts and lengths are held against the bytes that
// are there before anything is allocated, and no size is computed that could wrap round.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/io.h"

namespace safelight {

// The values are the ids in the file. Types that are not here (the IQ family and other rare ones) are refused by name.
enum class GgufType : std::uint32_t {
  f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q5_0 = 6, q5_1 = 7, q8_0 = 8, q2_k = 10, q3_k = 11, q4_k = 12, q5_k = 13, q6_k = 14,
  i8 = 24, i16 = 25, i32 = 26, i64 = 27, f64 = 28, bf16 = 30
};

std::string_view name(GgufType type);         // "q4_K", as ggml prints it
std::size_t gguf_block_size(GgufType type);   // numbers per block; 1 for plain types
std::size_t gguf_block_bytes(GgufType type);  // bytes per block

// The position of an alternative is the format's id of its type; the monostate of an array stands where an array of arrays
// would be, which we refuse. Strings are as in the file and need not be UTF-8; keys and tensor names always are.
using GgufArray = std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>, std::vector<std::int16_t>,
                               std::vector<std::uint32_t>, std::vector<std::int32_t>, std::vector<float>, std::vector<bool>,
                               std::vector<std::string>, std::monostate, std::vector<std::uint64_t>, std::vector<std::int64_t>,
                               std::vector<double>>;
using GgufValue = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, float, bool,
                               std::string, GgufArray, std::uint64_t, std::int64_t, double>;

struct GgufTensor {
  GgufType type = GgufType::f32;
  std::vector<std::int64_t> shape;   // row-major, 1 to 4 dimensions: the file's `ne` reversed
  std::uint64_t offset = 0;          // from the start of the data section
  std::span<const std::byte> bytes;  // valid while the file object lives
};

struct GgufHeader {
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::uint64_t data_offset = 0;
  std::map<std::string, GgufTensor> entries;
  std::map<std::string, GgufValue> metadata;
};

// Checks a whole file and points into it. Allocates at most the file's size and 64 MiB. Exposed for fuzzing.
// Throws Error(corrupt_file) naming the key or tensor and the broken rule; Error(unsupported) for other versions, big-endian
// files, unknown tensor types and nested arrays.
GgufHeader parse_gguf(std::span<const std::byte> file, const std::string& where);

// An open file. Immutable; reading from several threads is safe.
class GgufFile {
 public:
  // Throws Error(not_found), Error(io), and what parse_gguf throws.
  static GgufFile open(const std::filesystem::path& file);

  const std::map<std::string, GgufTensor>& entries() const { return header_.entries; }
  const std::map<std::string, GgufValue>& metadata() const { return header_.metadata; }
  std::uint32_t version() const { return header_.version; }
  std::uint64_t alignment() const { return header_.alignment; }
  std::uint64_t data_offset() const { return header_.data_offset; }
  const std::filesystem::path& path() const { return path_; }
  // Throws Error(not_found) naming file and tensor; Error(corrupt_file) if the file has been cut meanwhile.
  const GgufTensor& at(const std::string& key) const;

 private:
  GgufFile(std::filesystem::path path, MappedFile mapping) : path_(std::move(path)), mapping_(std::move(mapping)) {}
  std::filesystem::path path_;
  MappedFile mapping_;
  GgufHeader header_;
};

// Equal to ggml's own floats bit for bit. Throws Error(internal) if bytes and out do not hold the same number of blocks.
void gguf_dequantise(GgufType type, std::span<const std::byte> bytes, std::span<float> out);

// Whether every number that quantised blocks stand for is finite: their half-precision scales are. True for plain types.
bool gguf_finite(GgufType type, std::span<const std::byte> bytes);

// Replaces what `out` held. For f32, f16, bf16 and the 32-blocks (q8_0, q5_1, q5_0, q4_1, q4_0). Throws Error(unsupported) for
// other types, Error(non_finite) for a number that the type cannot hold, Error(internal) for a size that is no multiple of the block.
void gguf_quantise(GgufType type, std::span<const float> numbers, std::vector<std::byte>& out);

struct GgufTensorSource {
  std::string name;
  GgufType type = GgufType::f32;
  std::vector<std::int64_t> shape;   // row-major, 1 to 4 dimensions
  std::span<const std::byte> bytes;  // exactly the size that type and shape ask for
};

// Version 3, tensors in the given order, aligned as metadata's general.alignment says (else 32). Streamed to a file beside the
// target and renamed. Throws Error(internal) on input that the reader would refuse, Error(io).
void write_gguf(const std::filesystem::path& file, const std::vector<GgufTensorSource>& tensors,
                const std::map<std::string, GgufValue>& metadata);

}  // namespace safelight
