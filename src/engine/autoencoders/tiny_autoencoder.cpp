#include "engine/autoencoders/tiny_autoencoder.h"

#include <ATen/ATen.h>

#include "engine/weights/config_reader.h"

namespace safelight {

TinyAutoencoderConfig TinyAutoencoderConfig::from_json(const Json& json, const std::string& where) {
  TinyAutoencoderConfig c;
  const ConfigReader read(json, where);
  read("in_channels", c.in_channels);
  read("out_channels", c.out_channels);
  read("latent_channels", c.latent_channels);
  read.list("encoder_block_out_channels", c.encoder_channels, 4);
  read.list("decoder_block_out_channels", c.decoder_channels, 4);
  read.list("num_encoder_blocks", c.encoder_blocks, 4);
  read.list("num_decoder_blocks", c.decoder_blocks, 4);
  read("latent_magnitude", c.latent_magnitude);
  read("latent_shift", c.latent_shift);
  read("scaling_factor", c.scaling_factor);
  read("shift_factor", c.shift_factor);
  read.must_be("act_fn", "relu");
  read.must_be("upsampling_scaling_factor", 2);
  read.must_be("upsample_fn", "nearest");
  for (const auto& [key, value] : {std::pair{"in_channels", c.in_channels}, {"out_channels", c.out_channels}, {"latent_channels", c.latent_channels}})
    read.positive(key, value);
  for (const auto* list : {&c.encoder_channels, &c.decoder_channels, &c.encoder_blocks, &c.decoder_blocks})
    for (const int64_t v : *list) read.positive("num_encoder_blocks, num_decoder_blocks or their channels", v);
  return c;
}

TinyAutoencoder::Block::Block(const ParameterScope& p, int64_t width)
    : conv0(p / "conv.0", width, width, 3), conv2(p / "conv.2", width, width, 3), conv4(p / "conv.4", width, width, 3) {}

at::Tensor TinyAutoencoder::Block::forward(const at::Tensor& x) const { return at::relu(conv4(at::relu(conv2(at::relu(conv0(x))))) + x); }

TinyAutoencoder::TinyAutoencoder(const ParameterScope& p, const TinyAutoencoderConfig& c) : config_(c) {
  const auto next = [](std::vector<Layer>& layers, const ParameterScope& half) {
    const ParameterScope place = half / "layers" / layers.size();
    layers.push_back({place.path(), {}, {}, false});
    return place;
  };
  const auto add_blocks = [&](std::vector<Layer>& layers, const ParameterScope& half, int64_t count, int64_t width) {
    for (int64_t j = 0; j < count; ++j) {
      const ParameterScope place = next(layers, half);
      layers.back().block.emplace(place, width);
    }
  };
  const ParameterScope encoder = p / "encoder", decoder = p / "decoder";
  for (std::size_t i = 0; i < c.encoder_blocks.size(); ++i) {
    const int64_t width = c.encoder_channels[i];
    const ParameterScope place = next(encoder_, encoder);
    if (i == 0) encoder_.back().conv.emplace(place, c.in_channels, width, 3);
    else encoder_.back().conv.emplace(place, c.encoder_channels[i - 1], width, 3, 2, 1, Init::fan_in, false);
    add_blocks(encoder_, encoder, c.encoder_blocks[i], width);
  }
  const ParameterScope end = next(encoder_, encoder);
  encoder_.back().conv.emplace(end, c.encoder_channels.back(), c.latent_channels, 3);

  const ParameterScope start = next(decoder_, decoder);
  decoder_.back().conv.emplace(start, c.latent_channels, c.decoder_channels.front(), 3);
  next(decoder_, decoder);
  decoder_.back().relu = true;
  for (std::size_t i = 0; i < c.decoder_blocks.size(); ++i) {
    const bool last = i + 1 == c.decoder_blocks.size();
    const int64_t width = c.decoder_channels[i];
    add_blocks(decoder_, decoder, c.decoder_blocks[i], width);
    if (!last) next(decoder_, decoder);  // upsampling
    const ParameterScope place = next(decoder_, decoder);
    decoder_.back().conv.emplace(place, width, last ? c.out_channels : c.decoder_channels[i + 1], 3, 1, 1, Init::fan_in, last);
  }
}

at::Tensor TinyAutoencoder::run(const std::vector<Layer>& layers, at::Tensor x, const ForwardHooks& hooks) {
  for (const Layer& layer : layers) {
    if (layer.conv) x = (*layer.conv)(x);
    else if (layer.block) x = hooks.block(layer.path, layer.block->forward(x));
    else if (layer.relu) x = at::relu(x);
    else x = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  }
  return x;
}

at::Tensor TinyAutoencoder::encode(const at::Tensor& pixels, const ForwardHooks& hooks) const { return run(encoder_, (pixels + 1) / 2, hooks); }

at::Tensor TinyAutoencoder::decode(const at::Tensor& latents, const ForwardHooks& hooks) const {
  return run(decoder_, at::tanh(latents / 3) * 3, hooks) * 2 - 1;
}

at::Tensor TinyAutoencoder::to_unit(const at::Tensor& latents) const {
  return (latents / (2 * config_.latent_magnitude) + config_.latent_shift).clamp(0, 1);
}

at::Tensor TinyAutoencoder::from_unit(const at::Tensor& unit) const { return (unit - config_.latent_shift) * (2 * config_.latent_magnitude); }

}  // namespace safelight
