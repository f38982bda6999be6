#include "common/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/base/error.h"
#include "common/base/json_read.h"

namespace safelight {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kLongestName = 4096;

struct DtypeRow {
  SafeDtype dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array<DtypeRow, 12> kDtypes = {{{SafeDtype::f64, "F64", 8},
                                               {SafeDtype::f32, "F32", 4},
                                               {SafeDtype::f16, "F16", 2},
                                               {SafeDtype::bf16, "BF16", 2},
                                               {SafeDtype::i64, "I64", 8},
                                               {SafeDtype::i32, "I32", 4},
                                               {SafeDtype::i16, "I16", 2},
                                               {SafeDtype::i8, "I8", 1},
                                               {SafeDtype::u8, "U8", 1},
                                               {SafeDtype::boolean, "BOOL", 1},
                                               {SafeDtype::f8_e4m3, "F8_E4M3", 1},
                                               {SafeDtype::f8_e5m2, "F8_E5M2", 1}}};

[[noreturn]] void corrupt(const std::string& where, const std::string& rule) {
  throw Error(ErrorCode::corrupt_file, where + ": " + rule + "; the file is damaged or not safetensors, fetch it again");
}

SafeDtype dtype_named(const std::string& text, const std::string& where) {
  for (const DtypeRow& row : kDtypes)
    if (row.name == text) return row.dtype;
  std::string known;
  for (const DtypeRow& row : kDtypes) known += (known.empty() ? "" : ", ") + std::string(row.name);
  throw Error(ErrorCode::unsupported, where + ": dtype '" + text.substr(0, 32) + "' is not known; known: " + known);
}

std::uint64_t unsigned_of(const JsonMember& value, const std::string& where, const char* what) {
  if (!value.is_number_unsigned()) corrupt(where, std::string(what) + " must be a whole number >= 0");
  return value.get<std::uint64_t>();
}

// Bytes of a tensor, refusing products that wrap round (shape [2^32, 2^32] is the classic).
std::uint64_t bytes_of(const std::vector<std::int64_t>& shape, SafeDtype dtype, const std::string& where) {
  std::uint64_t total = byte_size(dtype);
  bool zero = false;
  for (const std::int64_t d : shape) {
    if (d == 0) zero = true;
    else if (__builtin_mul_overflow(total, static_cast<std::uint64_t>(d), &total))
      corrupt(where, "the shape's size overflows");
  }
  return zero ? 0 : total;
}

void require_exact_keys(const JsonMember& entry, const std::string& where) {
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!entry.contains(key)) corrupt(where, std::string("'") + key + "' is missing");
  if (entry.size() != 3) corrupt(where, "has a key other than dtype, shape and data_offsets");
}

std::pair<std::uint64_t, std::uint64_t> read_entry(const JsonMember& entry, std::uint64_t data_size, const std::string& where,
                                                   SafeTensor& out) {
  if (!entry.is_object()) corrupt(where, "must be an object");
  require_exact_keys(entry, where);
  if (!entry["dtype"].is_string()) corrupt(where, "dtype must be a string");
  out.dtype = dtype_named(entry["dtype"].get<std::string>(), where);
  const JsonMember& shape = entry["shape"];
  if (!shape.is_array() || shape.size() > kMaxDimensions) corrupt(where, "shape must be a list of at most 8 numbers");
  for (const JsonMember& d : shape) {
    const std::uint64_t value = unsigned_of(d, where, "a dimension");
    if (value > static_cast<std::uint64_t>(INT64_MAX)) corrupt(where, "a dimension is too large");
    out.shape.push_back(static_cast<std::int64_t>(value));
  }
  const JsonMember& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) corrupt(where, "data_offsets must be two numbers");
  const std::uint64_t begin = unsigned_of(offsets[0], where, "an offset");
  const std::uint64_t end = unsigned_of(offsets[1], where, "an offset");
  if (begin > end || end > data_size) corrupt(where, "its data lies outside the file");
  if (end - begin != bytes_of(out.shape, out.dtype, where)) corrupt(where, "shape and data size disagree");
  return {begin, end};
}

void require_gapless(const SafetensorsHeader& header, std::uint64_t data_size, const std::string& where) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [key, range] : header.ranges) ranges.push_back(range);
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t position = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != position) corrupt(where, begin < position ? "tensors overlap" : "there is a hole between tensors");
    position = end;
  }
  if (position != data_size) corrupt(where, "there are bytes after the last tensor");
}

// Header JSON padded with spaces so that data starts at a multiple of 8.
std::string header_text(const std::vector<SafetensorsRows::Tensor>& tensors,
                        const std::map<std::string, std::string>& metadata, std::vector<std::uint64_t>& offsets) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t position = 0;
  for (const auto& t : tensors) {
    const std::uint64_t size = bytes_of(t.shape, t.dtype, "tensor '" + t.name + "'");
    if (header.contains(t.name)) throw Error(ErrorCode::internal, "tensor '" + t.name + "' was given twice");
    header[t.name] = {{"dtype", name(t.dtype)}, {"shape", t.shape}, {"data_offsets", {position, position + size}}};
    offsets.push_back(position);
    position += size;
  }
  offsets.push_back(position);
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(text.size() >> (8 * i));
  return out + text;
}

}  // namespace

