#include "engine/families/control.h"

#include <ATen/ATen.h>

#include "common/base/error.h"
#include "engine/denoisers/controlnet.h"
#include "engine/families/parts.h"

namespace safelight {
namespace {

class Controlled final : public DenoiserDecorator {
 public:
  Controlled(std::shared_ptr<const UnetDenoiser> inner, const ControlSettings& s)
      : DenoiserDecorator(inner), unet_(std::move(inner)), settings_(s), net_(component_of(s.directory, "diffusion_pytorch_model"), {.dtype = scalar_type(s.dtype), .device = s.device}) {
    const UnetConfig &own = net_.config().unet, &other = unet_->config();
    if (net_.config().conditioning_channels != 3)
      throw Error(ErrorCode::unsupported, "the ControlNet in '" + s.directory.string() + "' reads hints of " + std::to_string(net_.config().conditioning_channels) + " conditioning_channels; only pictures of 3 are read");
    if (own.block_out_channels != other.block_out_channels || own.layers_per_block != other.layers_per_block || own.in_channels != other.out_channels)
      throw Error(ErrorCode::conflict, "the ControlNet in '" + s.directory.string() + "' was made for another model: its blocks, layers or latent channels differ");
    if (own.cross_attention_dim != other.cross_attention_dim)
      throw Error(ErrorCode::conflict, "the ControlNet in '" + s.directory.string() + "' was made for another model: its text is " + std::to_string(own.cross_attention_dim) +
                                           " wide, the model's " + std::to_string(other.cross_attention_dim));
    names_ = unet_->block_names();
    std::vector<std::string> first;
    for (int64_t i = 0; i < residuals(); ++i) first.push_back("controlnet." + std::to_string(i));
    names_.insert(names_.begin(), first.begin(), first.end());
  }

  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const override {
    Conditioning with = c;
    with.residuals = c.unconditional > 0 && settings_.guess ? conditional_only(x, timesteps, c) : all(x, timesteps, c);
    for (std::size_t i = 0; i < with.residuals.size(); ++i) with.residuals[i] = hooks.block("controlnet." + std::to_string(i), with.residuals[i]);
    return inner().predict(x, timesteps, with, hooks);
  }
  std::vector<std::string> block_names() const override { return names_; }

 private:
  int64_t residuals() const {
    const UnetConfig& c = unet_->config();
    return 1 + static_cast<int64_t>(c.block_out_channels.size()) * (c.layers_per_block + 1) - 1 + 1;
  }

  std::vector<at::Tensor> all(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c) const {
    UnetInputs in = unet_->inputs(x, timesteps, c, {});
    in.sample = x.to(in.text.options());  // a ControlNet reads the latents alone
    const at::Tensor hint = settings_.hint.to(in.text.options()).expand({x.size(0), -1, -1, -1});
    return net_.model.forward(in, hint, settings_.scale, settings_.guess, {});
  }

  std::vector<at::Tensor> conditional_only(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c) const {
    const int64_t n = c.unconditional;
    Conditioning half = c;
    half.unconditional = 0;
    for (at::Tensor* t : {&half.text, &half.pooled, &half.guidance, &half.beside, &half.noise_level})
      if (t->defined()) *t = t->slice(0, n);
    if (!half.sizes.empty()) half.sizes.erase(half.sizes.begin(), half.sizes.begin() + n);
    std::vector<at::Tensor> out = all(x.slice(0, n), timesteps.slice(0, n), half);
    for (at::Tensor& r : out) r = at::cat({at::zeros_like(r), r}, 0);
    return out;
  }

  std::shared_ptr<const UnetDenoiser> unet_;   // the inner one, by its kind
  ControlSettings settings_;
  Loaded<ControlNet, ControlNetConfig> net_;
  std::vector<std::string> names_;
};

}  // namespace

std::shared_ptr<const Denoiser> controlled(std::shared_ptr<const Denoiser> inner, const ControlSettings& settings) {
  auto unet = std::dynamic_pointer_cast<const UnetDenoiser>(inner);
  if (!unet) throw Error(ErrorCode::conflict, "ControlNets work beside UNets; this model's denoiser is another kind");
  return std::make_shared<Controlled>(std::move(unet), settings);
}

}  // namespace safelight
