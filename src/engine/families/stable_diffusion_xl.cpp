// Stable Diffusion XL, base and refiner (Podell et al., arXiv:2307.01952): two CLIP text encoders side by side (the refiner has
// the second alone), pooled text and the picture's sizes beside the timestep.
#include <ATen/ATen.h>

#include "common/base/error.h"
#include "engine/families/parts.h"

namespace safelight {
namespace {

class XlPrompt final : public PromptEncoder {
 public:
  // first: null in the refiner.
  XlPrompt(std::unique_ptr<const ClipTower> first, std::unique_ptr<const ClipTower> second, bool zeros)
      : first_(std::move(first)), second_(std::move(second)), zeros_(zeros) {}

  std::vector<TokenizedPrompt> tokenise(const PromptTexts& t, int) const override {
    const std::string& other = t.text_2.empty() ? t.text : t.text_2;
    if (!first_) return {second_->tokenise(other, t)};
    return {first_->tokenise(t.text, t), second_->tokenise(other, t)};
  }

  // An absent negative prompt is all zeros where the model was trained so, not the encoding of the empty text.
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& o) const override {
    const int skip = 1 + (o.negative ? 0 : o.clip_skip);
    const ClipTextOutput second = second_->encode(tokens.back());
    EncodedPrompt out{ClipTower::hidden(second, skip), second.projected};
    if (first_) out.text = at::cat({ClipTower::hidden(first_->encode(tokens.front()), skip), out.text}, -1);
    bool empty = true;
    for (const TokenizedPrompt& t : tokens) empty = empty && t.content == 0;
    if (o.negative && zeros_ && empty) return {at::zeros_like(out.text), at::zeros_like(out.pooled)};
    return out;
  }

  const Tokenizer& tokenizer() const override { return (first_ ? *first_ : *second_).tokenizer(); }

 private:
  std::unique_ptr<const ClipTower> first_, second_;
  bool zeros_;
};

bool claims(const ModelFiles& model) {
  return model.has_tensor("conv_in.weight") && model.has_tensor("add_embedding.linear_1.weight");
}

Components open(const ModelFiles& model, const OpenOptions& options) {
  const LoadOptions load = load_options(options);
  Components c = described(model, "stable-diffusion-xl", options, {.steps = 30, .guidance = 5.0, .solver = ""});
  std::unique_ptr<ClipTower> first;
  if (model.has("text_encoder"))
    first = std::make_unique<ClipTower>(model.tokenizer("tokenizer"), model.component("text_encoder"), load);
  auto second = std::make_unique<ClipTower>(model.tokenizer("tokenizer_2"), model.component("text_encoder_2"), load);
  if (!second->config().projected)
    throw Error(ErrorCode::conflict, "text_encoder_2 in '" + model.path().string() + "' has no projection; this family needs CLIPTextModelWithProjection there");
  auto unet = std::make_shared<UnetDenoiser>(model.component("unet"), load);
  const auto vae = open_autoencoder(c, model, options);
  require_fitting((first ? first->config().hidden_size : 0) + second->config().hidden_size, unet->config().cross_attention_dim, *vae, unet->latent_channels());
  if (first) list_weights(c, "text_encoder", *first);
  list_weights(c, "text_encoder_2", *second);
  list_weights(c, "unet", *unet);
  c.max_text_tokens = (first ? *first : *second).max_length();
  c.default_side_px = static_cast<int>(unet->config().sample_size * vae->downscale());
  c.prompt = std::make_shared<XlPrompt>(std::move(first), std::move(second), model.index().value("force_zeros_for_empty_prompt", true));
  c.denoiser = unet;
  c.autoencoder = vae;
  return c;
}

}  // namespace

Family stable_diffusion_xl() {
  return {.name = "stable-diffusion-xl", .summary = "Stable Diffusion XL base, refiner, Turbo and inpainting", .claims = claims, .open = open};
}

}  // namespace safelight
