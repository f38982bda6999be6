// Where a component's tensors come from: safetensors files, a GGUF file, a part of a single-file checkpoint, or any of these
// with adapters merged in. Reading does not copy where the file already holds the wanted numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/formats/gguf.h"

namespace safelight {

// Immutable, safe to read from several threads. Tensors may lie in a read-only mapping: never write to them.
class WeightSource {
 public:
  using Shapes = std::map<std::string, std::vector<int64_t>>;
  struct Blocks {
    GgufType type = GgufType::f32;
    at::Tensor bytes;  // uint8 [n]
  };

  virtual ~WeightSource() = default;
  virtual const Shapes& shapes() const = 0;
  // In the type that the file has (GGUF blocks as float32). Throws Error(not_found, corrupt_file).
  virtual at::Tensor read(const std::string& key) const = 0;
  // The blocks of a quantised tensor as they are; nullopt for others.
  virtual std::optional<Blocks> read_blocks(const std::string& /*key*/) const { return std::nullopt; }
  virtual std::string where(const std::string& key) const = 0;  // "tensor 'k' in 'file'", for errors
  virtual std::string name() const = 0;                         // the first file
};

std::shared_ptr<const WeightSource> safetensors_source(const std::vector<std::filesystem::path>& files);
std::shared_ptr<const WeightSource> gguf_source(const std::filesystem::path& file);
// By the file's first bytes. Throws Error(unsupported) for pickles, with the way to convert, and for anything else.
std::shared_ptr<const WeightSource> weight_source(const std::filesystem::path& file);

}  // namespace safelight
