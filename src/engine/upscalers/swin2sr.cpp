#include "engine/upscalers/swin2sr.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "engine/tensor/attention.h"
#include "engine/weights/config_reader.h"

namespace safelight {
namespace {

constexpr int64_t kHeadWidth = 64;                       // channels while enlarging
constexpr int64_t kBiasWidth = 512;                      // of the network that gives the position bias
constexpr double kOtherRegion = -200;                    // the reference adds its mask of -100 twice
constexpr double kSlope = 0.01, kSteepSlope = 0.2;       // of leaky rectifiers
constexpr int64_t kMaxScoreElements = int64_t{1} << 24;  // 64 MiB of float32 scores at a time
constexpr int64_t kMaxWindow = 64, kMaxUpscale = 16;

using Upsampler = std::function<at::Tensor(const at::Tensor&, const at::Tensor&)>;

bool power_of_two(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

at::Tensor unit_length(const at::Tensor& x) { return x / x.norm(2, -1, true).clamp_min(1e-12); }

// The mean colour of the training pictures.
at::Tensor mean_of(const Swin2srConfig& c, const at::Tensor& like) {
  if (c.in_channels != 3 || c.out_channels != 3) return at::zeros({1, 1, 1, 1}, like.options());
  return at::tensor({0.4488, 0.4371, 0.4040}, at::kDouble).view({1, 3, 1, 1}).to(like.options());
}

// Extends a dimension by reflection at its end, as often as it takes.
at::Tensor reflect_to_multiple(const at::Tensor& x, int64_t dim, int64_t unit) {
  const int64_t n = x.size(dim), padded = (n + unit - 1) / unit * unit, period = std::max<int64_t>(2 * (n - 1), 1);
  if (padded == n) return x;
  const at::Tensor place = at::arange(padded, x.options().dtype(at::kLong)).remainder(period);
  return x.index_select(dim, at::minimum(place, period - place));
}

// Convolutions that each end in a pixel shuffle.
class ShuffleSteps {
 public:
  ShuffleSteps(const ParameterScope& p, int64_t upscale) : factor_(power_of_two(upscale) ? 2 : upscale) {
    if (factor_ != 2) {
      convs_.emplace_back(p / "convolution", kHeadWidth, factor_ * factor_ * kHeadWidth, 3);
      return;
    }
    for (std::size_t i = 0; upscale > 1; ++i, upscale /= 2) convs_.emplace_back(p / ("convolution_" + std::to_string(i)), kHeadWidth, 4 * kHeadWidth, 3);
  }
  at::Tensor operator()(at::Tensor x) const {
    for (const Conv2d& conv : convs_) x = at::pixel_shuffle(conv(x), factor_);
    return x;
  }

 private:
  int64_t factor_;
  std::vector<Conv2d> convs_;
};

Upsampler shuffle(const ParameterScope& p, const Swin2srConfig& c) {
  return [before = Conv2d(p / "conv_before_upsample", c.embed_dim, kHeadWidth, 3), steps = ShuffleSteps(p / "upsample", c.upscale),
          last = Conv2d(p / "final_convolution", kHeadWidth, c.out_channels, 3)](const at::Tensor& x, const at::Tensor&) {
    return last(steps(at::leaky_relu(before(x), kSlope)));
  };
}

Upsampler shuffle_once(const ParameterScope& p, const Swin2srConfig& c) {
  return [conv = Conv2d(p / "conv", c.embed_dim, c.upscale * c.upscale * c.out_channels, 3), factor = c.upscale](
             const at::Tensor& x, const at::Tensor&) { return at::pixel_shuffle(conv(x), factor); };
}

// Passes through a small picture that training compares with the undamaged one, and adds the enlarged input.
Upsampler shuffle_after_picture(const ParameterScope& p, const Swin2srConfig& c) {
  return [before = Conv2d(p / "conv_before_upsample", c.embed_dim, kHeadWidth, 3), to_picture = Conv2d(p / "conv_aux", kHeadWidth, c.in_channels, 3),
          from_picture = Conv2d(p / "conv_after_aux.0", c.in_channels, kHeadWidth, 3), enlarged = Conv2d(p / "conv_bicubic", c.in_channels, kHeadWidth, 3),
          steps = ShuffleSteps(p / "upsample", c.upscale), last = Conv2d(p / "final_convolution", kHeadWidth, c.out_channels, 3)](
             const at::Tensor& x, const at::Tensor& pixels) {
    const at::Tensor picture = to_picture(at::leaky_relu(before(x), kSlope));
    const at::Tensor large = steps(at::leaky_relu(from_picture(picture), kSlope));
    return last(large + enlarged(at::upsample_bicubic2d(pixels, large.sizes().slice(2), false)));
  };
}

Upsampler nearest(const ParameterScope& p, const Swin2srConfig& c) {
  return [before = Conv2d(p / "conv_before_upsample", c.embed_dim, kHeadWidth, 3), up1 = Conv2d(p / "conv_up1", kHeadWidth, kHeadWidth, 3),
          up2 = Conv2d(p / "conv_up2", kHeadWidth, kHeadWidth, 3), smooth = Conv2d(p / "conv_hr", kHeadWidth, kHeadWidth, 3),
          last = Conv2d(p / "final_convolution", kHeadWidth, c.out_channels, 3)](const at::Tensor& features, const at::Tensor&) {
    at::Tensor x = at::leaky_relu(before(features), kSlope);
    for (const Conv2d* up : {&up1, &up2}) x = at::leaky_relu((*up)(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)})), kSteepSlope);
    return last(at::leaky_relu(smooth(x), kSteepSlope));
  };
}

