#include "engine/denoisers/controlnet.h"

#include <ATen/ATen.h>

#include <cmath>

#include "engine/weights/config_reader.h"

namespace safelight {

ControlNetConfig ControlNetConfig::from_json(const Json& json, const std::string& where) {
  ControlNetConfig c;
  const ConfigReader read(json, where);
  read("conditioning_channels", c.conditioning_channels);
  read.list("conditioning_embedding_out_channels", c.embedding_channels, 4);
  std::string order = "rgb";
  read("controlnet_conditioning_channel_order", order);
  read.one_of("controlnet_conditioning_channel_order", order, {"rgb", "bgr"});
  c.bgr = order == "bgr";
  read.must_be("global_pool_conditions", false);
  read.positive("conditioning_channels", c.conditioning_channels);
  for (const int64_t v : c.embedding_channels) read.positive("conditioning_embedding_out_channels", v);
  // The shape of the UNet, less what only its rising half has.
  Json unet = json;
  std::vector<std::string> up;
  for (const Json& block : json.value("down_block_types", Json::array()))
    up.insert(up.begin(), block == "DownBlock2D" ? "UpBlock2D" : "CrossAttnUpBlock2D");
  if (!up.empty()) unet["up_block_types"] = up;
  unet["out_channels"] = json.value("in_channels", Json(4));
  c.unet = UnetConfig::from_json(unet, where);
  return c;
}

ControlNet::ControlNet(const ParameterScope& p, const ControlNetConfig& c)
    : config_(c),
      trunk_(p, c.unet),
      hint_in_(p / "controlnet_cond_embedding.conv_in", c.conditioning_channels, c.embedding_channels.front(), 3),
      hint_out_(p / "controlnet_cond_embedding.conv_out", c.embedding_channels.back(), c.unet.block_out_channels.front(), 3, 1, 1, Init::zeros),
      mid_out_(p / "controlnet_mid_block", c.unet.block_out_channels.back(), c.unet.block_out_channels.back(), 1, 1, 0, Init::zeros) {
  for (std::size_t i = 0; i + 1 < c.embedding_channels.size(); ++i) {
    const int64_t from = c.embedding_channels[i], to = c.embedding_channels[i + 1];
    hint_blocks_.emplace_back(p / "controlnet_cond_embedding.blocks" / (2 * i), from, from, 3);
    hint_blocks_.emplace_back(p / "controlnet_cond_embedding.blocks" / (2 * i + 1), from, to, 3, 2, 1);
  }
  const std::vector<int64_t>& channels = trunk_.skip_channels();
  for (std::size_t i = 0; i < channels.size(); ++i)
    skip_out_.emplace_back(p / "controlnet_down_blocks" / i, channels[i], channels[i], 1, 1, 0, Init::zeros);
}

std::vector<at::Tensor> ControlNet::forward(const UnetInputs& in, const at::Tensor& hint, double scale, bool guess, const ForwardHooks& hooks) const {
  at::Tensor h = at::silu(hint_in_(config_.bgr ? hint.flip({1}) : hint));
  for (const Conv2d& block : hint_blocks_) h = at::silu(block(h));
  const UnetPass pass = trunk_.pass(in, hooks);
  std::vector<at::Tensor> out;
  const at::Tensor middle = trunk_.descend(in.sample, hint_out_(h), pass, out);
  const std::size_t n = out.size() + 1;
  const auto strength = [&](std::size_t i) { return guess ? scale * std::pow(10.0, static_cast<double>(i) / static_cast<double>(n - 1) - 1) : scale; };
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = skip_out_[i](out[i]) * strength(i);
  out.push_back(mid_out_(middle) * strength(n - 1));
  return out;
}

}  // namespace safelight
