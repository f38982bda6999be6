#include "engine/autoencoders/autoencoder_kl.h"

#include <ATen/ATen.h>

#include <cmath>

#include "engine/tensor/attention.h"
#include "engine/weights/config_reader.h"

namespace safelight {
namespace {

constexpr double kNormEps = 1e-6;

}  // namespace

AutoencoderKlConfig AutoencoderKlConfig::from_json(const Json& json, const std::string& where) {
  AutoencoderKlConfig c;
  const ConfigReader read(json, where);
  std::vector<std::string> down = {"DownEncoderBlock2D"}, up = {"UpDecoderBlock2D"};
  read("down_block_types", down);
  read("up_block_types", up);
  for (const std::string& type : down) read.one_of("down_block_types", type, {"DownEncoderBlock2D"});
  for (const std::string& type : up) read.one_of("up_block_types", type, {"UpDecoderBlock2D"});
  if (down.empty()) read.fail("down_block_types", "must name at least one block");
  read.must_be("act_fn", "silu");
  read.must_be("in_channels", 3);
  read.must_be("out_channels", 3);
  read("in_channels", c.in_channels);
  read("out_channels", c.out_channels);
  read("latent_channels", c.latent_channels);
  c.block_out_channels = {64};
  read.list("block_out_channels", c.block_out_channels, down.size());
  read("layers_per_block", c.layers_per_block);
  read("norm_num_groups", c.norm_num_groups);
  read("scaling_factor", c.scaling_factor);
  read("shift_factor", c.shift_factor);
  read("use_quant_conv", c.use_quant_conv);
  read("use_post_quant_conv", c.use_post_quant_conv);
  read("mid_block_add_attention", c.mid_attention);
  read("force_upcast", c.force_upcast);
  read.positive("in_channels", c.in_channels);
  read.positive("latent_channels", c.latent_channels);
  read.positive("layers_per_block", c.layers_per_block);
  read.positive("norm_num_groups", c.norm_num_groups);
  for (int64_t channels : c.block_out_channels) {
    read.positive("block_out_channels", channels);
    read.divides("norm_num_groups", c.norm_num_groups, "block_out_channels", channels);
  }
  if (!(c.scaling_factor >= 1e-4 && c.scaling_factor <= 1e4)) read.fail("scaling_factor", "must lie between 0.0001 and 10000");
  if (!(std::abs(c.shift_factor) <= 100)) read.fail("shift_factor", "must lie between -100 and 100");
  return c;
}

at::Tensor LatentGaussian::sample(const at::Tensor& eps) const { return mean + (0.5 * logvar).exp() * eps; }

AutoencoderKl::Resnet::Resnet(const ParameterScope& p, int64_t in, int64_t out, int64_t groups)
    : path(p.path()),
      norm1(p / "norm1", groups, in, kNormEps),
      conv1(p / "conv1", in, out, 3),
      norm2(p / "norm2", groups, out, kNormEps),
      conv2(p / "conv2", out, out, 3) {
  if (in != out) shortcut.emplace(p / "conv_shortcut", in, out, 1);
}

at::Tensor AutoencoderKl::Resnet::forward(const at::Tensor& x, const ForwardHooks& hooks) const {
  const at::Tensor h = conv2(norm2.silu(conv1(norm1.silu(x))));
  return hooks.block(path, (shortcut ? (*shortcut)(x) : x) + h);
}

AutoencoderKl::SpatialAttention::SpatialAttention(const ParameterScope& p, int64_t width, int64_t groups)
    : path(p.path()),
      norm(p / "group_norm", groups, width, kNormEps),
      q(p / "to_q", width, width),
      k(p / "to_k", width, width),
      v(p / "to_v", width, width),
      out(p / "to_out.0", width, width) {}

at::Tensor AutoencoderKl::SpatialAttention::forward(const at::Tensor& x, const ForwardHooks& hooks) const {
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const at::Tensor tokens = norm(x).view({n, c, h * w}).transpose(1, 2);
  AttentionCall call{.layer = path,
                     .cross = false,
                     .q = split_heads(q(tokens), 1),
                     .k = split_heads(k(tokens), 1),
                     .v = split_heads(v(tokens), 1),
                     .scale = 1.0 / std::sqrt(static_cast<double>(c)),
                     .bias = {}};
  const at::Tensor y = out(attention(std::move(call), hooks)).transpose(1, 2).reshape({n, c, h, w});
  return hooks.block(path, x + y);
}

AutoencoderKl::Half::Half(const ParameterScope& p, const AutoencoderKlConfig& c, bool encoder)
    : path(p.path()),
      conv_in(p / "conv_in", encoder ? c.in_channels : c.latent_channels,
              encoder ? c.block_out_channels.front() : c.block_out_channels.back(), 3),
      norm_out(p / "conv_norm_out", c.norm_num_groups,
               encoder ? c.block_out_channels.back() : c.block_out_channels.front(), kNormEps),
      conv_out(p / "conv_out", encoder ? c.block_out_channels.back() : c.block_out_channels.front(),
               encoder ? 2 * c.latent_channels : c.out_channels, 3) {
  const auto& channels = c.block_out_channels;
  const std::size_t blocks = channels.size();
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t level = encoder ? i : blocks - 1 - i;
    const std::size_t before = i == 0 ? level : (encoder ? level - 1 : level + 1);
    const ParameterScope s = p / (encoder ? "down_blocks" : "up_blocks") / i;
    Stage stage{.path = s.path(), .resnets = {}, .resample = {}};
    const int64_t layers = c.layers_per_block + (encoder ? 0 : 1);
    for (int64_t j = 0; j < layers; ++j)
      stage.resnets.emplace_back(s / "resnets" / static_cast<std::size_t>(j), j == 0 ? channels[before] : channels[level],
                                 channels[level], c.norm_num_groups);
    if (i + 1 < blocks) {
      if (encoder) stage.resample.emplace(s / "downsamplers.0.conv", channels[level], channels[level], 3, 2, 0);
      else stage.resample.emplace(s / "upsamplers.0.conv", channels[level], channels[level], 3);
    }
    stages.push_back(std::move(stage));
  }
  const int64_t deepest = channels.back();
  for (std::size_t i = 0; i < 2; ++i)
    mid_resnets.emplace_back(p / "mid_block" / "resnets" / i, deepest, deepest, c.norm_num_groups);
  if (c.mid_attention) mid_attention.emplace(p / "mid_block.attentions.0", deepest, c.norm_num_groups);
}