Upsampler make_upsampler(const ParameterScope& p, const Swin2srConfig& c) {
  if (c.upsampler == "pixelshuffle") return shuffle(p, c);
  if (c.upsampler == "pixelshuffle_aux") return shuffle_after_picture(p, c);
  if (c.upsampler == "pixelshuffledirect") return shuffle_once(p, c);
  return nearest(p, c);
}

}  // namespace

std::string swin2sr_key(const std::string& key) {
  return key.ends_with(".relative_coords_table") || key.ends_with(".relative_position_index") ? "" : key;
}

Swin2srConfig Swin2srConfig::from_json(const Json& json, const std::string& where) {
  Swin2srConfig c;
  const ConfigReader read(json, where);
  for (const auto& [key, value] : {std::pair{"image_size", &c.image_size}, {"window_size", &c.window_size}, {"num_channels", &c.in_channels},
                                   {"embed_dim", &c.embed_dim}, {"upscale", &c.upscale}}) {
    read(key, *value);
    read.positive(key, *value);
  }
  c.out_channels = c.in_channels;
  read("num_channels_out", c.out_channels);
  read.positive("num_channels_out", c.out_channels);
  if (read.has("depths") && json["depths"].is_array()) read.list("depths", c.depths, json["depths"].size());
  else read.list("depths", c.depths, c.depths.size());
  if (c.depths.empty()) read.fail("depths", "is empty; it needs one entry per stage");
  c.heads.assign(c.depths.size(), 6);
  read.list("num_heads", c.heads, c.depths.size());
  for (const int64_t v : c.depths) read.positive("depths", v);
  for (const int64_t v : c.heads) read.divides("num_heads", v, "embed_dim", c.embed_dim);
  read("mlp_ratio", c.mlp_ratio);
  if (!(c.mlp_ratio > 0 && c.mlp_ratio <= 64) || c.mlp_width() < 1) read.fail("mlp_ratio", "must give a positive width and be at most 64");
  read("layer_norm_eps", c.layer_norm_eps);
  if (!(c.layer_norm_eps > 0)) read.fail("layer_norm_eps", "must be positive");
  read("img_range", c.img_range);
  if (!(c.img_range > 0) || !std::isfinite(c.img_range)) read.fail("img_range", "must be positive");
  read("qkv_bias", c.qkv_bias);
  read("upsampler", c.upsampler);
  read.one_of("upsampler", c.upsampler, {"pixelshuffle", "pixelshuffle_aux", "pixelshuffledirect", "nearest+conv"});
  read("resi_connection", c.resi_connection);
  read.one_of("resi_connection", c.resi_connection, {"1conv", "3conv"});
  read.must_be("patch_size", 1);
  read.must_be("hidden_act", "gelu");
  read.must_be("use_absolute_embeddings", false);
  if (c.window_size > kMaxWindow) read.fail("window_size", "is " + std::to_string(c.window_size) + "; it must be at most " + std::to_string(kMaxWindow));
  if (c.image_size < c.window_size) read.fail("image_size", "is " + std::to_string(c.image_size) + ", less than window_size = " + std::to_string(c.window_size));
  if (c.resi_connection == "3conv" && c.embed_dim < 4) read.fail("embed_dim", "must be at least 4 where resi_connection is 3conv");
  const std::string factor = "is " + std::to_string(c.upscale) + "; ";
  if (c.upscale > kMaxUpscale) read.fail("upscale", factor + "it must be at most " + std::to_string(kMaxUpscale));
  if (c.upsampler == "nearest+conv" && c.upscale != 4) read.fail("upscale", factor + "the upsampler nearest+conv always enlarges by 4");
  if (c.upsampler.starts_with("pixelshuffle") && c.upsampler != "pixelshuffledirect" && c.upscale != 3 && !power_of_two(c.upscale))
    read.fail("upscale", factor + "the upsampler " + c.upsampler + " takes 3 and powers of two");
  return c;
}

