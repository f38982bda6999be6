#include "engine/training/frozen_parts.h"

#include <ATen/ATen.h>

#include "common/base/sha256.h"
#include "engine/families/model_files.h"

namespace safelight {
namespace {

template <class Model, class Config>
std::string moved_and_hashed(const Loaded<Model, Config>& part, const std::string& device) {
  for (const Parameter& p : part.parameters.all()) p.tensor.set_data(p.tensor.to(device));
  std::string hashes;
  for (const auto& file : part.files) hashes += sha256_file(file);
  return sha256_hex(hashes).substr(0, 16);
}

}  // namespace

FrozenAutoencoder::FrozenAutoencoder(const std::filesystem::path& model, const std::string& device)
    : loaded_(component_of(model / "vae", "diffusion_pytorch_model"), {.rename = modern_vae_key}),
      weights_hash_(moved_and_hashed(loaded_, device)) {}

at::Tensor FrozenAutoencoder::encode(const at::Tensor& pixels) const {
  at::NoGradGuard no_grad;
  return (loaded_.model.encode(pixels, {}).mean - config().shift_factor) * config().scaling_factor;
}

at::Tensor FrozenAutoencoder::decode(const at::Tensor& latents) const {
  return loaded_.model.decode(latents / config().scaling_factor + config().shift_factor, {});
}

FrozenText::FrozenText(const std::filesystem::path& model, const std::string& device)
    : tokenizer_(ClipTokenizer::open(model / "tokenizer")),
      loaded_(component_of(model / "text_encoder", "model"), {}),
      weights_hash_(moved_and_hashed(loaded_, device)) {}

at::Tensor FrozenText::encode(const at::Tensor& ids) const {
  at::NoGradGuard no_grad;
  return loaded_.model.forward(ids, {}, {}).last;
}

void copy_part(const std::filesystem::path& from, const std::filesystem::path& model, const char* part) {
  std::filesystem::create_directories(model);
  std::filesystem::copy(from / part, model / part, std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
}

}  // namespace safelight
