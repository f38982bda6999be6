#include "engine/weights/weight_source.h"

#include <ATen/ATen.h>

#include <fstream>

#include "common/base/error.h"
#include "common/formats/safetensors.h"
#include "engine/weights/packed.h"

namespace safelight {
namespace {

at::ScalarType scalar_type(SafeDtype dtype, const std::string& where) {
  switch (dtype) {
    case SafeDtype::f64: return at::kDouble;
    case SafeDtype::f32: return at::kFloat;
    case SafeDtype::f16: return at::kHalf;
    case SafeDtype::bf16: return at::kBFloat16;
    case SafeDtype::i64: return at::kLong;
    case SafeDtype::i32: return at::kInt;
    case SafeDtype::i16: return at::kShort;
    case SafeDtype::i8: return at::kChar;
    case SafeDtype::u8: return at::kByte;
    case SafeDtype::boolean: return at::kBool;
    default: throw Error(ErrorCode::unsupported, where + ": 8-bit floats are not supported by this build");
  }
}

// A tensor over the mapping, which it keeps open; a copy where the file does not align it.
at::Tensor over(const std::byte* data, std::size_t bytes, const std::vector<int64_t>& shape, at::ScalarType type, std::shared_ptr<const void> owner) {
  if (bytes == 0) return at::empty(shape, type);
  const std::size_t unit = at::elementSize(type);
  if (reinterpret_cast<std::uintptr_t>(data) % unit == 0)
    return at::from_blob(const_cast<std::byte*>(data), shape, [owner = std::move(owner)](void*) {}, type);
  at::Tensor out = at::empty(shape, type);
  std::memcpy(out.data_ptr(), data, bytes);
  return out;
}

class Safetensors final : public WeightSource {
 public:
  explicit Safetensors(const std::vector<std::filesystem::path>& files) {
    for (const auto& path : files) {
      auto file = std::make_shared<const SafetensorsFile>(SafetensorsFile::open(path));
      for (const auto& [key, tensor] : file->entries()) {
        if (!shapes_.emplace(key, tensor.shape).second)
          throw Error(ErrorCode::corrupt_file, "tensor '" + key + "' is in '" + files_.at(key)->path().string() + "' and again in '" + path.string() + "'");
        files_[key] = file;
      }
    }
    name_ = files.empty() ? "?" : files.front().string();
  }
  const Shapes& shapes() const override { return shapes_; }
  at::Tensor read(const std::string& key) const override {
    const auto it = files_.find(key);
    if (it == files_.end()) throw Error(ErrorCode::not_found, "'" + name_ + "' has no tensor '" + key + "'");
    const SafeTensor& t = it->second->at(key);
    return over(t.bytes.data(), t.bytes.size(), t.shape, scalar_type(t.dtype, where(key)), it->second);
  }
  std::string where(const std::string& key) const override { return "tensor '" + key + "' in '" + files_.at(key)->path().string() + "'"; }
  std::string name() const override { return name_; }

 private:
  Shapes shapes_;
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> files_;
  std::string name_;
};

at::ScalarType plain_type(GgufType type) {
  switch (type) {
    case GgufType::f32: return at::kFloat;
    case GgufType::f16: return at::kHalf;
    case GgufType::bf16: return at::kBFloat16;
    case GgufType::f64: return at::kDouble;
    case GgufType::i8: return at::kChar;
    case GgufType::i16: return at::kShort;
    case GgufType::i32: return at::kInt;
    case GgufType::i64: return at::kLong;
    default: return at::kByte;  // blocks
  }
}

class Gguf final : public WeightSource {
 public:
  explicit Gguf(const std::filesystem::path& path) : file_(std::make_shared<const GgufFile>(GgufFile::open(path))) {
    for (const auto& [key, tensor] : file_->entries()) shapes_[key] = tensor.shape;
  }
  const Shapes& shapes() const override { return shapes_; }
  at::Tensor read(const std::string& key) const override {
    const GgufTensor& t = file_->at(key);
    if (const auto blocks = read_blocks(key)) return unpacked(blocks->bytes, t.type, t.shape, at::kFloat);
    return over(t.bytes.data(), t.bytes.size(), t.shape, plain_type(t.type), file_);
  }
  std::optional<Blocks> read_blocks(const std::string& key) const override {
    const GgufTensor& t = file_->at(key);
    if (plain_type(t.type) != at::kByte) return std::nullopt;
    return Blocks{t.type, over(t.bytes.data(), t.bytes.size(), {static_cast<int64_t>(t.bytes.size())}, at::kByte, file_)};
  }
  std::string where(const std::string& key) const override { return "tensor '" + key + "' in '" + name() + "'"; }
  std::string name() const override { return file_->path().string(); }

 private:
  std::shared_ptr<const GgufFile> file_;
  Shapes shapes_;
};

bool is_pickle(const std::string& head) {
  return head.starts_with("PK") || head.starts_with("\x80\x02") || head.starts_with("\x80\x03") || head.starts_with("\x80\x04") || head.starts_with("\x80\x05");
}

}  // namespace

std::shared_ptr<const WeightSource> safetensors_source(const std::vector<std::filesystem::path>& files) { return std::make_shared<Safetensors>(files); }

std::shared_ptr<const WeightSource> gguf_source(const std::filesystem::path& file) { return std::make_shared<Gguf>(file); }

std::shared_ptr<const WeightSource> weight_source(const std::filesystem::path& file) {
  if (!std::filesystem::is_regular_file(file)) throw Error(ErrorCode::not_found, "'" + file.string() + "' is not a file");
  std::string head(10, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  if (head.starts_with("GGUF")) return gguf_source(file);
  if (is_pickle(head))
    throw Error(ErrorCode::unsupported, "'" + file.string() + "' is a pickle, which can run any program when it is read; load it once in an environment that "
                                        "you can lose, with torch.load(..., weights_only=True), and save its tensors with safetensors.torch.save_file");
  if (head.size() > 8 && head[8] == '{') return safetensors_source({file});
  throw Error(ErrorCode::unsupported, "'" + file.string() + "' is neither a safetensors nor a GGUF file");
}

}  // namespace safelight