// A shift moves the picture up and to the left by half a window, round the edges.
at::Tensor Swin2sr::Grid::cut(const at::Tensor& tokens, bool shifted) const {
  const int64_t channels = tokens.size(2);
  at::Tensor x = tokens.reshape({batch, rows, columns, channels});
  if (shifted && shift > 0) x = x.roll({-shift, -shift}, {1, 2});
  return x.reshape({batch, rows / window, window, columns / window, window, channels}).transpose(2, 3).reshape({-1, window * window, channels});
}

at::Tensor Swin2sr::Grid::paste(const at::Tensor& windows, bool shifted) const {
  const int64_t channels = windows.size(2);
  at::Tensor x = windows.reshape({batch, rows / window, columns / window, window, window, channels}).transpose(2, 3).reshape({batch, rows, columns, channels});
  if (shifted && shift > 0) x = x.roll({shift, shift}, {1, 2});
  return x.reshape({batch, rows * columns, channels});
}

at::Tensor Swin2sr::Grid::picture(const at::Tensor& tokens) const { return tokens.transpose(1, 2).reshape({batch, -1, rows, columns}); }

Swin2sr::Grid Swin2sr::grid_of(const at::Tensor& x, const Swin2srConfig& c) {
  Grid grid{x.size(0), x.size(2), x.size(3), c.window_size, 0, {}};
  // Along each side of the shifted picture: what lies before its last window, what stays of that window, what came round the edge.
  const auto bands = [&](int64_t size) {
    const at::Tensor place = at::arange(size, x.options().dtype(at::kLong));
    return (place >= size - c.window_size).to(at::kLong) + (place >= size - c.shift()).to(at::kLong);
  };
  const at::Tensor regions = 3 * bands(grid.rows).unsqueeze(1) + bands(grid.columns).unsqueeze(0);
  grid.regions = grid.cut(regions.expand({grid.batch, -1, -1}).reshape({grid.batch, -1, 1}), false).squeeze(2);
  grid.shift = c.shift();
  return grid;
}

