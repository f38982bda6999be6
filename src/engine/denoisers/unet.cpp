#include "engine/denoisers/unet.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/base/error.h"
#include "engine/tensor/step_cache.h"

namespace safelight {

UnetStage Unet::make_up(const ParameterScope& p, std::size_t i) const {
  const auto& channels = trunk_.config().block_out_channels;
  const std::size_t last = channels.size() - 1, level = last - i;
  const int64_t out = channels[level], previous = i == 0 ? channels[last] : channels[level + 1];
  const int64_t in = channels[level == 0 ? 0 : level - 1];
  UnetStage stage{.path = p.path(), .resnets = {}, .attentions = {}, .resample = {}};
  for (int64_t j = 0; j <= trunk_.config().layers_per_block; ++j) {
    const int64_t skip = j == trunk_.config().layers_per_block ? in : out;
    const auto index = static_cast<std::size_t>(j);
    stage.resnets.emplace_back(p / "resnets" / index, (j == 0 ? previous : out) + skip, out, trunk_.time_width(),
                               trunk_.config().norm_num_groups, trunk_.config().norm_eps);
    if (trunk_.config().up_attention[i]) stage.attentions.emplace_back(p / "attentions" / index, trunk_.shape(level));
  }
  if (level > 0) stage.resample.emplace(p / "upsamplers.0.conv", out, out, 3);
  return stage;
}

Unet::Unet(const ParameterScope& p, const UnetConfig& config)
    : trunk_(p, config),
      norm_out_(p / "conv_norm_out", config.norm_num_groups, config.block_out_channels.front(), config.norm_eps),
      conv_out_(p / "conv_out", config.block_out_channels.front(), config.out_channels, 3, 1, 1, Init::zeros) {
  for (std::size_t i = 0; i < config.block_out_channels.size(); ++i) up_.push_back(make_up(p / "up_blocks" / i, i));
}

std::vector<std::string> Unet::block_names() const {
  std::vector<std::string> names = trunk_.block_names();
  for (std::string& name : names_of(up_)) names.push_back(std::move(name));
  return names;
}

void Unet::add_control(const std::vector<at::Tensor>& residuals, std::vector<at::Tensor>& skips, at::Tensor& x) const {
  if (residuals.empty()) return;
  const std::size_t all = trunk_.skip_channels().size();
  if (residuals.size() != all + 1)
    throw Error(ErrorCode::conflict, "the ControlNet gives " + std::to_string(residuals.size()) + " residuals, this UNet takes " + std::to_string(all + 1) +
                                         "; it was made for another model");
  for (std::size_t i = 0; i < skips.size(); ++i) skips[i] = skips[i] + residuals[i];
  if (skips.size() == all) x = x + residuals.back();
}

at::Tensor Unet::forward(const UnetInputs& in, const ForwardHooks& hooks) const {
  const UnetPass pass = trunk_.pass(in, hooks);
  const bool caches = hooks.cache && hooks.cache->keeps_features(), partial = caches && hooks.cache->has_features();
  const std::size_t outer = caches ? std::min(hooks.cache->depth() + 1, trunk_.skip_channels().size()) : 0;
  std::vector<at::Tensor> skips;
  at::Tensor x = trunk_.descend(in.sample, {}, pass, skips, partial ? outer : 0);
  add_control(in.control, skips, x);
  if (partial) {
    hooks.cache->count_reuse();
    x = hooks.cache->features();
  }
  std::size_t left = trunk_.skip_channels().size();  // skips that the rest of the way up takes
  for (const UnetStage& stage : up_) {
    bool ran = false;
    for (std::size_t j = 0; j < stage.resnets.size(); ++j, --left) {
      if (left > skips.size()) continue;  // the kept features lie further up
      if (caches && left == outer && !partial) hooks.cache->keep_features(x);
      ran = true;
      x = stage.resnets[j].forward(at::cat({x, skips.back()}, 1), pass);
      skips.pop_back();
      if (!stage.attentions.empty()) x = stage.attentions[j].forward(x, pass);
    }
    if (!ran) continue;
    // Upsampling to the next skip's size, not by two, so that odd sizes come out as they went in.
    if (stage.resample)
      x = (*stage.resample)(at::upsample_nearest2d(x, {skips.back().size(2), skips.back().size(3)}));
    x = hooks.block(stage.path, x);
  }
  return conv_out_(norm_out_.silu(x));
}

}  // namespace safelight