at::Tensor AutoencoderKl::Half::mid(const at::Tensor& x, const ForwardHooks& hooks) const {
  at::Tensor y = mid_resnets[0].forward(x, hooks);
  if (mid_attention) y = mid_attention->forward(y, hooks);
  return hooks.block(path + ".mid_block", mid_resnets[1].forward(y, hooks));
}

AutoencoderKl::AutoencoderKl(const ParameterScope& p, const AutoencoderKlConfig& config)
    : config_(config), encoder_(p / "encoder", config, true), decoder_(p / "decoder", config, false) {
  const int64_t c = config.latent_channels;
  if (config.use_quant_conv) quant_.emplace(p / "quant_conv", 2 * c, 2 * c, 1);
  if (config.use_post_quant_conv) post_quant_.emplace(p / "post_quant_conv", c, c, 1);
}

LatentGaussian AutoencoderKl::encode(const at::Tensor& pixels, const ForwardHooks& hooks) const {
  at::Tensor x = encoder_.conv_in(pixels);
  for (const Stage& stage : encoder_.stages) {
    for (const Resnet& resnet : stage.resnets) x = resnet.forward(x, hooks);
    if (stage.resample) x = (*stage.resample)(at::constant_pad_nd(x, {0, 1, 0, 1}));
    x = hooks.block(stage.path, x);
  }
  x = encoder_.conv_out(encoder_.norm_out.silu(encoder_.mid(x, hooks)));
  if (quant_) x = (*quant_)(x);
  const auto halves = x.chunk(2, 1);
  return {.moments = x, .mean = halves[0], .logvar = halves[1].clamp(-30.0, 20.0)};
}

at::Tensor AutoencoderKl::decode(const at::Tensor& latents, const ForwardHooks& hooks) const {
  at::Tensor x = decoder_.conv_in(post_quant_ ? (*post_quant_)(latents) : latents);
  x = decoder_.mid(x, hooks);
  for (const Stage& stage : decoder_.stages) {
    for (const Resnet& resnet : stage.resnets) x = resnet.forward(x, hooks);
    if (stage.resample) x = (*stage.resample)(at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2}));
    x = hooks.block(stage.path, x);
  }
  return decoder_.conv_out(decoder_.norm_out.silu(x));
}

}  // namespace safelight
