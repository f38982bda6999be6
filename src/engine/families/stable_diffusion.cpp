// Stable Diffusion 1.x and 2.x: one CLIP text encoder, UNet with cross-attention, KL autoencoder.
#include <ATen/ATen.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/denoisers/unet.h"
#include "engine/families/family.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/weights/component_files.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

at::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  throw Error(ErrorCode::invalid_argument, "dtype '" + dtype + "' is unknown; known: float32, bfloat16");
}

// Owns the parameters that the module's handles share.
template <class Model, class Config>
struct Loaded {
  Loaded(const std::filesystem::path& folder, const std::string& stem, at::ScalarType dtype, const LoadOptions& load)
      : config_file(folder / "config.json"),
        files(component_files(folder, stem)),
        model(ParameterScope(parameters), Config::from_json(read_json(config_file), "'" + config_file.string() + "'")) {
    LoadOptions options = load;
    options.dtype = dtype;
    load_weights(parameters, files, options);
  }
  std::filesystem::path config_file;
  std::vector<std::filesystem::path> files;
  Parameters parameters;
  Model model;
};

std::string clip_key(const std::string& key) { return key.ends_with("position_ids") ? "" : key; }

// Attention of older autoencoder files.
std::string vae_key(const std::string& key) {
  static constexpr std::pair<const char*, const char*> kLegacy[] = {
      {".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}};
  for (const auto& [old, now] : kLegacy) {
    const std::size_t at = key.find(old);
    if (at != std::string::npos && key.find("mid_block.attentions.") != std::string::npos)
      return key.substr(0, at) + now + key.substr(at + std::string(old).size());
  }
  return key;
}

class ClipEncoder final : public TextEncoder {
 public:
  ClipEncoder(const std::filesystem::path& folder, at::ScalarType dtype)
      : loaded_(folder, "model", dtype, {.rename = clip_key}), dtype_(dtype) {}
  at::Tensor encode(const at::Tensor& ids, const ForwardHooks& hooks) const override {
    return loaded_.model.forward(ids, {}, hooks).last;
  }
  const ClipTextConfig& config() const { return loaded_.model.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }

 private:
  Loaded<ClipTextEncoder, ClipTextConfig> loaded_;
  at::ScalarType dtype_;
};

class UnetDenoiser final : public Denoiser {
 public:
  UnetDenoiser(const std::filesystem::path& folder, at::ScalarType dtype)
      : loaded_(folder, "diffusion_pytorch_model", dtype, {}), dtype_(dtype) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c,
                     const ForwardHooks& hooks) const override {
    UnetInputs in;
    in.sample = x.to(dtype_);
    in.timesteps = timesteps;
    in.text = c.text.to(dtype_);
    if (c.guidance_embed.defined()) in.guidance_embed = c.guidance_embed.to(dtype_);
    return loaded_.model.forward(in, hooks).to(at::kFloat);
  }
  int64_t latent_channels() const override { return loaded_.model.config().in_channels; }
  int64_t guidance_embed_width() const override { return loaded_.model.config().time_cond_proj_dim; }
  std::vector<std::string> block_names() const override { return loaded_.model.block_names(); }
  const UnetConfig& config() const { return loaded_.model.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }

 private:
  Loaded<Unet, UnetConfig> loaded_;
  at::ScalarType dtype_;
};

class KlAutoencoder final : public Autoencoder {
 public:
  KlAutoencoder(const std::filesystem::path& folder, at::ScalarType dtype)
      : loaded_(folder, "diffusion_pytorch_model", dtype, {.rename = vae_key}), dtype_(dtype) {}
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override {
    const AutoencoderKlConfig& c = loaded_.model.config();
    return loaded_.model.decode((latents / c.scaling_factor + c.shift_factor).to(dtype_), hooks).to(at::kFloat);
  }
  at::Tensor encode(const at::Tensor& pixels, const ForwardHooks& hooks) const override {
    const AutoencoderKlConfig& c = loaded_.model.config();
    return (loaded_.model.encode(pixels.to(dtype_), hooks).mean.to(at::kFloat) - c.shift_factor) * c.scaling_factor;
  }
  int64_t downscale() const override { return loaded_.model.config().downscale(); }
  double scaling_factor() const override { return loaded_.model.config().scaling_factor; }
  const AutoencoderKlConfig& config() const { return loaded_.model.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }

 private:
  Loaded<AutoencoderKl, AutoencoderKlConfig> loaded_;
  at::ScalarType dtype_;
};

void read_recommended(const ModelDirectory& model, Components& c) {
  const auto file = model.path / "safelight.json";
  if (!std::filesystem::exists(file)) return;
  const Json json = read_json(file);
  if (!json.is_object()) throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' must hold an object");
  try {
    c.name = json.value("name", c.name);
    const Json recommended = json.value("recommended", Json::object());
    c.recommended.steps = recommended.value("steps", c.recommended.steps);
    c.recommended.guidance = recommended.value("guidance", c.recommended.guidance);
    c.recommended.solver = recommended.value("scheduler", c.recommended.solver);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "': " + e.what());
  }
}

