#include "engine/upscalers/latent_transformer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/base/error.h"
#include "engine/tensor/attention.h"
#include "engine/tensor/fused.h"
#include "engine/weights/config_reader.h"

namespace safelight {
namespace {

constexpr double kFilledIn = -1e4;     // attention bias of cells outside the map
constexpr double kRotaryBase = 100;    // about the number of cells in which the slowest rotation turns by a radian
constexpr int64_t kMaxWindow = 64;
constexpr std::array kKeys = {"_class_name", "latent_channels", "hidden_size", "intermediate_size", "num_stages", "num_attention_heads",
                              "window_size", "upsample_channels", "sample_size", "noise_level"};

void refuse_unknown_keys(const Json& json, const std::string& where) {
  for (const auto& member : json.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), member.key()) != kKeys.end()) continue;
    std::string known;
    for (const char* key : kKeys) known += (known.empty() ? "" : ", ") + std::string(key);
    throw Error(ErrorCode::unsupported, where + ": key '" + member.key() + "' is unknown; known: " + known);
  }
}

}  // namespace

LatentTransformerConfig LatentTransformerConfig::from_json(const Json& json, const std::string& where) {
  LatentTransformerConfig c;
  const ConfigReader read(json, where);
  refuse_unknown_keys(json, where);
  read.one_of("_class_name", read.architecture(), {"LatentTransformerUpscaler"});
  for (const auto& [key, value] : {std::pair{"latent_channels", &c.latent_channels}, {"hidden_size", &c.hidden_size}, {"intermediate_size", &c.intermediate_size},
                                   {"num_stages", &c.num_stages}, {"num_attention_heads", &c.num_attention_heads}, {"window_size", &c.window_size},
                                   {"upsample_channels", &c.upsample_channels}, {"sample_size", &c.sample_size}}) {
    read(key, *value);
    read.positive(key, *value);
  }
  if (const int64_t unit = 4 * c.num_attention_heads; c.hidden_size % unit != 0)
    read.fail("hidden_size", "is " + std::to_string(c.hidden_size) + "; it must be a multiple of four times num_attention_heads, " + std::to_string(unit));
  if (c.window_size % 2 != 0 || c.window_size > kMaxWindow)
    read.fail("window_size", "is " + std::to_string(c.window_size) + "; it must be even and at most " + std::to_string(kMaxWindow));
  if (c.sample_size > LatentTransformer::kMaxSide)
    read.fail("sample_size", "is " + std::to_string(c.sample_size) + "; it must be at most " + std::to_string(LatentTransformer::kMaxSide));
  read("noise_level", c.noise_level);
  if (!(c.noise_level >= 0 && c.noise_level <= 1)) read.fail("noise_level", "must lie between 0 and 1");
  return c;
}

LatentTransformer::Grid::Grid(const at::Tensor& map, int64_t window_in, int64_t offset_in)
    : batch(map.size(0)), rows(map.size(1)), columns(map.size(2)), window(window_in), offset(offset_in) {
  const auto whole_windows = [&](int64_t size) { return (size + offset + window - 1) / window * window; };
  padded_rows = whole_windows(rows);
  padded_columns = whole_windows(columns);
  if (padded_rows == rows && padded_columns == columns) return;
  const at::Tensor inside = cut(at::ones({batch, rows, columns, 1}, map.options().requires_grad(false)));
  bias = (kFilledIn * (1 - inside)).transpose(1, 2).unsqueeze(1);
}

at::Tensor LatentTransformer::Grid::cut(const at::Tensor& map) const {
  const int64_t channels = map.size(3);
  at::Tensor padded = map;
  if (padded_rows != rows || padded_columns != columns)
    padded = at::constant_pad_nd(map, {0, 0, offset, padded_columns - columns - offset, offset, padded_rows - rows - offset});
  return padded.reshape({batch, padded_rows / window, window, padded_columns / window, window, channels}).transpose(2, 3).reshape({-1, window * window, channels});
}

at::Tensor LatentTransformer::Grid::paste(const at::Tensor& windows) const {
  const at::Tensor apart = windows.reshape({batch, padded_rows / window, padded_columns / window, window, window, -1});
  const at::Tensor padded = apart.transpose(2, 3).reshape({batch, padded_rows, padded_columns, -1});
  return padded.narrow(1, offset, rows).narrow(2, offset, columns);
}

// Half of the angles grow along the rows, half along the columns.
LatentTransformer::Rotation::Rotation(int64_t window, int64_t width, const at::Tensor& like) {
  const at::TensorOptions wide = like.options().dtype(at::kFloat).requires_grad(false);
  const int64_t each = width / 4;
  const at::Tensor speed = (at::arange(each, wide) * (-std::log(kRotaryBase) / static_cast<double>(each))).exp();
  const at::Tensor angle = at::arange(window, wide).unsqueeze(1) * speed;  // [window,each]
  const at::Tensor down = angle.unsqueeze(1).expand({window, window, each}), across = angle.unsqueeze(0).expand({window, window, each});
  const at::Tensor both = at::cat({down, across}, 2).view({window * window, 2 * each});
  cos = both.cos().to(like.scalar_type());
  sin = both.sin().to(like.scalar_type());
}

