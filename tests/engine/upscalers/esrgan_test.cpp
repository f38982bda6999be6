// ESRGAN networks from their tensors alone: what the layouts say, what comes out, and what is refused.
#include "engine/upscalers/esrgan.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

// Tensors in memory, as a file would hold them.
class Tensors final : public WeightSource {
 public:
  void add(const std::string& name, at::IntArrayRef shape) {
    double fan = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan *= static_cast<double>(shape[i]);
    put(name, at::randn(shape, at::detail::createCPUGenerator(seed_++), at::TensorOptions(at::kFloat)) / std::sqrt(fan));
  }
  void convolution(const std::string& name, int64_t in, int64_t out) {
    add(name + ".weight", {out, in, 3, 3});
    add(name + ".bias", {out});
  }
  void put(const std::string& name, const at::Tensor& t) {
    tensors_[name] = t;
    shapes_[name] = t.sizes().vec();
  }
  const at::Tensor& operator[](const std::string& name) const { return tensors_.at(name); }
  const std::map<std::string, at::Tensor>& all() const { return tensors_; }
  const Shapes& shapes() const override { return shapes_; }
  at::Tensor read(const std::string& key) const override { return tensors_.at(key); }
  std::string where(const std::string& key) const override { return "tensor '" + key + "'"; }
  std::string name() const override { return "memory"; }

 private:
  std::map<std::string, at::Tensor> tensors_;
  Shapes shapes_;
  uint64_t seed_ = 1;
};

Tensors named(int64_t channels, int64_t features, int64_t growth, int64_t blocks, int64_t doublings) {
  Tensors t;
  t.convolution("conv_first", channels, features);
  for (int64_t b = 0; b < blocks; ++b)
    for (int r = 1; r <= 3; ++r)
      for (int64_t c = 0; c < 5; ++c)
        t.convolution("body." + std::to_string(b) + ".rdb" + std::to_string(r) + ".conv" + std::to_string(c + 1), features + c * growth, c < 4 ? growth : features);
  t.convolution("conv_body", features, features);
  for (int64_t i = 1; i <= doublings; ++i) t.convolution("conv_up" + std::to_string(i), features, features);
  t.convolution("conv_hr", features, features);
  t.convolution("conv_last", features, 3);
  return t;
}

// The same numbers as files of 2018 name them.
Tensors renumbered(const Tensors& t, int64_t blocks, int64_t doublings) {
  Tensors out;
  for (const auto& [name, tensor] : t.all()) {
    const std::size_t dot = name.rfind('.');
    const std::string layer = name.substr(0, dot), end = name.substr(dot);
    std::string other;
    if (layer == "conv_first") other = "model.0";
    else if (layer == "conv_body") other = "model.1.sub." + std::to_string(blocks);
    else if (layer == "conv_hr") other = "model." + std::to_string(2 + 3 * doublings);
    else if (layer == "conv_last") other = "model." + std::to_string(4 + 3 * doublings);
    else if (layer.starts_with("conv_up")) other = "model." + std::to_string(3 * std::stoi(layer.substr(7)));
    else {
      other = "model.1.sub." + layer.substr(5) + ".0";
      other.replace(other.find("rdb"), 3, "RDB");
    }
    out.put(other + end, tensor);
  }
  return out;
}

at::Tensor picture(int64_t height, int64_t width) { return at::rand({1, 3, height, width}, at::detail::createCPUGenerator(99), at::TensorOptions(at::kFloat)); }

at::Tensor made(const WeightSource& weights, const at::Tensor& x) {
  const EsrganLayout layout = esrgan_layout(weights).value();
  Parameters parameters;
  Esrgan network(ParameterScope(parameters), layout.config);
  load_weights(parameters, weights, {.rename = layout.rename});
  return network.forward(x);
}

at::Tensor conv(const Tensors& t, const std::string& name, const at::Tensor& x) { return at::conv2d(x, t[name + ".weight"], t[name + ".bias"], 1, 1); }
at::Tensor leaky(const at::Tensor& x) { return at::where(x > 0, x, 0.2 * x); }

