// What families share: the components of a directory as the pipeline's interfaces.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <memory>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/autoencoders/tiny_autoencoder.h"
#include "engine/denoisers/unet.h"
#include "engine/families/family.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/text/t5_encoder.h"
#include "engine/text/t5_tokenizer.h"
#include "engine/weights/component_files.h"
#include "engine/weights/weight_file.h"

namespace safelight {

at::ScalarType scalar_type(const std::string& dtype);  // throws Error(invalid_argument) with the allowed names
std::string modern_vae_key(const std::string& key);  // of attention in older autoencoder files; others stay as they are
LoadOptions load_options(const OpenOptions& options);
// The type and the place of a network's tensors, for `tensor.to()`.
at::TensorOptions place_of(const LoadOptions& load);

// A model over the parameters of one component, which it owns.
template <class Model, class Config>
struct Loaded {
  Loaded(const ComponentFiles& source, const LoadOptions& options)
      : files(source.files), model(made(parameters, source)) {
    load_weights(parameters, *source.weights, options);
    bytes_ = parameters.bytes();
    parameters.freeze();
  }
  const Config& config() const { return model.config(); }
  std::uint64_t bytes() const { return bytes_; }   // as loaded

  std::vector<std::filesystem::path> files;
  Parameters parameters;
  Model model;

 private:
  std::uint64_t bytes_ = 0;
  static Model made(Parameters& parameters, const ComponentFiles& source) {
    const Config config = Config::from_json(source.config, source.config_where);
    try {
      return Model(ParameterScope(parameters), config);
    } catch (const Error& e) {
      throw Error(e.code(), source.config_where + ": " + e.what());
    }
  }
};

// CLIP's tokenizer and text encoder.
class ClipTower {
 public:
  // Throws Error(conflict) when the tokenizer knows more tokens than the encoder.
  ClipTower(const std::filesystem::path& tokenizer, const ComponentFiles& encoder, const LoadOptions& load);
  // With weights from (words:1.3), and in chunks where the texts ask for it.
  TokenizedPrompt tokenise(const std::string& text, const PromptTexts& how) const;
  // Chunks side by side; weighted tokens are moved away from, or towards, the empty prompt's.
  ClipTextOutput encode(const TokenizedPrompt& tokens) const;
  // The output of the layer that lies `skip` before the last, without the final norm.
  static const at::Tensor& hidden(const ClipTextOutput& out, int skip);
  const ClipTokenizer& tokenizer() const { return tokenizer_; }
  const ClipTextConfig& config() const { return loaded_.config(); }
  const ClipTextEncoder& model() const { return loaded_.model; }
  int max_length() const { return max_length_; }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }

 private:
  void add_words(const std::vector<LearnedWord>& words);
  ClipTextOutput encode_chunks(const std::vector<int64_t>& ids) const;
  ClipTokenizer tokenizer_;
  Loaded<ClipTextEncoder, ClipTextConfig> loaded_;
  at::Device device_;
  int max_length_;
};

// T5's tokenizer and encoder.
class T5Tower {
 public:
  T5Tower(const std::filesystem::path& tokenizer, const ComponentFiles& encoder, const LoadOptions& load);
  TokenizedPrompt tokenise(const std::string& text, int length) const { return tokenizer_->encode(text, length); }
  at::Tensor encode(const TokenizedPrompt& tokens) const;  // [1,T,width]
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const T5Config& config() const { return loaded_.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }

 private:
  std::shared_ptr<const T5Tokenizer> tokenizer_;
  Loaded<T5Encoder, T5Config> loaded_;
  at::Device device_;
};

class UnetDenoiser final : public Denoiser {
 public:
  UnetDenoiser(const ComponentFiles& source, const LoadOptions& load);
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const override;
  int64_t latent_channels() const override { return config().out_channels; }
  GuidanceKind guidance() const override { return config().time_cond_proj_dim > 0 ? GuidanceKind::embedded : GuidanceKind::classifier_free; }
  Beside beside() const override { return beside_; }
  std::vector<std::string> block_names() const override { return loaded_.model.block_names(); }
  int64_t attention_stride() const override { return config().attention_stride(); }
  ShortcutSupport shortcuts() const override { return {.deep_features = true, .merging = true}; }
  const UnetConfig& config() const { return loaded_.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }
  // The inputs that a UNet and a ControlNet share.
  UnetInputs inputs(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const;

 private:
  Loaded<Unet, UnetConfig> loaded_;
  at::TensorOptions place_;
  Beside beside_ = Beside::nothing;
};

class KlAutoencoder final : public Autoencoder {
 public:
  KlAutoencoder(const ComponentFiles& source, const LoadOptions& load);
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override;
  at::Tensor encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const override;
  int64_t downscale() const override { return config().downscale(); }
  int64_t latent_channels() const override { return config().latent_channels; }
  double scaling_factor() const override { return config().scaling_factor; }
  const AutoencoderKlConfig& config() const { return loaded_.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }

 private:
  Loaded<AutoencoderKl, AutoencoderKlConfig> loaded_;
  at::TensorOptions place_;
};

// The same latents through a small convolutional autoencoder: quick previews and decodes.
class TinyVae final : public Autoencoder {
 public:
  TinyVae(const ComponentFiles& source, const LoadOptions& load);
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override;
  // It has no Gaussian: `eps` is not used.
  at::Tensor encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const override;
  int64_t downscale() const override { return loaded_.config().downscale(); }
  int64_t latent_channels() const override { return loaded_.config().latent_channels; }
  double scaling_factor() const override { return loaded_.config().scaling_factor; }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }

 private:
  Loaded<TinyAutoencoder, TinyAutoencoderConfig> loaded_;
  at::TensorOptions place_;
};

// The model's autoencoder, or the one of options.vae; of the kind that its config names. Lists its weights.
std::shared_ptr<const Autoencoder> open_autoencoder(Components& c, const ModelFiles& model, const OpenOptions& options);

// Name, directory, scheduler and recommendations of a model; the parts are the family's business.
// `usual`: what to recommend when the model does not say it itself.
Components described(const ModelFiles& model, const std::string& family, const OpenOptions& options, const Recommended& usual);
template <class Part>
void list_weights(Components& c, const char* component, const Part& part) {
  for (const auto& file : part.files()) c.weights.push_back({component, file});
  c.weight_bytes += part.bytes();
}
// Throws Error(conflict) unless the three belong together.
void require_fitting(int64_t text_width, int64_t taken_width, const Autoencoder& vae, int64_t latent_channels);

}  // namespace safelight
