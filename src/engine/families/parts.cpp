#include "engine/families/parts.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"

namespace safelight {
namespace {

std::string clip_key(const std::string& key) { return key.ends_with("position_ids") ? "" : key; }

// Some files hold the embedding twice.
std::string t5_key(const std::string& key) { return key == "encoder.embed_tokens.weight" ? "" : key; }

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

at::Tensor ids_of(const TokenizedPrompt& tokens) { return at::tensor(tokens.ids, at::kLong).unsqueeze(0); }

// Sinusoids of a guidance scale, as distilled models take it (Meng et al., arXiv:2210.03142).
at::Tensor guidance_embedding(const at::Tensor& guidance, int64_t width) {
  const at::Tensor frequency = (at::arange(width / 2, at::kFloat) * (-std::log(10000.0) / (static_cast<double>(width) / 2 - 1))).exp();
  const at::Tensor angle = ((guidance - 1) * 1000.0).unsqueeze(1) * frequency.unsqueeze(0);
  return at::cat({angle.sin(), angle.cos()}, 1);
}

Beside beside_of(const UnetConfig& c) {
  const int64_t more = c.in_channels - c.out_channels;
  if (more == 0) return Beside::nothing;
  if (more == c.out_channels + 1) return Beside::mask_and_masked_image;
  if (more == 3 && c.num_class_embeds > 0) return Beside::low_resolution_image;
  throw Error(ErrorCode::unsupported, "a UNet with " + std::to_string(c.in_channels) + " input and " + std::to_string(c.out_channels) +
                                          " output channels is neither a plain one, nor for inpainting, nor an upscaler");
}

// Sizes and crops as numbers: six, or five with the aesthetic score when the model was trained with it.
at::Tensor time_ids(const std::vector<MicroConditioning>& sizes, bool scored) {
  std::vector<float> out;
  for (const MicroConditioning& s : sizes) {
    for (const int64_t v : {s.original_height, s.original_width, s.crop_top, s.crop_left}) out.push_back(static_cast<float>(v));
    if (scored) {
      out.push_back(static_cast<float>(s.aesthetic_score));
    } else {
      for (const int64_t v : {s.target_height, s.target_width}) out.push_back(static_cast<float>(v));
    }
  }
  return at::tensor(out, at::kFloat).view({static_cast<int64_t>(sizes.size()), -1});
}

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

}  // namespace

at::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  throw Error(ErrorCode::invalid_argument, "dtype '" + dtype + "' is unknown; known: float32, bfloat16");
}

ClipTower::ClipTower(const std::filesystem::path& tokenizer, const std::filesystem::path& encoder, at::ScalarType dtype)
    : tokenizer_(ClipTokenizer::open(tokenizer)),
      loaded_(encoder, "model", dtype, {.rename = clip_key}),
      max_length_(static_cast<int>(std::min<int64_t>(tokenizer_.max_length(), config().max_position_embeddings))) {
  if (tokenizer_.vocabulary_size() > config().vocab_size)
    throw Error(ErrorCode::conflict, "the tokenizer in '" + tokenizer.string() + "' knows " + std::to_string(tokenizer_.vocabulary_size()) +
                                         " tokens, the text encoder " + std::to_string(config().vocab_size));
}

ClipTextOutput ClipTower::encode(const TokenizedPrompt& tokens) const { return loaded_.model.forward(ids_of(tokens), {}, {}); }

const at::Tensor& ClipTower::hidden(const ClipTextOutput& out, int skip) {
  const auto layers = static_cast<int>(out.hidden.size()) - 1;
  if (skip < 0 || skip >= layers)
    throw Error(ErrorCode::invalid_argument, "clip_skip leaves no layer of the text encoder's " + std::to_string(layers));
  return out.hidden[static_cast<std::size_t>(layers - skip)];
}

T5Tower::T5Tower(const std::filesystem::path& tokenizer, const std::filesystem::path& encoder, at::ScalarType dtype)
    : tokenizer_(T5Tokenizer::open(tokenizer)), loaded_(encoder, "model", dtype, {.rename = t5_key}) {
  if (tokenizer_->vocabulary_size() > config().vocab_size)
    throw Error(ErrorCode::conflict, "the tokenizer in '" + tokenizer.string() + "' knows " + std::to_string(tokenizer_->vocabulary_size()) +
                                         " tokens, the text encoder " + std::to_string(config().vocab_size));
}

