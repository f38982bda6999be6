#include "engine/upscalers/esrgan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr double kSlope = 0.2, kResidual = 0.2;   // of the leaky activations, and of what a block adds
constexpr int64_t kDenseConvolutions = 5, kDensePerBlock = 3, kMostDoublings = 4, kMostUpscale = 16;

using Shapes = WeightSource::Shapes;

at::Tensor leaky(const at::Tensor& x) { return at::leaky_relu(x, kSlope); }

at::Tensor doubled(const at::Tensor& x) { return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}); }

// What stands before the names of all tensors.
std::string prefix_of(const Shapes& shapes) {
  for (const char* prefix : {"params_ema.", "params.", "module.", "netG."})
    if (shapes.lower_bound(prefix) != shapes.end() && shapes.lower_bound(prefix)->first.starts_with(prefix)) return prefix;
  return "";
}

// The number after `stem` in `name`, and what follows it.
std::optional<std::pair<int64_t, std::string_view>> numbered(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem)) return {};
  name.remove_prefix(stem.size());
  int64_t number = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
  if (read.ec != std::errc() || number < 0 || number > 10'000) return {};
  return std::pair(number, name.substr(static_cast<std::size_t>(read.ptr - name.data())));
}

// One more than the largest number that follows `stem`; 0 if there is none.
int64_t count_of(const Shapes& shapes, const std::string& stem) {
  int64_t most = -1;
  for (auto it = shapes.lower_bound(stem); it != shapes.end() && it->first.starts_with(stem); ++it)
    if (const auto n = numbered(it->first, stem)) most = std::max(most, n->first);
  return most + 1;
}

int64_t size_of(const Shapes& shapes, const std::string& name, std::size_t dimension) {
  const auto it = shapes.find(name);
  return it == shapes.end() || it->second.size() <= dimension ? 0 : it->second[dimension];
}

// The side of the squares of pixels of which there are `channels` numbers.
int64_t folded_side(int64_t channels, const std::string& where) {
  for (const int64_t side : {1, 2, 4})
    if (channels == 3 * side * side) return side;
  throw Error(ErrorCode::unsupported, where + ": its first convolution takes " + std::to_string(channels) + " channels; pictures have 3, folded 12 or 48");
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  if (const std::size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), by);
  return text;
}

// Files of 2019: RRDB_trunk.N.RDB1.conv1, trunk_conv, upconv1, HRconv.
std::string from_trunk(std::string name) {
  for (const auto& [old, ours] : {std::pair{"RRDB_trunk.", "body."}, {".RDB", ".rdb"}, {"trunk_conv", "conv_body"}, {"upconv", "conv_up"}, {"HRconv", "conv_hr"}}) name = replaced(std::move(name), old, ours);
  return name;
}

// Files of 2018 number their layers: model.0, model.1.sub.N.RDB1.conv1.0 with the convolution after the blocks as the last of `sub`, and then a doubling's
// convolution in every third place. (A single tripling has the numbers of a doubling; nothing in the file tells them apart.)
std::string from_numbers(std::string name, int64_t blocks, int64_t last) {
  if (const auto block = numbered(name, "model.1.sub.")) {
    if (block->first == blocks) return "conv_body" + std::string(block->second);
    return "body." + std::to_string(block->first) + replaced(replaced(std::string(block->second), "RDB", "rdb"), ".0.", ".");
  }
  const auto layer = numbered(name, "model.");
  if (!layer) return name;
  const std::string rest(layer->second);
  if (layer->first == 0) return "conv_first" + rest;
  if (layer->first == last) return "conv_last" + rest;
  if (layer->first == last - 2) return "conv_hr" + rest;
  return layer->first % 3 == 0 ? "conv_up" + std::to_string(layer->first / 3) + rest : name;
}

void check_sizes(const EsrganConfig& c, const std::string& where) {
  const bool sensible = c.features > 0 && c.features <= 1024 && c.blocks >= 0 && c.blocks <= 256 && c.growth >= 0 && c.growth <= 1024 && c.upscale >= 1 && c.upscale <= kMostUpscale;
  if (!sensible) throw Error(ErrorCode::unsupported, where + ": sizes that no known network has");
}