Swin2sr::Layer::Layer(const ParameterScope& p, const Swin2srConfig& c, int64_t heads_in, bool shifted_in)
    : path(p.path()),
      attention_path(path + ".attention.self"),
      heads(heads_in),
      window(c.window_size),
      shifted(shifted_in && c.shift() > 0),
      logit_scale((p / "attention.self").create("logit_scale", {heads, 1, 1}, Init::ones)),
      bias_in(p / "attention.self.continuous_position_bias_mlp.0", 2, kBiasWidth),
      bias_out(p / "attention.self.continuous_position_bias_mlp.2", kBiasWidth, heads, false),
      query(p / "attention.self.query", c.embed_dim, c.embed_dim, c.qkv_bias),
      key(p / "attention.self.key", c.embed_dim, c.embed_dim, false),
      value(p / "attention.self.value", c.embed_dim, c.embed_dim, c.qkv_bias),
      out(p / "attention.output.dense", c.embed_dim, c.embed_dim),
      norm_attention(p / "layernorm_before", c.embed_dim, c.layer_norm_eps),
      mlp_in(p / "intermediate.dense", c.embed_dim, c.mlp_width()),
      mlp_out(p / "output.dense", c.mlp_width(), c.embed_dim),
      norm_mlp(p / "layernorm_after", c.embed_dim, c.layer_norm_eps) {}

// A small network sees each offset between two tokens, on a logarithmic scale, so that other window sizes can follow.
at::Tensor Swin2sr::Layer::position_bias(const at::Tensor& like) const {
  const at::TensorOptions wide = like.options().dtype(at::kFloat);
  const at::Tensor steps = at::arange(1 - window, window, wide) * (8.0 / static_cast<double>(std::max<int64_t>(window - 1, 1)));
  const at::Tensor scaled = steps.sign() * (steps.abs() + 1).log2() / 3;
  const int64_t span = 2 * window - 1;
  const at::Tensor offsets = at::stack({scaled.unsqueeze(1).expand({span, span}), scaled.unsqueeze(0).expand({span, span})}, -1);
  const at::Tensor table = bias_out(at::relu(bias_in(offsets.view({span * span, 2}).to(like.scalar_type()))));
  const at::Tensor place = at::arange(window, like.options().dtype(at::kLong));
  const at::Tensor apart = place.unsqueeze(1) - place.unsqueeze(0) + window - 1;  // [query, key]
  const at::Tensor index = apart.view({window, 1, window, 1}) * span + apart.view({1, window, 1, window});
  const int64_t n = window * window;
  return 16 * at::sigmoid(table.index_select(0, index.reshape({-1})).view({1, n, n, heads}).permute({0, 3, 1, 2}));
}

// Cosine attention within windows, a group of windows at a time.
at::Tensor Swin2sr::Layer::attend(const at::Tensor& windows, const at::Tensor& regions, const ForwardHooks& hooks) const {
  const at::Tensor position = position_bias(windows), sharpness = logit_scale.clamp_max(std::log(100.0)).exp();
  const int64_t count = windows.size(0), n = windows.size(1), group = std::max<int64_t>(kMaxScoreElements / (heads * n * n), 1);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += group) {
    const at::Tensor x = windows.slice(0, begin, begin + group);
    at::Tensor bias = position;
    if (shifted) {
      const at::Tensor region = regions.slice(0, begin, begin + group);
      bias = position + (kOtherRegion * (region.unsqueeze(2) != region.unsqueeze(1)).to(x.scalar_type())).unsqueeze(1);
    }
    parts.push_back(out(attention({.layer = attention_path, .cross = false, .q = unit_length(split_heads(query(x), heads)) * sharpness,
                                   .k = unit_length(split_heads(key(x), heads)), .v = split_heads(value(x), heads), .scale = 1, .bias = bias}, hooks)));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts, 0);
}