at::Tensor T5Tower::encode(const TokenizedPrompt& tokens) const { return loaded_.model.forward(ids_of(tokens), {}, {}); }

UnetDenoiser::UnetDenoiser(const std::filesystem::path& folder, at::ScalarType dtype)
    : loaded_(folder, "diffusion_pytorch_model", dtype, {}), dtype_(dtype), beside_(beside_of(config())) {}

UnetInputs UnetDenoiser::inputs(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c) const {
  UnetInputs in;
  in.sample = (c.beside.defined() ? at::cat({x, c.beside}, 1) : x).to(dtype_);
  in.timesteps = timesteps;
  in.text = c.text.to(dtype_);
  if (config().time_cond_proj_dim > 0 && c.guidance.defined()) in.guidance_embed = guidance_embedding(c.guidance, config().time_cond_proj_dim).to(dtype_);
  if (config().num_class_embeds > 0) in.class_labels = c.noise_level;
  if (config().text_time_embedding) {
    in.pooled_text = c.pooled.to(dtype_);
    const int64_t numbers = (config().projection_class_embeddings_input_dim - c.pooled.size(1)) / config().addition_time_embed_dim;
    in.time_ids = time_ids(c.sizes, numbers == 5);
  }
  return in;
}

at::Tensor UnetDenoiser::predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const {
  UnetInputs in = inputs(x, timesteps, c);
  for (const at::Tensor& r : c.residuals) in.control.push_back(r.to(dtype_));
  return loaded_.model.forward(in, hooks).to(at::kFloat);
}

KlAutoencoder::KlAutoencoder(const std::filesystem::path& folder, at::ScalarType dtype)
    : loaded_(folder, "diffusion_pytorch_model", dtype, {.rename = vae_key}), dtype_(dtype) {}

at::Tensor KlAutoencoder::decode(const at::Tensor& latents, const ForwardHooks& hooks) const {
  return loaded_.model.decode((latents / config().scaling_factor + config().shift_factor).to(dtype_), hooks).to(at::kFloat);
}

at::Tensor KlAutoencoder::encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const {
  const LatentGaussian g = loaded_.model.encode(pixels.to(dtype_), hooks);
  const at::Tensor latents = (eps.defined() ? g.sample(eps.to(dtype_)) : g.mean).to(at::kFloat);
  return (latents - config().shift_factor) * config().scaling_factor;
}

Components described(const ModelDirectory& model, const std::string& family, const OpenOptions& options) {
  Components c;
  c.name = std::filesystem::absolute(model.path).lexically_normal().filename().string();
  if (c.name.empty()) c.name = "model";
  c.directory = model.path;
  c.family = family;
  c.dtype = options.dtype;
  const auto file = model.path / "scheduler" / "scheduler_config.json";
  c.scheduler_config = read_json(file);
  SchedulerConfig::from_json(c.scheduler_config, "'" + file.string() + "'");
  read_recommended(model, c);
  return c;
}

void list_weights(Components& c, const char* component, const std::vector<std::filesystem::path>& files) {
  for (const auto& file : files) c.weights.push_back({component, file});
}

void require_fitting(int64_t text_width, int64_t taken_width, const Autoencoder& vae, int64_t latent_channels) {
  const auto conflict = [](const std::string& what) { throw Error(ErrorCode::conflict, what + "; these components do not belong together"); };
  if (text_width != taken_width)
    conflict("the text encoders give " + std::to_string(text_width) + " numbers a token, the denoiser takes " + std::to_string(taken_width));
  if (vae.latent_channels() != latent_channels)
    conflict("the autoencoder has " + std::to_string(vae.latent_channels()) + " latent channels, the denoiser " + std::to_string(latent_channels));
}

bool has_tensor(const ModelDirectory& model, const char* key) { return std::binary_search(model.tensors.begin(), model.tensors.end(), key); }

}  // namespace safelight
