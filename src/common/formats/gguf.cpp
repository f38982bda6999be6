#include "common/formats/gguf.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/error.h"
#include "common/formats/gguf_internal.h"

namespace safelight {
namespace gguf {
namespace {

constexpr std::uint64_t kExtraMemory = std::uint64_t{63} << 20;  // the promised 64 MiB less messages and other small things
constexpr std::uint64_t kRounding = 32;                          // what an allocator adds to a block at most
// Fewest bytes of a key with its value (length, a letter, type, one byte) and of a tensor's entry (one dimension).
constexpr std::uint64_t kMinKeyBytes = 8 + 1 + 4 + 1, kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

[[noreturn]] void corrupt(const std::string& where, const std::string& rule) {
  throw Error(ErrorCode::corrupt_file, where + ": " + rule + "; the file is damaged or not GGUF, fetch it again");
}

// How many bytes the UTF-8 letter at the start of `text` has; 0 if it is none (overlong, surrogate, beyond U+10FFFF, cut).
std::size_t letter_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned low, unsigned high) { return at(i) >= low && at(i) <= high; };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef)
    return follows(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && follows(2, 0x80, 0xbf) ? 3 : 0;
  if (lead >= 0xf0 && lead <= 0xf4)
    return follows(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  return 0;
}

// Reads a header front to back. Every read is checked against what is left; what is kept is charged against a budget,
// because the format lets 8 bytes of file (an empty string) become 32 of memory.
class Reader {
 public:
  Reader(std::span<const std::byte> file, std::string where) : file_(file), where_(std::move(where)), budget_(file.size() + kExtraMemory) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return file_.size() - position_; }
  // Errors name this place until the next call.
  void enter(const std::string& place) { place_ = place; }
  [[noreturn]] void fail(const std::string& rule) const { corrupt(full_place(), rule); }
  [[noreturn]] void refuse(const std::string& why) const { throw Error(ErrorCode::unsupported, full_place() + ": " + why); }

  void charge(std::uint64_t bytes) {
    if (bytes > budget_) fail("the header would take more memory than the file's size and 64 MiB");
    budget_ -= bytes;
  }

  const std::byte* take(std::uint64_t bytes, const char* what) {
    if (bytes > left()) fail(std::string("the file ends before the end of ") + what);
    const std::byte* out = file_.data() + position_;
    position_ += bytes;
    return out;
  }

  template <class T>
  T number(const char* what) {
    return load<T>(take(sizeof(T), what));
  }

  // A count of things that take at least `each` bytes: refused here if they cannot all be in the file.
  std::uint64_t count(std::uint64_t each, const char* what) {
    const auto out = number<std::uint64_t>(what);
    if (out > left() / each) fail(std::string(what) + " (" + std::to_string(out) + ") is more than the file can hold");
    return out;
  }

  std::string_view text(const char* what) {
    const std::uint64_t length = count(1, what);
    return {reinterpret_cast<const char*>(take(length, what)), length};
  }

  std::string name(const char* what) {
    const std::string_view out = text(what);
    if (out.empty() || out.size() > kMaxName) fail(std::string(what) + " must be 1 to " + std::to_string(kMaxName) + " bytes");
    if (out.find('\0') != std::string_view::npos) fail(std::string(what) + " holds a NUL");
    if (!is_utf8(out)) fail(std::string(what) + " is not UTF-8");
    return std::string(out);
  }

 private:
  std::string full_place() const { return place_.empty() ? where_ : where_ + ", " + place_; }

  std::span<const std::byte> file_;
  std::string where_, place_;
  std::uint64_t budget_;
  std::uint64_t position_ = 0;
};

bool truth(Reader& in, std::byte byte) {
  if (byte > std::byte{1}) in.fail("a boolean is neither 0 nor 1");
  return byte == std::byte{1};
}

std::string kept_text(Reader& in) {
  const std::string_view out = in.text("a string");
  in.charge(out.size() + kRounding);
  return std::string(out);
}

template <class T>
void read_into(Reader& in, T& out) {
  out = in.number<T>("its value");
}
void read_into(Reader& in, bool& out) { out = truth(in, in.number<std::byte>("its value")); }
void read_into(Reader& in, std::string& out) { out = kept_text(in); }

template <class T>
void read_into(Reader& in, std::vector<T>& out) {
  const std::uint64_t n = in.count(sizeof(T), "the array's length");
  in.charge(n * sizeof(T) + kRounding);
  const std::byte* from = in.take(n * sizeof(T), "the array");
  out.resize(n);
  if (n > 0) std::memcpy(out.data(), from, n * sizeof(T));
}

void read_into(Reader& in, std::vector<bool>& out) {
  const std::uint64_t n = in.count(1, "the array's length");
  in.charge(n / 8 + kRounding);
  const std::byte* from = in.take(n, "the array");
  out.resize(n);
  for (std::uint64_t i = 0; i < n; ++i) out[i] = truth(in, from[i]);
}

void read_into(Reader& in, std::vector<std::string>& out) {
  const std::uint64_t n = in.count(8, "the array's length");
  in.charge(n * sizeof(std::string) + kRounding);
  out.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) out.push_back(kept_text(in));
}