// `shapes`: by our names.
EsrganConfig dense_config(const Shapes& shapes, const std::string& where) {
  EsrganConfig c;
  c.features = size_of(shapes, "conv_first.weight", 0);
  c.growth = size_of(shapes, "body.0.rdb1.conv1.weight", 0);
  c.blocks = count_of(shapes, "body.");
  c.doublings = count_of(shapes, "conv_up");   // they are numbered from 1
  if (c.doublings > 0) --c.doublings;
  c.folded = folded_side(size_of(shapes, "conv_first.weight", 1), where);
  if (c.doublings > kMostDoublings) throw Error(ErrorCode::unsupported, where + ": " + std::to_string(c.doublings) + " doublings; known networks have up to " + std::to_string(kMostDoublings));
  c.upscale = (int64_t{1} << c.doublings) / c.folded;
  check_sizes(c, where);
  return c;
}

// body.0, body.2, ... are convolutions, those between them the slopes of the activations after each.
EsrganConfig compact_config(const Shapes& shapes, const std::string& where) {
  const int64_t layers = count_of(shapes, "body.");
  const int64_t last = size_of(shapes, "body." + std::to_string(layers - 1) + ".weight", 0);
  EsrganConfig c{.compact = true, .features = size_of(shapes, "body.0.weight", 0), .blocks = (layers - 3) / 2, .growth = 0, .folded = 1, .doublings = 0, .upscale = 1};
  if (layers < 3 || layers % 2 == 0 || size_of(shapes, "body.0.weight", 1) != 3 || size_of(shapes, "body.1.weight", 0) != c.features)
    throw Error(ErrorCode::unsupported, where + ": a compact network whose activations have no slopes of their own, or that takes other than 3 channels; only those with both are known");
  while (c.upscale < kMostUpscale && 3 * c.upscale * c.upscale < last) ++c.upscale;
  if (3 * c.upscale * c.upscale != last) throw Error(ErrorCode::unsupported, where + ": its last convolution gives " + std::to_string(last) + " channels, no square of pixels of a known size");
  check_sizes(c, where);
  return c;
}

}  // namespace

int64_t EsrganConfig::reach_px() const {
  constexpr int64_t kEntranceAndExit = 5;   // first, after the blocks, and what the larger ones come to
  return compact ? blocks + 2 : folded * (blocks * kDensePerBlock * kDenseConvolutions + kEntranceAndExit);
}

int64_t EsrganConfig::felt_px() const {
  constexpr int64_t kFelt_px = 64;
  return std::min(reach_px(), kFelt_px * folded);
}

std::optional<EsrganLayout> esrgan_layout(const WeightSource& weights) {
  const std::string prefix = prefix_of(weights.shapes()), where = "'" + weights.name() + "'";
  Shapes shapes;
  for (const auto& [key, shape] : weights.shapes()) shapes[key.substr(key.starts_with(prefix) ? prefix.size() : 0)] = shape;
  std::function<std::string(std::string)> ours = [](std::string name) { return name; };
  if (shapes.contains("RRDB_trunk.0.RDB1.conv1.weight")) ours = from_trunk;
  if (shapes.contains("model.1.sub.0.RDB1.conv1.0.weight"))
    ours = [blocks = count_of(shapes, "model.1.sub.") - 1, last = count_of(shapes, "model.") - 1](std::string name) { return from_numbers(std::move(name), blocks, last); };
  Shapes named;
  for (const auto& [name, shape] : shapes) named[ours(name)] = shape;
  const auto rename = [prefix, ours](const std::string& key) { return ours(key.substr(key.starts_with(prefix) ? prefix.size() : 0)); };
  if (named.contains("conv_first.weight") && named.contains("body.0.rdb1.conv1.weight")) return EsrganLayout{dense_config(named, where), rename};
  if (size_of(named, "body.0.weight", 3) == 3 && size_of(named, "body.2.weight", 3) == 3) return EsrganLayout{compact_config(named, where), rename};
  return {};
}