// The paper's figure 4, layer by layer.
at::Tensor expected(const Tensors& t, at::Tensor x, int64_t blocks, int64_t doublings) {
  const at::Tensor first = conv(t, "conv_first", x);
  x = first;
  for (int64_t b = 0; b < blocks; ++b) {
    const at::Tensor entered = x;
    for (int r = 1; r <= 3; ++r) {
      const std::string at = "body." + std::to_string(b) + ".rdb" + std::to_string(r) + ".conv";
      const at::Tensor x1 = leaky(conv(t, at + "1", x));
      const at::Tensor x2 = leaky(conv(t, at + "2", at::cat({x, x1}, 1)));
      const at::Tensor x3 = leaky(conv(t, at + "3", at::cat({x, x1, x2}, 1)));
      const at::Tensor x4 = leaky(conv(t, at + "4", at::cat({x, x1, x2, x3}, 1)));
      x = x + 0.2 * conv(t, at + "5", at::cat({x, x1, x2, x3, x4}, 1));
    }
    x = entered + 0.2 * x;
  }
  x = first + conv(t, "conv_body", x);
  for (int64_t i = 1; i <= doublings; ++i) x = leaky(conv(t, "conv_up" + std::to_string(i), x.repeat_interleave(2, 2).repeat_interleave(2, 3)));
  return conv(t, "conv_last", leaky(conv(t, "conv_hr", x)));
}

TEST(Esrgan, IsThePapersNetwork) {
  for (const int64_t doublings : {1, 2, 3}) {
    const Tensors t = named(3, 12, 6, 2, doublings);
    const at::Tensor x = picture(9, 14);
    const at::Tensor y = made(t, x);
    EXPECT_EQ(y.sizes().vec(), (std::vector<int64_t>{1, 3, 9 << doublings, 14 << doublings}));
    EXPECT_LT((y - expected(t, x, 2, doublings)).abs().max().item<double>(), 1e-5);
  }
}

TEST(Esrgan, NumberedLayersAreTheSameNetwork) {
  for (const int64_t doublings : {0, 1, 2}) {
    const Tensors t = named(3, 12, 6, 3, doublings);
    const at::Tensor x = picture(8, 8);
    EXPECT_TRUE(at::equal(made(t, x), made(renumbered(t, 3, doublings), x)));
  }
}

TEST(Esrgan, FilesWithATrunkAreTheSameNetwork) {
  const Tensors t = named(3, 12, 6, 2, 2);
  Tensors trunk;
  for (const auto& [name, tensor] : t.all()) {
    std::string other = name;
    for (const auto& [ours, theirs] : {std::pair<std::string, std::string>{"conv_body", "trunk_conv"}, {"body.", "RRDB_trunk."}, {".rdb", ".RDB"}, {"conv_up", "upconv"}, {"conv_hr", "HRconv"}})
      if (const std::size_t at = other.find(ours); at != std::string::npos) other.replace(at, ours.size(), theirs);
    trunk.put(other, tensor);
  }
  EXPECT_TRUE(at::equal(made(t, picture(8, 8)), made(trunk, picture(8, 8))));
}

// A picture cut off where deep networks are said to feel nothing any more.
TEST(Esrgan, WhatLiesFurtherThanItFeelsMovesNoLevel) {
  const Tensors t = named(3, 8, 4, 9, 1);
  const EsrganConfig c = esrgan_layout(t)->config;
  const int64_t felt = c.felt_px(), rest = 16, kept = 8;
  ASSERT_GT(c.reach_px(), felt + rest);
  const at::Tensor x = picture(16, kept + felt + rest);
  const at::Tensor whole = made(t, x), cut = made(t, x.narrow(3, 0, kept + felt).contiguous());
  const at::Tensor apart = (whole.narrow(3, 0, 2 * kept) - cut.narrow(3, 0, 2 * kept)).abs() / (whole.max() - whole.min());
  EXPECT_LT(apart.max().item<double>(), 1.0 / 255);
  EXPECT_GT(apart.max().item<double>(), 0.0) << "the network is too shallow for the test to show anything";
}

