#include "engine/families/parts.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/schedulers/solver.h"
#include "engine/text/prompt_chunks.h"

namespace safelight {
namespace {

std::string clip_key(const std::string& key) { return key.ends_with("position_ids") ? "" : key; }

// Whether there is a projection is told by the tensors: configs do not always name the class.
ComponentFiles by_tensors(ComponentFiles files) {
  if (files.config.is_object() && files.weights->shapes().contains("text_projection.weight")) files.config["architectures"] = {"CLIPTextModelWithProjection"};
  return files;
}

// Some files hold the embedding twice.
std::string t5_key(const std::string& key) { return key == "encoder.embed_tokens.weight" ? "" : key; }

LoadOptions renamed(LoadOptions load, std::string (*rename)(const std::string&)) {
  load.rename = rename;
  return load;
}

constexpr int kMostChunks = 64;

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

void read_recommended(const ModelFiles& model, Components& c) {
  const auto file = model.path() / "safelight.json";
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
  const auto wrong = [&](const std::string& what) { throw Error(ErrorCode::corrupt_file, "'" + file.string() + "': recommended " + what); };
  if (c.recommended.steps < 1 || c.recommended.steps > 1000) wrong("steps must lie between 1 and 1000");
  if (!(c.recommended.guidance >= 0 && c.recommended.guidance <= 100)) wrong("guidance must lie between 0 and 100");
  const auto& solvers = solver_table();
  if (!c.recommended.solver.empty() && std::none_of(solvers.begin(), solvers.end(), [&](const SolverEntry& e) { return e.name == c.recommended.solver; }))
    wrong("scheduler '" + c.recommended.solver + "' is unknown");
}

}  // namespace

at::ScalarType scalar_type(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "bfloat16") return at::kBFloat16;
  throw Error(ErrorCode::invalid_argument, "dtype '" + dtype + "' is unknown; known: float32, bfloat16");
}

ClipTower::ClipTower(const std::filesystem::path& tokenizer, const ComponentFiles& encoder, const LoadOptions& load)
    : tokenizer_(ClipTokenizer::open(tokenizer)),
      loaded_(by_tensors(encoder), renamed(load, clip_key)),
      device_(load.device),
      max_length_(static_cast<int>(std::min<int64_t>(tokenizer_.max_length(), config().max_position_embeddings))) {
  if (tokenizer_.vocabulary_size() > config().vocab_size)
    throw Error(ErrorCode::conflict, "the tokenizer in '" + tokenizer.string() + "' knows " + std::to_string(tokenizer_.vocabulary_size()) +
                                         " tokens, the text encoder " + std::to_string(config().vocab_size));
  if (const auto [token, id] = tokenizer_.largest(); id >= config().vocab_size)
    throw Error(ErrorCode::corrupt_file, "'" + (tokenizer / "vocab.json").string() + "': token '" + token + "' has id " + std::to_string(id) + ", beyond the text encoder's " + std::to_string(config().vocab_size));
  add_words(encoder.words);
}

void ClipTower::add_words(const std::vector<LearnedWord>& words) {
  if (words.empty()) return;
  const auto& all = loaded_.parameters.all();
  const auto table = std::find_if(all.begin(), all.end(), [](const Parameter& p) { return p.name.ends_with("token_embedding.weight"); });
  std::vector<at::Tensor> rows = {table->tensor.slice(0, 0, tokenizer_.vocabulary_size())};
  for (const LearnedWord& word : words) {
    if (word.rows.size(1) != config().hidden_size)
      throw Error(ErrorCode::conflict, word.where + " is " + std::to_string(word.rows.size(1)) + " wide, the text encoder " + std::to_string(config().hidden_size) + "; it was learned for another model");
    try {
      tokenizer_.add_word(word.token, word.rows.size(0));
    } catch (const Error& e) {
      throw Error(e.code(), word.where + ": " + e.what());
    }
    rows.push_back(word.rows.to(rows.front().options()));
  }
  at::Tensor target = table->tensor;
  target.set_data(at::cat(rows, 0));
}

TokenizedPrompt ClipTower::tokenise(const std::string& text, const PromptTexts& how) const {
  const std::vector<WeightedText> parts = weighted_texts(text);
  const bool plain = parts.size() == 1 ? parts[0].weight == 1 && parts[0].text == text : parts.empty();
  if (plain && !how.in_chunks) return tokenizer_.encode(text, max_length_);
  return chunked(tokenizer_, parts, {.length = max_length_, .at_least = how.chunks, .at_most = how.in_chunks ? kMostChunks : 1});
}

