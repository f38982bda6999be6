#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/error.h"
#include "common/formats/gguf_internal.h"

namespace safelight {
namespace gguf {
namespace {

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put(std::string& out, const bool& value) { out.push_back(value ? 1 : 0); }
void put(std::string& out, const std::string& text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

template <class T>
void put(std::string& out, const std::vector<T>& values) {
  put(out, std::uint64_t{values.size()});
  for (const auto& v : values) put(out, static_cast<const T&>(v));
}
void put(std::string&, const std::monostate&) { misuse("an array of arrays cannot be written to GGUF"); }

void put(std::string& out, const GgufArray& array) {
  put(out, static_cast<std::uint32_t>(array.index()));
  std::visit([&](const auto& values) { put(out, values); }, array);
}

void put_name(std::string& out, const std::string& name) {
  if (name.empty() || name.size() > kMaxName || name.find('\0') != std::string::npos || !is_utf8(name))
    misuse("'" + name.substr(0, 64) + "' cannot be a name in a GGUF file: 1 to 1024 bytes of UTF-8 without NUL");
  put(out, name);
}

std::uint64_t alignment_of(const std::map<std::string, GgufValue>& metadata) {
  const auto it = metadata.find(kAlignmentKey);
  if (it == metadata.end()) return 32;
  const auto* value = std::get_if<std::uint32_t>(&it->second);
  if (!value || !is_alignment(*value)) misuse(std::string(kAlignmentKey) + " must be a u32, a power of two from 8 to 65536");
  return *value;
}

void require_writable(const GgufTensorSource& t) {
  const std::string where = "tensor '" + t.name + "': ";
  const std::size_t dimensions = t.shape.size();
  if (dimensions < 1 || dimensions > kMaxDimensions) misuse(where + "GGUF holds 1 to 4 dimensions, not " + std::to_string(dimensions));
  if (*std::min_element(t.shape.begin(), t.shape.end()) < 0) misuse(where + "a dimension is negative");
  std::uint64_t bytes = 0;
  if (!bytes_of(row_of(t.type), t.shape, bytes) || bytes != t.bytes.size()) misuse(where + "bytes do not fit its shape");
}

// Everything before the data, padded.
std::string header_text(const std::vector<GgufTensorSource>& tensors, const std::map<std::string, GgufValue>& metadata,
                        std::uint64_t alignment) {
  std::string out(kMagic);
  put(out, std::uint32_t{3});
  put(out, std::uint64_t{tensors.size()});
  put(out, std::uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    put_name(out, key);
    put(out, static_cast<std::uint32_t>(value.index()));
    std::visit([&](const auto& v) { put(out, v); }, value);
  }
  std::map<std::string_view, int> seen;
  std::uint64_t offset = 0;
  for (const GgufTensorSource& t : tensors) {
    require_writable(t);
    if (seen[t.name]++ > 0) misuse("tensor '" + t.name + "' was given twice");
    put_name(out, t.name);
    put(out, static_cast<std::uint32_t>(t.shape.size()));
    for (auto d = t.shape.rbegin(); d != t.shape.rend(); ++d) put(out, *d);
    put(out, t.type);
    put(out, offset);
    offset = align_up(offset + t.bytes.size(), alignment);
  }
  out.append(align_up(out.size(), alignment) - out.size(), '\0');
  return out;
}

// A file beside the target that takes its name when all of it is written, and is removed otherwise.
class Replacement {
 public:
  explicit Replacement(const std::filesystem::path& target) : target_(target), temporary_(target.string() + ".XXXXXX") {
    descriptor_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (descriptor_ < 0) fail();
    ::fchmod(descriptor_, 0644);
  }
  ~Replacement() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!done_) ::unlink(temporary_.c_str());
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  void write(const void* data, std::size_t size) {
    const char* from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t n = ::write(descriptor_, from, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail();
      from += n;
      size -= static_cast<std::size_t>(n);
    }
  }

  void commit() {
    const int descriptor = std::exchange(descriptor_, -1);
    if (::close(descriptor) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) fail();
    done_ = true;
  }

 private:
  // A constructor that throws runs no destructor, but then there is no file either.
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::io, "'" + target_.string() + "' cannot be written: " + std::strerror(errno));
  }

  std::filesystem::path target_;
  std::string temporary_;
  int descriptor_ = -1;
  bool done_ = false;
};

}  // namespace
}  // namespace gguf

void write_gguf(const std::filesystem::path& file, const std::vector<GgufTensorSource>& tensors,
                const std::map<std::string, GgufValue>& metadata) {
  using namespace gguf;
  const std::uint64_t alignment = alignment_of(metadata);
  const std::string header = header_text(tensors, metadata, alignment);
  const std::string padding(alignment, '\0');
  Replacement out(file);
  out.write(header.data(), header.size());
  for (const GgufTensorSource& t : tensors) {
    out.write(t.bytes.data(), t.bytes.size());
    out.write(padding.data(), align_up(t.bytes.size(), alignment) - t.bytes.size());
  }
  out.commit();
}

}  // namespace safelight