TEST(Esrgan, PrefixesOfTrainingFrameworksAreKnown) {
  const Tensors t = named(3, 8, 4, 1, 2);
  Tensors wrapped;
  for (const auto& [name, tensor] : t.all()) wrapped.put("params_ema." + name, tensor);
  EXPECT_TRUE(at::equal(made(t, picture(6, 6)), made(wrapped, picture(6, 6))));
}

TEST(Esrgan, FoldedPixelsMakeSmallerFactors) {
  const Tensors t = named(12, 8, 4, 1, 2);
  const auto layout = esrgan_layout(t);
  EXPECT_EQ(layout->config.upscale, 2);
  EXPECT_EQ(layout->config.folded, 2);
  const at::Tensor x = picture(6, 10);
  const at::Tensor folded = x.view({1, 3, 3, 2, 5, 2}).permute({0, 1, 3, 5, 2, 4}).reshape({1, 12, 3, 5});
  EXPECT_LT((made(t, x) - expected(t, folded, 1, 2)).abs().max().item<double>(), 1e-5);
  EXPECT_THROW(made(t, picture(7, 10)), Error);
}

TEST(Esrgan, CompactNetworksAddTheirPixelsToTheEnlargedPicture) {
  Tensors t;
  t.convolution("body.0", 3, 10);
  t.add("body.1.weight", {10});
  t.convolution("body.2", 10, 10);
  t.add("body.3.weight", {10});
  t.convolution("body.4", 10, 3 * 9);
  const auto layout = esrgan_layout(t);
  EXPECT_TRUE(layout->config.compact);
  EXPECT_EQ(layout->config.upscale, 3);
  const at::Tensor x = picture(5, 7);
  const auto sloped = [&](const at::Tensor& v, const std::string& name) { return at::where(v > 0, v, v * t[name].view({1, -1, 1, 1})); };
  at::Tensor y = conv(t, "body.4", sloped(conv(t, "body.2", sloped(conv(t, "body.0", x), "body.1.weight")), "body.3.weight"));
  y = y.view({1, 3, 3, 3, 5, 7}).permute({0, 1, 4, 2, 5, 3}).reshape({1, 3, 15, 21}) + x.repeat_interleave(3, 2).repeat_interleave(3, 3);
  EXPECT_LT((made(t, x) - y).abs().max().item<double>(), 1e-5);
}

// A pixel moves nothing that lies further away than the network says.
TEST(Esrgan, ReachIsWhatItSays) {
  const Tensors t = named(3, 6, 4, 1, 1);
  const int64_t reach = esrgan_layout(t)->config.reach_px(), middle = reach + 3, side = 2 * middle + 1;
  const at::Tensor x = picture(side, side);
  at::Tensor other = x.clone();
  other[0].select(1, middle).select(1, middle).fill_(0.0);
  const at::Tensor change = (made(t, x) - made(t, other)).abs().amax({0, 1});
  const int64_t edge = 2 * (middle - reach);
  EXPECT_EQ(change.narrow(0, 0, edge).max().item<double>(), 0.0);
  EXPECT_EQ(change.narrow(1, 0, edge).max().item<double>(), 0.0);
  EXPECT_GT(change.max().item<double>(), 0.0);
}

TEST(Esrgan, OtherFilesAreNotTakenForIt) {
  Tensors other;
  other.convolution("conv_in", 3, 8);
  EXPECT_FALSE(esrgan_layout(other));
  Tensors odd = named(5, 8, 4, 1, 2);
  EXPECT_THROW(esrgan_layout(odd), Error);
  Tensors far = named(3, 8, 4, 1, 2);
  far.convolution("conv_up9000", 8, 8);
  EXPECT_THROW(esrgan_layout(far), Error);
  Tensors missing = named(3, 8, 4, 2, 2), holed;
  for (const auto& [name, tensor] : missing.all())
    if (name != "body.1.rdb2.conv3.bias") holed.put(name, tensor);
  try {
    made(holed, picture(4, 4));
    ADD_FAILURE() << "a missing tensor was not noticed";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupt_file);
    EXPECT_NE(std::string(e.what()).find("body.1.rdb2.conv3.bias"), std::string::npos);
  }
}

}  // namespace
}  // namespace safelight
