// Stable Diffusion 3 and 3.5 (Esser et al., arXiv:2403.03206): a multimodal transformer over flow matching, two CLIP text
// encoders side by side and, where it is there, T5 after them.
#include <ATen/ATen.h>

#include "common/base/error.h"
#include "engine/denoisers/mmdit.h"
#include "engine/families/parts.h"

namespace safelight {
namespace {

constexpr int kT5Tokens = 256;

class ThreeTowers final : public PromptEncoder {
 public:
  // third: null when the model comes without T5.
  ThreeTowers(std::unique_ptr<const ClipTower> first, std::unique_ptr<const ClipTower> second, std::unique_ptr<const T5Tower> third, int64_t width)
      : first_(std::move(first)), second_(std::move(second)), third_(std::move(third)), width_(width) {}

  std::vector<TokenizedPrompt> tokenise(const PromptTexts& t, int max_tokens) const override {
    const auto or_first = [&](const std::string& other) { return other.empty() ? t.text : other; };
    std::vector<TokenizedPrompt> out = {first_->tokenise(t.text, t), second_->tokenise(or_first(t.text_2), t)};
    if (third_) out.push_back(third_->tokenise(or_first(t.text_3), max_tokens > 0 ? max_tokens : kT5Tokens));
    return out;
  }

  // CLIP's two towers side by side, padded to the width of T5; T5's tokens after them, or zeros in their place.
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& o) const override {
    const int skip = 1 + (o.negative ? 0 : o.clip_skip);
    const ClipTextOutput a = first_->encode(tokens[0]), b = second_->encode(tokens[1]);
    at::Tensor clip = at::cat({ClipTower::hidden(a, skip), ClipTower::hidden(b, skip)}, -1);
    clip = at::constant_pad_nd(clip, {0, width_ - clip.size(2)});
    const at::Tensor t5 = third_ ? third_->encode(tokens[2]).to(clip.scalar_type()) : at::zeros({1, first_->max_length(), width_}, clip.options());
    return {at::cat({clip, t5}, 1), at::cat({a.projected, b.projected}, -1)};
  }

  const Tokenizer& tokenizer() const override { return first_->tokenizer(); }

 private:
  std::unique_ptr<const ClipTower> first_, second_;
  std::unique_ptr<const T5Tower> third_;
  int64_t width_;
};

class MmditDenoiser final : public Denoiser {
 public:
  MmditDenoiser(const ComponentFiles& source, const LoadOptions& load) : loaded_(source, load), place_(place_of(load)) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const override {
    hooks.timesteps(timesteps);
    return loaded_.model.forward(x.to(place_), timesteps.to(place_.device()), c.text.to(place_), c.pooled.to(place_), hooks).to(at::kCPU, at::kFloat);
  }
  int64_t latent_channels() const override { return config().in_channels; }
  int64_t patch() const override { return config().patch_size; }
  CustomSteps own_steps(int, int64_t height, int64_t width) const override {
    return {.image_tokens = static_cast<int>(height * width / (config().patch_size * config().patch_size))};
  }
  std::vector<std::string> block_names() const override { return loaded_.model.block_names(); }
  ShortcutSupport shortcuts() const override { return {.first_block = true}; }
  const MmditConfig& config() const { return loaded_.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }

 private:
  Loaded<Mmdit, MmditConfig> loaded_;
  at::TensorOptions place_;
};

bool claims(const ModelFiles& model) {
  return model.has_tensor("pos_embed.proj.weight") && model.has_tensor("transformer_blocks.0.attn.add_k_proj.weight");
}

bool has_t5(const ModelFiles& model, const OpenOptions& options) {
  if (std::find(options.without.begin(), options.without.end(), "text_encoder_3") != options.without.end()) return false;
  return model.has("text_encoder_3");
}

Components open(const ModelFiles& model, const OpenOptions& options) {
  const LoadOptions load = load_options(options);
  Components c = described(model, "stable-diffusion-3", options, {.steps = 28, .guidance = 7.0, .solver = ""});
  auto first = std::make_unique<ClipTower>(model.tokenizer("tokenizer"), model.component("text_encoder"), load);
  auto second = std::make_unique<ClipTower>(model.tokenizer("tokenizer_2"), model.component("text_encoder_2"), load);
  std::unique_ptr<T5Tower> third;
  if (has_t5(model, options)) third = std::make_unique<T5Tower>(model.tokenizer("tokenizer_3"), model.component("text_encoder_3"), load);
  auto denoiser = std::make_shared<MmditDenoiser>(model.component("transformer"), load);
  const auto vae = open_autoencoder(c, model, options);
  const MmditConfig& config = denoiser->config();
  require_fitting(third ? third->config().d_model : config.joint_attention_dim, config.joint_attention_dim, *vae, config.in_channels);
  if (!first->config().projected || !second->config().projected || first->config().projection_dim + second->config().projection_dim != config.pooled_projection_dim ||
      first->config().hidden_size + second->config().hidden_size > config.joint_attention_dim)
    throw Error(ErrorCode::conflict, "the CLIP text encoders in '" + model.path().string() + "' do not give the pooled text of " +
                                         std::to_string(config.pooled_projection_dim) + " numbers that the transformer takes");
  list_weights(c, "text_encoder", *first);
  list_weights(c, "text_encoder_2", *second);
  if (third) list_weights(c, "text_encoder_3", *third);
  list_weights(c, "transformer", *denoiser);
  c.max_text_tokens = first->max_length();
  c.default_side_px = static_cast<int>(config.sample_size * vae->downscale());
  c.prompt = std::make_shared<ThreeTowers>(std::move(first), std::move(second), std::move(third), config.joint_attention_dim);
  c.denoiser = denoiser;
  c.autoencoder = vae;
  return c;
}

}  // namespace

Family stable_diffusion_3() {
  return {.name = "stable-diffusion-3", .summary = "Stable Diffusion 3 and 3.5, with or without T5", .claims = claims, .open = open};
}

}  // namespace safelight