Esrgan::DenseBlock::DenseBlock(const ParameterScope& p, const EsrganConfig& c) {
  for (int64_t i = 0; i < kDenseConvolutions; ++i)
    convs.emplace_back(p / ("conv" + std::to_string(i + 1)), c.features + i * c.growth, i + 1 < kDenseConvolutions ? c.growth : c.features, 3);
}

at::Tensor Esrgan::DenseBlock::forward(const at::Tensor& x) const {
  std::vector<at::Tensor> grown = {x};
  for (std::size_t i = 0; i + 1 < convs.size(); ++i) grown.push_back(leaky(convs[i](at::cat(grown, 1))));
  return convs.back()(at::cat(grown, 1)) * kResidual + x;
}

Esrgan::Esrgan(const ParameterScope& p, const EsrganConfig& c) : config_(c) {
  if (c.compact) {
    for (int64_t i = 0; i <= c.blocks; ++i) {
      convs_.emplace_back(p / "body" / static_cast<std::size_t>(2 * i), i == 0 ? 3 : c.features, c.features, 3);
      slopes_.push_back((p / "body" / static_cast<std::size_t>(2 * i + 1)).create("weight", {c.features}));
    }
    convs_.emplace_back(p / "body" / static_cast<std::size_t>(2 * c.blocks + 2), c.features, 3 * c.upscale * c.upscale, 3);
    return;
  }
  convs_.emplace_back(p / "conv_first", 3 * c.folded * c.folded, c.features, 3);
  for (int64_t i = 0; i < c.blocks; ++i)
    for (int64_t k = 0; k < kDensePerBlock; ++k) dense_.emplace_back(p / "body" / static_cast<std::size_t>(i) / ("rdb" + std::to_string(k + 1)), c);
  convs_.emplace_back(p / "conv_body", c.features, c.features, 3);
  for (int64_t i = 0; i < c.doublings; ++i) convs_.emplace_back(p / ("conv_up" + std::to_string(i + 1)), c.features, c.features, 3);
  convs_.emplace_back(p / "conv_hr", c.features, c.features, 3);
  convs_.emplace_back(p / "conv_last", c.features, 3, 3);
}

at::Tensor Esrgan::residual_in_residual(const at::Tensor& pixels) const {
  const at::Tensor first = convs_[0](config_.folded > 1 ? at::pixel_unshuffle(pixels, config_.folded) : pixels);
  at::Tensor x = first;
  for (std::size_t i = 0; i < dense_.size(); i += kDensePerBlock) {
    const at::Tensor entered = x;
    for (std::size_t k = 0; k < kDensePerBlock; ++k) x = dense_[i + k].forward(x);
    x = x * kResidual + entered;
  }
  x = first + convs_[1](x);
  std::size_t next = 2;
  for (int64_t i = 0; i < config_.doublings; ++i) x = leaky(convs_[next++](doubled(x)));
  return convs_[next + 1](leaky(convs_[next](x)));
}

at::Tensor Esrgan::compact(const at::Tensor& pixels) const {
  at::Tensor x = pixels;
  for (std::size_t i = 0; i < slopes_.size(); ++i) x = at::prelu(convs_[i](x), slopes_[i]);
  const at::Tensor large = at::upsample_nearest2d(pixels, {pixels.size(2) * config_.upscale, pixels.size(3) * config_.upscale});
  return at::pixel_shuffle(convs_.back()(x), config_.upscale) + large;
}

at::Tensor Esrgan::forward(const at::Tensor& pixels) const {
  const auto whole = [&](int64_t side) { return side > 0 && side % config_.folded == 0; };
  if (pixels.dim() != 4 || pixels.size(1) != 3 || !whole(pixels.size(2)) || !whole(pixels.size(3)))
    throw Error(ErrorCode::invalid_argument, "the network takes [B,3,H,W] with sides that are multiples of " + std::to_string(config_.folded));
  return config_.compact ? compact(pixels) : residual_in_residual(pixels);
}

}  // namespace safelight
