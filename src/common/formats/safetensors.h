// The safetensors format (github.com/huggingface/safetensors): the one parser of it in the house. Files are hostile
// until checked: every rule of the format is enforced before a byte of data is handed out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/io.h"

namespace safelight {

enum class SafeDtype { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean, f8_e4m3, f8_e5m2 };

std::string_view name(SafeDtype dtype);  // "F32", as in the file
std::size_t byte_size(SafeDtype dtype);

struct SafeTensor {
  SafeDtype dtype = SafeDtype::f32;
  std::vector<std::int64_t> shape;   // at most 8 dimensions, each >= 0
  std::span<const std::byte> bytes;  // into the mapping; valid while the file object lives
};

// An open file. Immutable; reading from several threads is safe.
class SafetensorsFile {
 public:
  // Throws Error(not_found), Error(io), or Error(corrupt_file) that names the file, the tensor and the broken rule.
  static SafetensorsFile open(const std::filesystem::path& file);

  const std::map<std::string, SafeTensor>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }
  std::uint64_t numbers() const;   // over all tensors
  // Throws Error(not_found) naming file and key; Error(corrupt_file) if the file has been cut meanwhile.
  const SafeTensor& at(const std::string& key) const;

 private:
  SafetensorsFile(std::filesystem::path path, MappedFile mapping) : path_(std::move(path)), mapping_(std::move(mapping)) {}
  std::filesystem::path path_;
  MappedFile mapping_;
  std::map<std::string, SafeTensor> entries_;
  std::map<std::string, std::string> metadata_;
};

// Checks a header (without its length prefix) against a data section of `data_size` bytes. Exposed for fuzzing.
struct SafetensorsHeader {
  std::map<std::string, SafeTensor> entries;           // bytes empty
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> ranges;
  std::map<std::string, std::string> metadata;
};
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size, const std::string& where);

struct SafeTensorSource {
  std::string name;
  SafeDtype dtype = SafeDtype::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // exactly the size that dtype and shape ask for
};

// Atomic. Throws Error(internal) on a size that does not fit its shape, Error(io).
void write_safetensors(const std::filesystem::path& file, const std::vector<SafeTensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata);

// A file whose header and full size are written at once and whose rows (first dimension) are filled in place, so that
// whatever a killed process had written is readable. Unwritten rows are zero.
class SafetensorsRows {
 public:
  struct Tensor {
    std::string name;
    SafeDtype dtype = SafeDtype::f32;
    std::vector<std::int64_t> shape;
  };
  SafetensorsRows(const std::filesystem::path& file, const std::vector<Tensor>& tensors);
  ~SafetensorsRows();
  SafetensorsRows(const SafetensorsRows&) = delete;
  SafetensorsRows& operator=(const SafetensorsRows&) = delete;
  // bytes must be one row. Throws Error(internal) on an unknown name, row or size; Error(io).
  void write_row(const std::string& name, std::int64_t row, std::span<const std::byte> bytes);
  std::uint64_t file_bytes() const { return file_bytes_; }

 private:
  struct Place {
    std::uint64_t offset = 0, row_bytes = 0;
    std::int64_t rows = 0;
  };
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::map<std::string, Place> places_;
  std::uint64_t file_bytes_ = 0;
};

}  // namespace safelight