ClipTextOutput ClipTower::encode_chunks(const std::vector<int64_t>& ids) const {
  const at::Tensor rows = at::tensor(ids, at::kLong).view({-1, max_length_});
  ClipTextOutput out = loaded_.model.forward(rows.to(device_), {}, {});
  const auto home = [](at::Tensor& t) { t = t.to(at::kCPU); };
  home(out.last);
  home(out.pooled);
  if (out.projected.defined()) home(out.projected);
  for (at::Tensor& t : out.hidden) home(t);
  if (rows.size(0) == 1) return out;
  const auto side_by_side = [](at::Tensor& t) { t = t.reshape({1, -1, t.size(-1)}); };
  side_by_side(out.last);
  for (at::Tensor& t : out.hidden) side_by_side(t);
  out.pooled = out.pooled.slice(0, 0, 1);
  if (out.projected.defined()) out.projected = out.projected.slice(0, 0, 1);
  return out;
}

ClipTextOutput ClipTower::encode(const TokenizedPrompt& tokens) const {
  ClipTextOutput out = encode_chunks(tokens.ids);
  if (tokens.weights.empty()) return out;
  std::vector<int64_t> nothing;
  for (std::size_t i = 0; i < tokens.ids.size(); i += static_cast<std::size_t>(max_length_)) {
    const std::vector<int64_t> one = tokenizer_.encode("", max_length_).ids;
    nothing.insert(nothing.end(), one.begin(), one.end());
  }
  const ClipTextOutput empty = encode_chunks(nothing);
  const at::Tensor w = at::tensor(tokens.weights, at::kFloat).view({1, -1, 1});
  const auto weigh = [&](at::Tensor& t, const at::Tensor& base) { t = (base + w.to(t.scalar_type()) * (t - base)); };
  weigh(out.last, empty.last);
  for (std::size_t i = 0; i < out.hidden.size(); ++i) weigh(out.hidden[i], empty.hidden[i]);
  return out;
}

const at::Tensor& ClipTower::hidden(const ClipTextOutput& out, int skip) {
  const auto layers = static_cast<int>(out.hidden.size()) - 1;
  if (skip < 0 || skip >= layers)
    throw Error(ErrorCode::invalid_argument, "clip_skip leaves no layer of the text encoder's " + std::to_string(layers));
  return out.hidden[static_cast<std::size_t>(layers - skip)];
}

T5Tower::T5Tower(const std::filesystem::path& tokenizer, const ComponentFiles& encoder, const LoadOptions& load)
    : tokenizer_(T5Tokenizer::open(tokenizer)), loaded_(encoder, renamed(load, t5_key)), device_(load.device) {
  if (tokenizer_->vocabulary_size() > config().vocab_size)
    throw Error(ErrorCode::conflict, "the tokenizer in '" + tokenizer.string() + "' knows " + std::to_string(tokenizer_->vocabulary_size()) +
                                         " tokens, the text encoder " + std::to_string(config().vocab_size));
}

at::Tensor T5Tower::encode(const TokenizedPrompt& tokens) const { return loaded_.model.forward(ids_of(tokens).to(device_), {}, {}).to(at::kCPU); }

UnetDenoiser::UnetDenoiser(const ComponentFiles& source, const LoadOptions& load)
    : loaded_(source, load), place_(place_of(load)), beside_(beside_of(config())) {}

