#include "engine/weights/weight_file.h"

#include <ATen/ATen.h>

#include <set>

#include "common/base/error.h"
#include "common/formats/safetensors.h"

namespace safelight {
namespace {

constexpr std::size_t kListed = 10;

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

// One parameter from its tensor: packed, mapped or converted.
void fill(const Parameter& parameter, const WeightSource& source, const std::string& key, const LoadOptions& options, LoadReport& report) {
  at::Tensor target = parameter.tensor;
  if (parameter.packed && options.keep_packed && options.device.is_cpu())
    if (const auto blocks = source.read_blocks(key)) {
      const std::span<const std::byte> bytes(static_cast<const std::byte*>(blocks->bytes.data_ptr()), blocks->bytes.nbytes());
      if (options.check_finite && !gguf_finite(blocks->type, bytes)) report.non_finite.push_back(source.where(key));
      parameter.packed->type = blocks->type;
      target.set_data(blocks->bytes);
      return;
    }
  if (parameter.packed) parameter.packed->type.reset();
  const at::Tensor tensor = source.read(key).view(parameter.shape).to(options.dtype);
  if (options.check_finite && !at::isfinite(tensor).all().item<bool>()) report.non_finite.push_back(source.where(key));
  target.set_data(tensor.to(options.device));
}

}  // namespace

LoadReport load_weights(Parameters& parameters, const WeightSource& source, const LoadOptions& options) {
  at::NoGradGuard no_grad;
  LoadReport report;
  std::map<std::string, const Parameter*> wanted;
  for (const Parameter& p : parameters.all()) wanted[p.name] = &p;
  std::vector<std::string> extra, misshaped;
  for (const auto& [key, shape] : source.shapes()) {
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
    if (!same_numbers(shape, it->second->shape)) {
      misshaped.push_back(key + " is " + shape_text(shape) + ", expected " + shape_text(it->second->shape));
      continue;
    }
    fill(*it->second, source, key, options, report);
    wanted.erase(it);
  }
  std::vector<std::string> missing;
  for (const auto& [key, p] : wanted) missing.push_back(key);
  // A misshaped tensor is also missing; name it once.
  std::string problems;
  if (!misshaped.empty()) problems += "; wrong shape: " + listed(misshaped);
  if (!extra.empty()) problems += "; not part of this architecture: " + listed(extra);
  if (missing.size() > misshaped.size()) problems += "; missing: " + listed(missing);
  if (!problems.empty()) throw Error(ErrorCode::corrupt_file, "'" + source.name() + "' does not hold the tensors of this network" + problems);
  if (!report.non_finite.empty())
    throw Error(ErrorCode::non_finite, listed(report.non_finite) + " holds NaN or infinity, or numbers that " + std::string(at::toString(options.dtype)) + " cannot hold; fetch the file again");
  return report;
}

LoadReport load_weights(Parameters& parameters, const std::vector<std::filesystem::path>& files, const LoadOptions& options) {
  return load_weights(parameters, *safetensors_source(files), options);
}

at::Tensor read_tensor(const std::filesystem::path& file, const std::string& key) { return safetensors_source({file})->read(key).clone(); }

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file) {
  const auto source = safetensors_source({file});
  std::map<std::string, at::Tensor> out;
  for (const auto& [key, shape] : source->shapes()) out[key] = source->read(key).clone();
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