void read_into(Reader& in, std::monostate&) { in.refuse("an array of arrays is not read here"); }
void read_into(Reader& in, GgufArray& out);

// Makes `out` hold the alternative whose position is the type id, and reads that.
template <class Variant, std::size_t... I>
void read_alternative(Reader& in, std::uint32_t id, Variant& out, std::index_sequence<I...>) {
  ((I == id ? read_into(in, out.template emplace<I>()) : void()), ...);
}

template <class Variant>
void read_typed(Reader& in, Variant& out) {
  constexpr std::size_t kinds = std::variant_size_v<Variant>;
  const auto id = in.number<std::uint32_t>("the type of its value");
  if (id >= kinds) in.fail("value type " + std::to_string(id) + " does not exist");
  read_alternative(in, id, out, std::make_index_sequence<kinds>());
}

void read_into(Reader& in, GgufArray& out) { read_typed(in, out); }

// Bytes that a map's node takes beside the key's letters: links, key, value, and the rounding of node and letters.
template <class Value>
constexpr std::uint64_t kNodeBytes = 32 + sizeof(std::string) + sizeof(Value) + 2 * kRounding;

void read_metadata(Reader& in, std::uint64_t n, std::map<std::string, GgufValue>& out) {
  for (std::uint64_t i = 0; i < n; ++i) {
    in.enter("key " + std::to_string(i + 1) + " of " + std::to_string(n));
    std::string key = in.name("its name");
    in.enter("key '" + key + "'");
    in.charge(kNodeBytes<GgufValue> + key.size());
    GgufValue value;
    read_typed(in, value);
    if (!out.emplace(std::move(key), std::move(value)).second) in.fail("it is there twice");
  }
}

std::uint64_t read_alignment(Reader& in, const std::map<std::string, GgufValue>& metadata) {
  const auto it = metadata.find(kAlignmentKey);
  if (it == metadata.end()) return 32;
  in.enter(std::string("key '") + kAlignmentKey + "'");
  const auto* value = std::get_if<std::uint32_t>(&it->second);
  if (!value || !is_alignment(*value)) in.fail("must be a u32, a power of two from 8 to 65536");
  return *value;
}

std::vector<std::int64_t> read_shape(Reader& in) {
  const auto n = in.number<std::uint32_t>("the number of dimensions");
  if (n < 1 || n > kMaxDimensions) in.fail(std::to_string(n) + " dimensions; there must be 1 to 4");
  std::vector<std::int64_t> shape(n);
  for (std::size_t i = n; i-- > 0;) {
    const auto d = in.number<std::uint64_t>("the shape");
    if (d > static_cast<std::uint64_t>(INT64_MAX)) in.fail("a dimension is negative or too large");
    shape[i] = static_cast<std::int64_t>(d);
  }
  return shape;
}

void read_tensor(Reader& in, std::uint64_t alignment, GgufTensor& out) {
  out.shape = read_shape(in);
  const auto id = in.number<std::uint32_t>("the type");
  const TypeRow* row = find_row(id);
  if (!row) in.refuse("tensor type " + std::to_string(id) + " is not read here; known: " + known_types() + "; requantise the model");
  out.type = row->type;
  std::uint64_t bytes = 0;
  if (!bytes_of(*row, out.shape, bytes))
    in.fail("its size overflows, or its rows are no whole blocks of " + std::to_string(row->block_size) + " " + std::string(row->name));
  out.offset = in.number<std::uint64_t>("the offset");
  if (out.offset % alignment != 0) in.fail("its offset is no multiple of the alignment " + std::to_string(alignment));
}

