#include "engine/upscalers/latent_transformer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "common/base/error.h"

namespace safelight {
namespace {

Json tiny() {
  return {{"_class_name", "LatentTransformerUpscaler"}, {"latent_channels", 3}, {"hidden_size", 16}, {"intermediate_size", 24}, {"num_stages", 1}, {"num_attention_heads", 2},
          {"window_size", 4}, {"upsample_channels", 8}, {"sample_size", 8}, {"noise_level", 0.1}};
}

at::Tensor random(at::IntArrayRef shape, uint64_t seed) { return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kFloat)); }

// The network with weights that make its last convolution count.
struct Network {
  explicit Network(const Json& json = tiny()) : model(ParameterScope(parameters), LatentTransformerConfig::from_json(json, "config.json")) {
    parameters.initialise(5);
    for (const Parameter& p : parameters.all())
      if (p.name == "conv_out.weight") p.tensor.set_data(0.1 * random(p.shape, 6));
  }
  at::Tensor operator()(const at::Tensor& x, const ForwardHooks& hooks = {}) const { return model.forward(x, hooks); }
  Parameters parameters;
  LatentTransformer model;
};

std::string refusal(const char* key, const Json& value) {
  Json json = tiny();
  json[key] = value;
  try {
    LatentTransformerConfig::from_json(json, "config.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(LatentTransformer, DoublesEverySideAndStartsAtTheInterpolatedInput) {
  Network network;
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {4, 4}, {8, 8}, {9, 17}}) {
    const at::Tensor x = random({2, 3, h, w}, 1);
    EXPECT_EQ(network(x).sizes().vec(), (std::vector<int64_t>{2, 3, 2 * h, 2 * w}));
  }
  Network fresh;
  fresh.parameters.initialise(5);
  const at::Tensor x = random({1, 3, 6, 8}, 2);
  EXPECT_TRUE(at::equal(fresh(x), at::upsample_bilinear2d(x, {12, 16}, false)));
}

// What was filled in to make whole windows is not seen, and the pictures of a batch do not see each other.
TEST(LatentTransformer, CellsOutsideTheMapAreNotAttendedTo) {
  Network network;
  struct LowestWeight final : ForwardObserver {
    bool wants_attention(std::string_view, bool) const override { return true; }
    void on_attention(const AttentionCall& call) override {
      const at::Tensor logits = at::matmul(call.q, call.k.transpose(-1, -2)) * call.scale + call.bias;
      const at::Tensor outside = call.bias.lt(-1).expand_as(logits), p = logits.softmax(-1);
      // Windows that lie wholly outside have nothing else to look at.
      const at::Tensor some_inside = outside.logical_not().any(-1, true).expand_as(logits);
      leaked = std::max(leaked, p.masked_select(outside.logical_and(some_inside)).sum().item<double>());
      ++calls;
    }
    double leaked = 0;
    int calls = 0;
  } observer;
  network(random({2, 3, 6, 7}, 3), {.observer = &observer, .edit = nullptr});
  EXPECT_EQ(observer.calls, 2);
  EXPECT_EQ(observer.leaked, 0);
  const at::Tensor x = random({2, 3, 6, 7}, 4);
  EXPECT_LT((network(x).narrow(0, 0, 1) - network(x.narrow(0, 0, 1))).abs().max().item<double>(), 1e-5);
}

// Far from the border, moving the picture by whole windows moves the result: positions are told within windows only, so that other
// sizes than that of training are met with the same windows.
TEST(LatentTransformer, ResultsMoveWithThePictureByWholeWindows) {
  Network network;
  const at::Tensor x = random({1, 3, 40, 40}, 7), moved = x.roll({4, 8}, {2, 3});
  const at::Tensor a = network(x).narrow(2, 32, 16).narrow(3, 24, 16), b = network(moved).narrow(2, 40, 16).narrow(3, 40, 16);
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-4);
  const at::Tensor c = network(x.roll({1}, {2})).narrow(2, 34, 16).narrow(3, 24, 16);
  EXPECT_GT((a - c).abs().max().item<double>(), 1e-3);  // and only by whole windows
}

TEST(LatentTransformer, LearnsToEnlargeOnePicture) {
  Network network;
  network.parameters.require_grad(true);
  const at::Tensor low = random({1, 3, 4, 4}, 8), high = random({1, 3, 8, 8}, 9);
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const at::Tensor loss = (network(low) - high).square().mean();
    loss.backward();
    at::NoGradGuard no_grad;
    for (const Parameter& p : network.parameters.all()) {
      ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
      at::Tensor weight = p.tensor, gradient = p.tensor.grad();
      weight.sub_(gradient, 0.05);
      gradient.zero_();
    }
    (step == 0 ? first : last) = loss.item<double>();
  }
  EXPECT_LT(last, 0.5 * first);
}

TEST(LatentTransformer, RefusesInputsAndConfigurationsThatDoNotFit) {
  Network network;
  EXPECT_THROW(network(at::zeros({1, 4, 8, 8})), Error);
  EXPECT_THROW(network(at::zeros({3, 8, 8})), Error);
  EXPECT_THROW(network(at::zeros({1, 3, 0, 8})), Error);
  EXPECT_THROW(network(at::zeros({1, 3, 1, LatentTransformer::kMaxSide + 1})), Error);
  EXPECT_EQ(refusal("window_size", 4), "");
  EXPECT_NE(refusal("window_size", 5).find("must be even"), std::string::npos);
  EXPECT_NE(refusal("window_size", 128).find("at most 64"), std::string::npos);
  EXPECT_NE(refusal("hidden_size", 20).find("multiple of four times num_attention_heads, 8"), std::string::npos);
  EXPECT_NE(refusal("num_attention_heads", 0).find("between 1"), std::string::npos);
  EXPECT_NE(refusal("noise_level", -0.1).find("between 0 and 1"), std::string::npos);
  EXPECT_NE(refusal("num_stages", "four").find("must be an integer"), std::string::npos);
  EXPECT_NE(refusal("_class_name", "Swin2SRForImageSuperResolution").find("LatentTransformerUpscaler"), std::string::npos);
  EXPECT_NE(refusal("windw_size", 4).find("'windw_size' is unknown; known: _class_name, latent_channels"), std::string::npos);
  EXPECT_THROW(LatentTransformerConfig::from_json(Json::array(), "config.json"), Error);
}

}  // namespace
}  // namespace safelight
