// FLUX.1 dev and schnell (Black Forest Labs, 2024): T5 for the tokens, CLIP for the pooled text, packed latents, guidance as an
// input where the model was distilled with it.
#include <ATen/ATen.h>

#include "common/base/error.h"
#include "engine/denoisers/flux_transformer.h"
#include "engine/families/parts.h"

namespace safelight {
namespace {

class FluxPrompt final : public PromptEncoder {
 public:
  FluxPrompt(std::unique_ptr<const ClipTower> clip, std::unique_ptr<const T5Tower> t5, int usual) : clip_(std::move(clip)), t5_(std::move(t5)), usual_(usual) {}
  // T5 comes first: its tokens are what the transformer attends to. The second prompt is T5's, as in the field.
  std::vector<TokenizedPrompt> tokenise(const PromptTexts& t, int max_tokens) const override {
    return {t5_->tokenise(t.text_2.empty() ? t.text : t.text_2, max_tokens > 0 ? max_tokens : usual_), clip_->tokenise(t.text, t)};
  }
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions&) const override {
    return {t5_->encode(tokens[0]), clip_->encode(tokens[1]).pooled};
  }
  const Tokenizer& tokenizer() const override { return t5_->tokenizer(); }

 private:
  std::unique_ptr<const ClipTower> clip_;
  std::unique_ptr<const T5Tower> t5_;
  int usual_;
};

class FluxDenoiser final : public Denoiser {
 public:
  FluxDenoiser(const ComponentFiles& source, const LoadOptions& load) : loaded_(source, load), place_(place_of(load)) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const override {
    hooks.timesteps(timesteps);
    FluxInputs in;
    in.sample = packed_latents(x).to(place_);
    in.timesteps = timesteps.to(place_.device()) / 1000.0;
    if (config().guidance_embeds) in.guidance = c.guidance.to(place_.device());
    in.text = c.text.to(place_);
    in.pooled = c.pooled.to(place_);
    in.text_ids = at::zeros({c.text.size(1), 3}, at::kFloat);
    in.image_ids = patch_ids(x.size(2) / 2, x.size(3) / 2);
    return unpacked_latents(loaded_.model.forward(in, hooks).to(at::kCPU, at::kFloat), x.size(2), x.size(3));
  }
  int64_t latent_channels() const override { return config().in_channels / 4; }
  int64_t patch() const override { return 2; }
  GuidanceKind guidance() const override { return config().guidance_embeds ? GuidanceKind::embedded : GuidanceKind::none; }
  CustomSteps own_steps(int steps, int64_t height, int64_t width) const override {
    CustomSteps out{.image_tokens = static_cast<int>(height * width / 4)};
    for (int i = 0; i < steps; ++i) out.sigmas.push_back(steps == 1 ? 1.0 : 1.0 + (1.0 / steps - 1.0) * i / (steps - 1));
    return out;
  }
  std::vector<std::string> block_names() const override { return loaded_.model.block_names(); }
  ShortcutSupport shortcuts() const override { return {.first_block = true}; }
  const FluxConfig& config() const { return loaded_.config(); }
  const std::vector<std::filesystem::path>& files() const { return loaded_.files; }
  std::uint64_t bytes() const { return loaded_.bytes(); }

 private:
  Loaded<FluxTransformer, FluxConfig> loaded_;
  at::TensorOptions place_;
};

bool claims(const ModelFiles& model) {
  return model.has_tensor("x_embedder.weight") && model.has_tensor("single_transformer_blocks.0.proj_mlp.weight");
}

Components open(const ModelFiles& model, const OpenOptions& options) {
  const LoadOptions load = load_options(options);
  Components c = described(model, "flux", options, {.steps = 28, .guidance = 3.5, .solver = ""});
  auto clip = std::make_unique<ClipTower>(model.tokenizer("tokenizer"), model.component("text_encoder"), load);
  auto t5 = std::make_unique<T5Tower>(model.tokenizer("tokenizer_2"), model.component("text_encoder_2"), load);
  auto denoiser = std::make_shared<FluxDenoiser>(model.component("transformer"), load);
  const auto vae = open_autoencoder(c, model, options);
  const FluxConfig& config = denoiser->config();
  require_fitting(t5->config().d_model, config.joint_attention_dim, *vae, denoiser->latent_channels());
  if (clip->config().hidden_size != config.pooled_projection_dim)
    throw Error(ErrorCode::conflict, "the CLIP text encoder in '" + model.path().string() + "' gives " + std::to_string(clip->config().hidden_size) +
                                         " pooled numbers, the transformer takes " + std::to_string(config.pooled_projection_dim));
  list_weights(c, "text_encoder", *clip);
  list_weights(c, "text_encoder_2", *t5);
  list_weights(c, "transformer", *denoiser);
  // The distilled model without a guidance input was made for few steps and short prompts.
  const bool schnell = !config.guidance_embeds;
  if (schnell && !std::filesystem::exists(model.path() / "safelight.json")) c.recommended = {.steps = 4, .guidance = 1.0, .solver = ""};
  c.max_text_tokens = schnell ? 256 : 512;
  c.default_side_px = static_cast<int>(128 * vae->downscale());
  c.prompt = std::make_shared<FluxPrompt>(std::move(clip), std::move(t5), c.max_text_tokens);
  c.denoiser = denoiser;
  c.autoencoder = vae;
  return c;
}

}  // namespace

Family flux() { return {.name = "flux", .summary = "FLUX.1 dev and schnell", .claims = claims, .open = open}; }

}  // namespace safelight
