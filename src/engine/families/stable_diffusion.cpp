// Stable Diffusion 1.x and 2.x and their kin: one CLIP text encoder, UNet with cross-attention, KL autoencoder. Inpainting
// variants have nine input channels, latent consistency models an embedding of the guidance scale, the x4 upscaler the small
// picture beside the latents: all of that is the UNet's configuration.
#include <ATen/ATen.h>

#include "engine/families/parts.h"

namespace safelight {
namespace {

class OneTower final : public PromptEncoder {
 public:
  explicit OneTower(std::unique_ptr<const ClipTower> tower) : tower_(std::move(tower)) {}
  std::vector<TokenizedPrompt> tokenise(const PromptTexts& texts, int) const override { return {tower_->tokenise(texts.text, texts)}; }
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& o) const override {
    const ClipTextOutput out = tower_->encode(tokens.front());
    if (o.clip_skip == 0 || o.negative) return {out.last, {}};
    return {tower_->model().final_norm(ClipTower::hidden(out, o.clip_skip)), {}};
  }
  const Tokenizer& tokenizer() const override { return tower_->tokenizer(); }

 private:
  std::unique_ptr<const ClipTower> tower_;
};

bool claims(const ModelFiles& model) {
  return model.has_tensor("conv_in.weight") && model.has_tensor("mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight") &&
         !model.has_tensor("add_embedding.linear_1.weight");
}

Components open(const ModelFiles& model, const OpenOptions& options) {
  const LoadOptions load = load_options(options);
  Components c = described(model, "stable-diffusion", options, {.steps = 30, .guidance = 7.5, .solver = ""});
  auto tower = std::make_unique<ClipTower>(model.tokenizer("tokenizer"), model.component("text_encoder"), load);
  auto unet = std::make_shared<UnetDenoiser>(model.component("unet"), load);
  const auto vae = open_autoencoder(c, model, options);
  require_fitting(tower->config().hidden_size, unet->config().cross_attention_dim, *vae, unet->latent_channels());
  list_weights(c, "text_encoder", *tower);
  list_weights(c, "unet", *unet);
  if (unet->beside() == Beside::low_resolution_image) c.low_resolution_scheduler = model.scheduler("low_res_scheduler").first;
  // Distilled for few steps, with the guidance scale as an input.
  if (unet->guidance() == GuidanceKind::embedded && !std::filesystem::exists(model.path() / "safelight.json")) c.recommended = {.steps = 4, .guidance = 8.5, .solver = ""};
  c.max_text_tokens = tower->max_length();
  c.default_side_px = static_cast<int>(unet->config().sample_size * vae->downscale());
  c.prompt = std::make_shared<OneTower>(std::move(tower));
  c.denoiser = unet;
  c.autoencoder = vae;
  return c;
}

}  // namespace

Family stable_diffusion() {
  return {.name = "stable-diffusion", .summary = "Stable Diffusion 1.x and 2.x, inpainting, latent consistency, x4 upscaler", .claims = claims, .open = open};
}

}  // namespace safelight
