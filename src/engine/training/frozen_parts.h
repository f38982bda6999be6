// Parts of a finished model that a later stage learns from: read once, never changed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/families/parts.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"

namespace safelight {

// All throw Error(not_found or corrupt_file) as opening a component does.
class FrozenAutoencoder {
 public:
  FrozenAutoencoder(const std::filesystem::path& model, const std::string& device);
  // Pixels [N,3,H,W] in [-1,1] -> the encoder's mean in the denoiser's scale [N,C,h,w] float32, without gradients.
  at::Tensor encode(const at::Tensor& pixels) const;
  // And back; gradients flow to the latents.
  at::Tensor decode(const at::Tensor& latents) const;
  const AutoencoderKlConfig& config() const { return loaded_.config(); }
  // Of the weight files: what was trained with other weights does not go on with these.
  const std::string& weights_hash() const { return weights_hash_; }

 private:
  Loaded<AutoencoderKl, AutoencoderKlConfig> loaded_;
  std::string weights_hash_;
};

class FrozenText {
 public:
  FrozenText(const std::filesystem::path& model, const std::string& device);
  at::Tensor encode(const at::Tensor& ids) const;  // int64 [B,T] -> [B,T,width], without gradients
  const ClipTokenizer& tokenizer() const { return tokenizer_; }
  const ClipTextConfig& config() const { return loaded_.config(); }
  const std::string& weights_hash() const { return weights_hash_; }

 private:
  ClipTokenizer tokenizer_;
  Loaded<ClipTextEncoder, ClipTextConfig> loaded_;
  std::string weights_hash_;
};

// The part as a directory of `model`, copied from another one.
void copy_part(const std::filesystem::path& from, const std::filesystem::path& model, const char* part);

}  // namespace safelight