at::Tensor Swin2sr::Layer::forward(const at::Tensor& x, const Grid& grid, const ForwardHooks& hooks) const {
  const at::Tensor h = x + norm_attention(grid.paste(attend(grid.cut(x, shifted), grid.regions, hooks), shifted));
  return hooks.block(path, h + norm_mlp(mlp_out(at::gelu(mlp_in(h)))));
}

Swin2sr::Stage::Stage(const ParameterScope& p, const Swin2srConfig& c, std::size_t index)
    : path(p.path()), embed(p / "patch_embed.projection", c.embed_dim, c.embed_dim, 1) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(c.depths[index]); ++i) layers.emplace_back(p / "layers" / i, c, c.heads[index], i % 2 == 1);
  if (c.resi_connection == "1conv") {
    convs.emplace_back(p / "conv", c.embed_dim, c.embed_dim, 3);
    return;
  }
  const int64_t narrow = c.embed_dim / 4;
  convs.emplace_back(p / "conv.0", c.embed_dim, narrow, 3);
  convs.emplace_back(p / "conv.2", narrow, narrow, 1);
  convs.emplace_back(p / "conv.4", narrow, c.embed_dim, 3);
}

at::Tensor Swin2sr::Stage::forward(const at::Tensor& x, const Grid& grid, const ForwardHooks& hooks) const {
  at::Tensor h = x;
  for (const Layer& layer : layers) h = layer.forward(h, grid, hooks);
  h = convs.front()(grid.picture(h));
  for (std::size_t i = 1; i < convs.size(); ++i) h = convs[i](at::leaky_relu(h, kSteepSlope));
  return hooks.block(path, embed(h).flatten(2).transpose(1, 2) + x);
}

Swin2sr::Swin2sr(const ParameterScope& p, const Swin2srConfig& c)
    : config_(c),
      first_(p / "swin2sr.first_convolution", c.in_channels, c.embed_dim, 3),
      embed_(p / "swin2sr.embeddings.patch_embeddings.projection", c.embed_dim, c.embed_dim, 1),
      embed_norm_(p / "swin2sr.embeddings.patch_embeddings.layernorm", c.embed_dim),
      norm_(p / "swin2sr.layernorm", c.embed_dim, c.layer_norm_eps),
      after_body_(p / "swin2sr.conv_after_body", c.embed_dim, c.embed_dim, 3),
      upsample_(make_upsampler(p / "upsample", c)) {
  for (std::size_t i = 0; i < c.depths.size(); ++i) stages_.emplace_back(p / "swin2sr.encoder.stages" / i, c, i);
}

at::Tensor Swin2sr::forward(const at::Tensor& pixels, const ForwardHooks& hooks) const {
  if (pixels.dim() != 4 || pixels.size(1) != config_.in_channels || pixels.numel() == 0)
    throw Error(ErrorCode::invalid_argument, "this upscaler takes pictures of " + std::to_string(config_.in_channels) + " channels, as a batch of four dimensions");
  const at::Tensor mean = mean_of(config_, pixels);
  const at::Tensor padded = reflect_to_multiple(reflect_to_multiple(pixels, 2, config_.window_size), 3, config_.window_size);
  const at::Tensor shallow = first_((padded - mean) * config_.img_range);
  const Grid grid = grid_of(shallow, config_);
  at::Tensor x = hooks.block("swin2sr.embeddings", embed_norm_(embed_(shallow).flatten(2).transpose(1, 2)));
  for (const Stage& stage : stages_) x = stage.forward(x, grid, hooks);
  x = hooks.block("swin2sr.layernorm", norm_(x));
  x = hooks.block("swin2sr.conv_after_body", after_body_(grid.picture(x)));
  const at::Tensor large = upsample_(x + shallow, padded) / config_.img_range + mean;
  return large.slice(2, 0, pixels.size(2) * config_.upscale).slice(3, 0, pixels.size(3) * config_.upscale);
}

}  // namespace safelight