void read_tensors(Reader& in, std::uint64_t n, GgufHeader& header) {
  for (std::uint64_t i = 0; i < n; ++i) {
    in.enter("tensor " + std::to_string(i + 1) + " of " + std::to_string(n));
    std::string name = in.name("its name");
    in.enter("tensor '" + name + "'");
    // Beside the node its shape, and its place in the list that is sorted later.
    in.charge(kNodeBytes<GgufTensor> + name.size() + kMaxDimensions * sizeof(std::int64_t) + kRounding + sizeof(void*));
    GgufTensor tensor;
    read_tensor(in, header.alignment, tensor);
    if (!header.entries.emplace(std::move(name), std::move(tensor)).second) in.fail("it is there twice");
  }
}

// Gives each tensor its bytes. In the order of their offsets each must begin where the one before ends, padding included,
// as ggml's reader also demands: what no tensor covers could be another file hidden in this one.
void place_tensors(Reader& in, std::span<const std::byte> data, GgufHeader& header) {
  using Entry = std::pair<const std::string, GgufTensor>;
  std::vector<Entry*> order;
  order.reserve(header.entries.size());
  for (Entry& entry : header.entries) {
    GgufTensor& t = entry.second;
    in.enter("tensor '" + entry.first + "'");
    std::uint64_t bytes = 0;
    bytes_of(row_of(t.type), t.shape, bytes);
    if (t.offset > data.size() || bytes > data.size() - t.offset) in.fail("its data lies outside the file");
    t.bytes = data.subspan(t.offset, bytes);
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->second.offset, a->second.bytes.size()) < std::pair(b->second.offset, b->second.bytes.size());
  });
  std::uint64_t position = 0;
  for (const Entry* entry : order) {
    const GgufTensor& t = entry->second;
    in.enter("tensor '" + entry->first + "'");
    if (t.offset != position) in.fail(t.offset < position ? "it overlaps another tensor" : "there is a hole before its data");
    position = align_up(t.offset + t.bytes.size(), header.alignment);
  }
  in.enter("");
  if (data.size() > position) in.fail("there are bytes after the last tensor");
}

void read_version(Reader& in, GgufHeader& header) {
  header.version = in.number<std::uint32_t>("the version");
  if (header.version != 0 && (header.version & 0xffff) == 0)
    in.refuse("a big-endian GGUF file; only little-endian ones are read, convert it with gguf-py's gguf_convert_endian");
  if (header.version != 2 && header.version != 3)
    in.refuse("GGUF version " + std::to_string(header.version) + " is not read here, only 2 and 3; convert the model anew");
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = letter_bytes(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

bool bytes_of(const TypeRow& row, const std::vector<std::int64_t>& shape, std::uint64_t& out) {
  if (static_cast<std::uint64_t>(shape.back()) % row.block_size != 0) return false;
  std::int64_t numbers = 1;
  bool zero = false;
  for (const std::int64_t d : shape) {
    if (d == 0) zero = true;
    else if (__builtin_mul_overflow(numbers, d, &numbers)) return false;
  }
  if (zero) numbers = 0;
  return !__builtin_mul_overflow(static_cast<std::uint64_t>(numbers) / row.block_size, row.block_bytes, &out);
}

}  // namespace gguf

GgufHeader parse_gguf(std::span<const std::byte> file, const std::string& where) {
  using namespace gguf;
  Reader in(file, where);
  GgufHeader header;
  const std::byte* magic = in.take(kMagic.size(), "the magic number");
  if (std::memcmp(magic, kMagic.data(), kMagic.size()) != 0) in.fail("it does not begin with 'GGUF'");
  read_version(in, header);
  const std::uint64_t tensors = in.count(kMinTensorBytes, "the number of tensors");
  const std::uint64_t keys = in.count(kMinKeyBytes, "the number of metadata keys");
  read_metadata(in, keys, header.metadata);
  header.alignment = read_alignment(in, header.metadata);
  read_tensors(in, tensors, header);
  header.data_offset = align_up(in.position(), header.alignment);
  // A file of metadata alone may end without padding.
  const std::uint64_t begin = std::min<std::uint64_t>(header.data_offset, file.size());
  place_tensors(in, file.subspan(begin), header);
  return header;
}

GgufFile GgufFile::open(const std::filesystem::path& file) {
  GgufFile out(file, MappedFile(file));
  out.header_ = parse_gguf(out.mapping_.bytes(), "'" + file.string() + "'");
  return out;
}

const GgufTensor& GgufFile::at(const std::string& key) const {
  mapping_.require_unchanged();
  const auto it = entries().find(key);
  if (it == entries().end()) throw Error(ErrorCode::not_found, "'" + path_.string() + "' has no tensor '" + key + "'");
  return it->second;
}

}  // namespace safelight