bool claims(const ModelDirectory& model) {
  const auto has = [&](const char* key) { return std::binary_search(model.tensors.begin(), model.tensors.end(), key); };
  return has("conv_in.weight") && has("mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight") &&
         !has("add_embedding.linear_1.weight") && !has("class_embedding.weight");
}

void require_fitting(const ClipEncoder& text, const UnetDenoiser& unet, const KlAutoencoder& vae) {
  const auto conflict = [](const std::string& what) { throw Error(ErrorCode::conflict, what + "; these components do not belong together"); };
  if (text.config().hidden_size != unet.config().cross_attention_dim)
    conflict("the text encoder gives " + std::to_string(text.config().hidden_size) + " numbers a token, the UNet takes " +
             std::to_string(unet.config().cross_attention_dim));
  if (unet.config().in_channels != unet.config().out_channels)
    throw Error(ErrorCode::unsupported, "a UNet with " + std::to_string(unet.config().in_channels) + " input and " +
                                            std::to_string(unet.config().out_channels) + " output channels (inpainting) is not supported");
  if (vae.config().latent_channels != unet.config().out_channels)
    conflict("the autoencoder has " + std::to_string(vae.config().latent_channels) + " latent channels, the UNet " +
             std::to_string(unet.config().out_channels));
}

Components open(const ModelDirectory& model, const OpenOptions& options) {
  const at::ScalarType dtype = scalar_type(options.dtype);
  auto tokenizer = std::make_shared<ClipTokenizer>(ClipTokenizer::open(model.path / "tokenizer"));
  auto text = std::make_shared<ClipEncoder>(model.path / "text_encoder", dtype);
  auto unet = std::make_shared<UnetDenoiser>(model.path / "unet", dtype);
  auto vae = std::make_shared<KlAutoencoder>(model.path / "vae", dtype);
  require_fitting(*text, *unet, *vae);
  if (tokenizer->vocabulary_size() > text->config().vocab_size)
    throw Error(ErrorCode::conflict, "the tokenizer knows " + std::to_string(tokenizer->vocabulary_size()) +
                                         " tokens, the text encoder " + std::to_string(text->config().vocab_size));
  Components c;
  c.name = std::filesystem::absolute(model.path).lexically_normal().filename().string();
  if (c.name.empty()) c.name = "model";
  c.directory = model.path;
  c.family = "stable-diffusion";
  c.max_text_tokens = static_cast<int>(std::min<int64_t>(tokenizer->max_length(), text->config().max_position_embeddings));
  c.default_side_px = static_cast<int>(unet->config().sample_size * vae->downscale());
  const auto add = [&](const char* component, const std::vector<std::filesystem::path>& files) {
    for (const auto& file : files) c.weights.push_back({component, file});
  };
  add("text_encoder", text->files());
  add("unet", unet->files());
  add("vae", vae->files());
  c.scheduler_config = read_json(model.path / "scheduler" / "scheduler_config.json");
  SchedulerConfig::from_json(c.scheduler_config, "'" + (model.path / "scheduler" / "scheduler_config.json").string() + "'");
  c.dtype = options.dtype;
  c.tokenizer = tokenizer;
  c.text = text;
  c.denoiser = unet;
  c.autoencoder = vae;
  read_recommended(model, c);
  return c;
}

}  // namespace

Family stable_diffusion() {
  return {.name = "stable-diffusion", .summary = "Stable Diffusion 1.x and 2.x, text to image", .claims = claims, .open = open};
}

}  // namespace safelight