at::Tensor LatentTransformer::Rotation::operator()(const at::Tensor& x) const {
  const std::vector<at::Tensor> half = x.chunk(2, -1);
  return at::cat({half[0] * cos - half[1] * sin, half[0] * sin + half[1] * cos}, -1);
}

LatentTransformer::Layer::Layer(const ParameterScope& p, const LatentTransformerConfig& c)
    : path(p.path()),
      attention_path(path + ".attn"),
      heads(c.num_attention_heads),
      norm_attention(p / "norm1", c.hidden_size),
      query(p / "attn.to_q", c.hidden_size, c.hidden_size, false),
      key(p / "attn.to_k", c.hidden_size, c.hidden_size, false),
      value(p / "attn.to_v", c.hidden_size, c.hidden_size, false),
      out(p / "attn.to_out.0", c.hidden_size, c.hidden_size),
      norm_mlp(p / "norm2", c.hidden_size),
      mlp_in(p / "ff.net.0.proj", c.hidden_size, 2 * c.intermediate_size),
      mlp_out(p / "ff.net.2", c.intermediate_size, c.hidden_size) {}

at::Tensor LatentTransformer::Layer::forward(const at::Tensor& map, const Grid& grid, const Rotation& rotation, const ForwardHooks& hooks) const {
  const at::Tensor x = norm_attention(map);
  const auto cut = [&](const Linear& projection) { return split_heads(grid.cut(projection(x)), heads); };
  const at::Tensor q = rotation(cut(query)), k = rotation(cut(key));
  const at::Tensor seen = attention({.layer = attention_path, .cross = false, .q = q, .k = k, .v = cut(value),
                                     .scale = 1 / std::sqrt(static_cast<double>(q.size(-1))), .bias = grid.bias}, hooks);
  const at::Tensor h = map + out(grid.paste(seen));
  return hooks.block(path, h + mlp_out(geglu(mlp_in(norm_mlp(h)))));
}

LatentTransformer::Stage::Stage(const ParameterScope& p, const LatentTransformerConfig& c)
    : straight(p / "layers.0", c), shifted(p / "layers.1", c), conv(p / "conv", c.hidden_size, c.hidden_size, 3) {}

LatentTransformer::LatentTransformer(const ParameterScope& p, const LatentTransformerConfig& c)
    : config_(c),
      conv_in_(p / "conv_in", c.latent_channels, c.hidden_size, 3),
      norm_out_(p / "norm_out", c.hidden_size),
      conv_up_(p / "conv_up", c.hidden_size, 4 * c.upsample_channels, 3),
      // Zero at first: training begins at the interpolated input.
      conv_out_(p / "conv_out", c.upsample_channels, c.latent_channels, 3, 1, 1, Init::zeros) {
  for (int64_t i = 0; i < c.num_stages; ++i) stages_.emplace_back(p / "stages" / static_cast<std::size_t>(i), c);
}

at::Tensor LatentTransformer::forward(const at::Tensor& latents, const ForwardHooks& hooks) const {
  const auto side = [&](int64_t dim) { return latents.size(dim) >= 1 && latents.size(dim) <= kMaxSide; };
  if (latents.dim() != 4 || latents.size(0) < 1 || latents.size(1) != config_.latent_channels || !side(2) || !side(3))
    throw Error(ErrorCode::invalid_argument,
                "this upscaler takes latents [N," + std::to_string(config_.latent_channels) + ",h,w] with sides of 1 to " + std::to_string(kMaxSide));
  at::Tensor map = conv_in_(latents).permute({0, 2, 3, 1});
  const Grid straight(map, config_.window_size, 0), shifted(map, config_.window_size, config_.window_size / 2);
  const Rotation rotation(config_.window_size, config_.hidden_size / config_.num_attention_heads, map);
  for (const Stage& stage : stages_) {
    const at::Tensor attended = stage.shifted.forward(stage.straight.forward(map, straight, rotation, hooks), shifted, rotation, hooks);
    map = map + stage.conv(attended.permute({0, 3, 1, 2})).permute({0, 2, 3, 1});
  }
  const at::Tensor features = norm_out_(map).permute({0, 3, 1, 2});
  const at::Tensor fine = hooks.block("conv_up", at::silu(at::pixel_shuffle(conv_up_(features), 2)));
  return at::upsample_bilinear2d(latents, {2 * latents.size(2), 2 * latents.size(3)}, false) + conv_out_(fine);
}

}  // namespace safelight