UnetInputs UnetDenoiser::inputs(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const {
  UnetInputs in;
  in.sample = (c.beside.defined() ? at::cat({x, c.beside}, 1) : x).to(place_);
  in.timesteps = timesteps.to(place_.device());
  in.text = hooks.text_keys ? hooks.text_keys->converted(c.text, place_) : c.text.to(place_);
  if (config().time_cond_proj_dim > 0 && c.guidance.defined()) in.guidance_embed = guidance_embedding(c.guidance, config().time_cond_proj_dim).to(place_);
  if (config().num_class_embeds > 0) in.class_labels = c.noise_level.to(place_.device());
  if (config().text_time_embedding) {
    in.pooled_text = c.pooled.to(place_);
    const int64_t numbers = (config().projection_class_embeddings_input_dim - c.pooled.size(1)) / config().addition_time_embed_dim;
    in.time_ids = time_ids(c.sizes, numbers == 5).to(place_.device());
  }
  return in;
}

at::Tensor UnetDenoiser::predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const {
  hooks.timesteps(timesteps);
  UnetInputs in = inputs(x, timesteps, c, hooks);
  for (const at::Tensor& r : c.residuals) in.control.push_back(r.to(place_));
  return loaded_.model.forward(in, hooks).to(at::kCPU, at::kFloat);
}

KlAutoencoder::KlAutoencoder(const ComponentFiles& source, const LoadOptions& load) : loaded_(source, renamed(load, modern_vae_key)), place_(place_of(load)) {}

at::Tensor KlAutoencoder::decode(const at::Tensor& latents, const ForwardHooks& hooks) const {
  return hooks.decoded(latents, loaded_.model.decode((latents / config().scaling_factor + config().shift_factor).to(place_), hooks).to(at::kCPU, at::kFloat));
}

at::Tensor KlAutoencoder::encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const {
  const LatentGaussian g = loaded_.model.encode(pixels.to(place_), hooks);
  const at::Tensor latents = (eps.defined() ? g.sample(eps.to(place_)) : g.mean).to(at::kCPU, at::kFloat);
  return (latents - config().shift_factor) * config().scaling_factor;
}

TinyVae::TinyVae(const ComponentFiles& source, const LoadOptions& load) : loaded_(source, load), place_(place_of(load)) {}

at::Tensor TinyVae::decode(const at::Tensor& latents, const ForwardHooks& hooks) const {
  const TinyAutoencoderConfig& c = loaded_.config();
  return hooks.decoded(latents, loaded_.model.decode((latents / c.scaling_factor + c.shift_factor).to(place_), hooks).to(at::kCPU, at::kFloat));
}

at::Tensor TinyVae::encode(const at::Tensor& pixels, const at::Tensor&, const ForwardHooks& hooks) const {
  const TinyAutoencoderConfig& c = loaded_.config();
  return (loaded_.model.encode(pixels.to(place_), hooks).to(at::kCPU, at::kFloat) - c.shift_factor) * c.scaling_factor;
}

std::shared_ptr<const Autoencoder> open_autoencoder(Components& c, const ModelFiles& model, const OpenOptions& options) {
  const ComponentFiles source = options.vae.empty() ? model.component("vae") : component_of(options.vae, "diffusion_pytorch_model");
  const auto opened = [&](auto vae) {
    list_weights(c, "vae", *vae);
    return vae;
  };
  const bool tiny = source.config.is_object() && source.config.value("_class_name", Json("")) == "AutoencoderTiny";
  if (tiny) return opened(std::make_shared<TinyVae>(source, load_options(options)));
  return opened(std::make_shared<KlAutoencoder>(source, load_options(options)));
}

std::string modern_vae_key(const std::string& key) {
  static constexpr std::pair<const char*, const char*> kLegacy[] = {
      {".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}};
  for (const auto& [old, now] : kLegacy) {
    const std::size_t at = key.find(old);
    if (at != std::string::npos && key.find("mid_block.attentions.") != std::string::npos)
      return key.substr(0, at) + now + key.substr(at + std::string(old).size());
  }
  return key;
}

LoadOptions load_options(const OpenOptions& options) { return {.dtype = scalar_type(options.dtype), .device = options.device, .keep_packed = options.keep_packed}; }

at::TensorOptions place_of(const LoadOptions& load) { return at::TensorOptions(load.dtype).device(load.device); }

Components described(const ModelFiles& model, const std::string& family, const OpenOptions& options, const Recommended& usual) {
  Components c;
  c.recommended = usual;
  const auto path = std::filesystem::absolute(model.path()).lexically_normal();
  c.name = std::filesystem::is_directory(path) ? path.filename().string() : path.stem().string();
  if (c.name.empty()) c.name = "model";
  c.directory = model.path();
  c.family = family;
  c.dtype = options.dtype;
  const auto [config, where] = model.scheduler("scheduler");
  const SchedulerConfig checked = SchedulerConfig::from_json(config, where);
  const auto& solvers = solver_table();
  if (std::none_of(solvers.begin(), solvers.end(), [&](const SolverEntry& e) { return e.class_name == checked.class_name; }))
    throw Error(ErrorCode::unsupported, where + ": _class_name '" + checked.class_name + "' is not a scheduler that is known; see `safelight list schedulers --json`");
  c.scheduler_config = config;
  c.scheduler_where = where;
  read_recommended(model, c);
  return c;
}

void require_fitting(int64_t text_width, int64_t taken_width, const Autoencoder& vae, int64_t latent_channels) {
  const auto conflict = [](const std::string& what) { throw Error(ErrorCode::conflict, what + "; these components do not belong together"); };
  if (text_width != taken_width)
    conflict("the text encoders give " + std::to_string(text_width) + " numbers a token, the denoiser takes " + std::to_string(taken_width));
  if (vae.latent_channels() != latent_channels)
    conflict("the autoencoder has " + std::to_string(vae.latent_channels()) + " latent channels, the denoiser " + std::to_string(latent_channels));
}

}  // namespace safelight
