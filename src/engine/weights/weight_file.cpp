#include "engine/weights/weight_file.h"

#include <ATen/ATen.h>

#include <set>

#include "common/base/error.h"
#include "common/formats/safetensors.h"

namespace safelight {
namespace {

constexpr std::size_t kListed = 10;

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

SafeDtype safe_dtype(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return SafeDtype::f64;
    case at::kFloat: return SafeDtype::f32;
    case at::kHalf: return SafeDtype::f16;
    case at::kBFloat16: return SafeDtype::bf16;
    case at::kLong: return SafeDtype::i64;
    case at::kInt: return SafeDtype::i32;
    case at::kByte: return SafeDtype::u8;
    default: throw Error(ErrorCode::internal, "this tensor type is not written to files");
  }
}

at::Tensor copy_of(const SafeTensor& source, const std::string& where) {
  // The mapping is read-only and goes away; the clone is ours.
  void* data = const_cast<std::byte*>(source.bytes.data());
  const auto options = at::TensorOptions(scalar_type(source.dtype, where));
  if (source.bytes.empty()) return at::empty(source.shape, options);
  if (reinterpret_cast<std::uintptr_t>(data) % byte_size(source.dtype) == 0)
    return at::from_blob(data, source.shape, options).clone();
  at::Tensor out = at::empty(source.shape, options);
  std::memcpy(out.data_ptr(), data, source.bytes.size());
  return out;
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kListed; ++i) out += (i ? ", " : "") + names[i];
  return names.size() > kListed ? out + " and " + std::to_string(names.size() - kListed) + " more" : out;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

bool same_numbers(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  // A 1x1 convolution and a linear layer hold the same numbers; older files store either.
  const auto trimmed = [](std::vector<int64_t> s) {
    while (s.size() > 2 && s.back() == 1) s.pop_back();
    return s;
  };
  return trimmed(a) == trimmed(b);
}

}  // namespace

LoadReport load_weights(Parameters& parameters, const std::vector<std::filesystem::path>& files,
                        const LoadOptions& options) {
  LoadReport report;
  std::map<std::string, const Parameter*> wanted;
  for (const Parameter& p : parameters.all()) wanted[p.name] = &p;
  std::vector<std::string> extra, misshaped;
  for (const auto& path : files) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    for (const auto& [key, source] : file.entries()) {
      const std::string target = options.rename(key);
      if (target.empty()) {
        report.ignored.push_back(key);
        continue;
      }
      const auto it = wanted.find(target);
      if (it == wanted.end()) {
        extra.push_back(key);
        continue;
      }
      if (!same_numbers(source.shape, it->second->shape)) {
        misshaped.push_back(key + " is " + shape_text(source.shape) + ", expected " + shape_text(it->second->shape));
        continue;
      }
      at::Tensor tensor = copy_of(file.at(key), "'" + path.string() + "', tensor '" + key + "'").view(it->second->shape);
      if (options.check_finite && tensor.is_floating_point() && !at::isfinite(tensor).all().item<bool>())
        report.non_finite.push_back("tensor '" + key + "' in '" + path.string() + "'");
      at::Tensor parameter = it->second->tensor;
      parameter.set_data(tensor.to(options.dtype));
      wanted.erase(it);
    }
  }
  std::vector<std::string> missing;
  for (const auto& [key, p] : wanted) missing.push_back(key);
  // A misshaped tensor is also missing; name it once.
  std::string problems;
  if (!misshaped.empty()) problems += "; wrong shape: " + listed(misshaped);
  if (!extra.empty()) problems += "; not part of this architecture: " + listed(extra);
  if (missing.size() > misshaped.size()) problems += "; missing: " + listed(missing);
  if (!problems.empty())
    throw Error(ErrorCode::corrupt_file, "'" + (files.empty() ? std::string("?") : files.front().string()) +
                                             "' does not fit its config.json" + problems);
  if (!report.non_finite.empty())
    throw Error(ErrorCode::non_finite, listed(report.non_finite) + " holds NaN or infinity; fetch the file again");
  return report;
}

at::Tensor read_tensor(const std::filesystem::path& file, const std::string& key) {
  const SafetensorsFile source = SafetensorsFile::open(file);
  return copy_of(source.at(key), "'" + file.string() + "', tensor '" + key + "'");
}

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file) {
  const SafetensorsFile source = SafetensorsFile::open(file);
  std::map<std::string, at::Tensor> out;
  for (const auto& [key, tensor] : source.entries()) out[key] = copy_of(tensor, "'" + file.string() + "', tensor '" + key + "'");
  return out;
}

void write_tensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                   const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> held;
  std::vector<SafeTensorSource> sources;
  for (const auto& [key, tensor] : tensors) {
    held.push_back(tensor.detach().to(at::kCPU).contiguous());
    const at::Tensor& t = held.back();
    sources.push_back({.name = key,
                       .dtype = safe_dtype(t.scalar_type()),
                       .shape = t.sizes().vec(),
                       .bytes = {static_cast<const std::byte*>(t.data_ptr()), t.nbytes()}});
  }
  write_safetensors(file, sources, metadata);
}

}  // namespace safelight