std::string_view name(SafeDtype dtype) {
  for (const DtypeRow& row : kDtypes)
    if (row.dtype == dtype) return row.name;
  return "?";
}

std::size_t byte_size(SafeDtype dtype) {
  for (const DtypeRow& row : kDtypes)
    if (row.dtype == dtype) return row.size;
  return 0;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size, const std::string& where) {
  if (json.empty() || json.front() != '{') corrupt(where, "the header does not start with '{'");
  SafetensorsHeader out;
  parse_json_members(json, where, [&](const std::string& key, const JsonMember& value) {
    if (key == "__metadata__") {
      if (!value.is_object()) corrupt(where, "__metadata__ must be an object");
      for (const auto& [k, v] : value.items()) {
        if (!v.is_string()) corrupt(where, "__metadata__ may hold strings only");
        out.metadata[k] = v.get<std::string>();
      }
      return;
    }
    if (key.size() > kLongestName) corrupt(where, "the tensor '" + key.substr(0, 100) + "...' has a name of " + std::to_string(key.size()) + " bytes");
    if (key.find('\0') != std::string::npos) corrupt(where, "a tensor's name holds a NUL");
    SafeTensor tensor;
    out.ranges[key] = read_entry(value, data_size, where + ", tensor '" + key + "'", tensor);
    out.entries[key] = std::move(tensor);
  });
  require_gapless(out, data_size, where);
  return out;
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& file) {
  SafetensorsFile out(file, MappedFile(file));
  const auto bytes = out.mapping_.bytes();
  const std::string where = "'" + file.string() + "'";
  if (bytes.size() < 10) corrupt(where, "shorter than any safetensors file");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kMaxHeader) corrupt(where, "the header claims more than 100,000,000 bytes");
  if (length > bytes.size() - 8) corrupt(where, "the header is longer than the file");
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  SafetensorsHeader header = parse_safetensors_header(json, bytes.size() - 8 - length, where);
  for (auto& [key, tensor] : header.entries) {
    const auto [begin, end] = header.ranges.at(key);
    tensor.bytes = bytes.subspan(8 + length + begin, end - begin);
  }
  out.entries_ = std::move(header.entries);
  out.metadata_ = std::move(header.metadata);
  return out;
}

std::uint64_t SafetensorsFile::numbers() const {
  std::uint64_t sum = 0;
  for (const auto& [key, tensor] : entries_) {
    std::uint64_t n = 1;
    for (const int64_t d : tensor.shape) n *= static_cast<std::uint64_t>(d);
    sum += n;
  }
  return sum;
}

const SafeTensor& SafetensorsFile::at(const std::string& key) const {
  mapping_.require_unchanged();
  const auto it = entries_.find(key);
  if (it == entries_.end()) throw Error(ErrorCode::not_found, "'" + path_.string() + "' has no tensor '" + key + "'");
  return it->second;
}

void write_safetensors(const std::filesystem::path& file, const std::vector<SafeTensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsRows::Tensor> shapes;
  for (const auto& t : tensors) shapes.push_back({t.name, t.dtype, t.shape});
  std::vector<std::uint64_t> offsets;
  std::string content = header_text(shapes, metadata, offsets);
  content.reserve(content.size() + offsets.back());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].bytes.size() != offsets[i + 1] - offsets[i])
      throw Error(ErrorCode::internal, "tensor '" + tensors[i].name + "': bytes do not fit its shape");
    content.append(reinterpret_cast<const char*>(tensors[i].bytes.data()), tensors[i].bytes.size());
  }
  write_file_atomic(file, content);
}

}  // namespace safelight

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace safelight {

SafetensorsRows::SafetensorsRows(const std::filesystem::path& file, const std::vector<Tensor>& tensors) : path_(file) {
  std::vector<std::uint64_t> offsets;
  const std::string header = header_text(tensors, {}, offsets);
  descriptor_ = ::open(file.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
  file_bytes_ = header.size() + offsets.back();
  const bool ok = descriptor_ >= 0 && ::ftruncate(descriptor_, static_cast<off_t>(file_bytes_)) == 0 &&
                  ::pwrite(descriptor_, header.data(), header.size(), 0) == static_cast<ssize_t>(header.size());
  if (!ok) throw Error(ErrorCode::io, "'" + file.string() + "' cannot be written: " + std::strerror(errno));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t rows = tensors[i].shape.empty() ? 1 : tensors[i].shape.front();
    const std::uint64_t size = offsets[i + 1] - offsets[i];
    places_[tensors[i].name] = {header.size() + offsets[i], rows > 0 ? size / static_cast<std::uint64_t>(rows) : 0, rows};
  }
}

SafetensorsRows::~SafetensorsRows() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void SafetensorsRows::write_row(const std::string& name, std::int64_t row, std::span<const std::byte> bytes) {
  const auto it = places_.find(name);
  if (it == places_.end() || row < 0 || row >= it->second.rows || bytes.size() != it->second.row_bytes)
    throw Error(ErrorCode::internal, "'" + path_.string() + "': row " + std::to_string(row) + " of '" + name +
                                         "' does not fit what was declared");
  std::uint64_t offset = it->second.offset + static_cast<std::uint64_t>(row) * it->second.row_bytes;
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Error(ErrorCode::io, "'" + path_.string() + "' cannot be written: " + std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace safelight
