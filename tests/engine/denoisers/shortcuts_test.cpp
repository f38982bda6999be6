// Step caching and token merging: what they leave out, and what they must not change.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "engine/denoisers/flux_transformer.h"
#include "engine/denoisers/mmdit.h"
#include "engine/denoisers/token_merging.h"
#include "engine/denoisers/unet.h"
#include "engine/tensor/step_cache.h"

namespace safelight {
namespace {

at::Tensor random(at::IntArrayRef shape, uint64_t seed) { return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kFloat)); }

// No layer starts at zero, so that everything that is computed shows.
void fill(const Parameters& parameters) {
  uint64_t seed = 100;
  for (const Parameter& p : parameters.all()) p.tensor.set_data(0.2 * random(p.shape, ++seed));
}

double distance(const at::Tensor& a, const at::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

class Blocks final : public ForwardObserver {
 public:
  bool wants_blocks() const override { return true; }
  void on_block(std::string_view module, const at::Tensor&) override { seen.insert(std::string(module)); }
  std::set<std::string> seen;
};

struct SmallUnet {
  SmallUnet() : model(ParameterScope(parameters), config()) { fill(parameters); }
  static UnetConfig config() {
    UnetConfig c;
    c.block_out_channels = {8, 16};
    c.down_attention = c.up_attention = {true, true};
    c.layers_per_block = 1;
    c.heads = {2, 2};
    c.transformer_layers = {1, 1};
    c.only_cross_attention = {false, false};
    c.cross_attention_dim = 8;
    c.norm_num_groups = 4;
    return c;
  }
  UnetInputs inputs(uint64_t seed, int64_t rows = 2, int64_t height = 6, int64_t width = 8) const {
    UnetInputs in;
    in.sample = random({rows, 4, height, width}, seed);
    in.timesteps = at::full({rows}, 500.0, at::kFloat);
    in.text = random({rows, 5, 8}, 7);
    return in;
  }
  at::Tensor operator()(const UnetInputs& in, const ForwardHooks& hooks = {}) const { return model.forward(in, hooks); }
  Parameters parameters;
  Unet model;
};

TEST(StepCache, AUnetReusesDeepFeaturesAtEveryDepth) {
  const at::NoGradGuard no_grad;
  const SmallUnet unet;
  const UnetInputs first = unet.inputs(1), second = unet.inputs(2);
  const auto skips = static_cast<int>(4);   // of this configuration
  double nearest = 1e9;
  for (int depth = 0; depth <= skips; ++depth) {
    StepCache cache({.interval = 2, .depth = depth});
    Blocks blocks;
    const ForwardHooks hooks{.observer = &blocks, .cache = &cache};
    cache.begin(0, 2);
    EXPECT_TRUE(at::equal(unet(first, hooks), unet(first)));
    EXPECT_EQ(blocks.seen.size(), unet.model.block_names().size());
    blocks.seen.clear();
    cache.begin(1, 2);
    EXPECT_TRUE(at::allclose(unet(first, hooks), unet(first), 1e-5, 1e-6)) << "what did not change is reused without loss, at depth " << depth;
    EXPECT_FALSE(blocks.seen.contains("mid_block"));
    EXPECT_EQ(cache.reused(), 1);
    const double off = distance(unet(second, hooks), unet(second));
    EXPECT_GT(off, 1e-4) << "deep features of another input were computed after all, at depth " << depth;
    nearest = std::min(nearest, off);
    if (depth == 0) EXPECT_EQ(blocks.seen, (std::set<std::string>{"up_blocks.1.resnets.1", "up_blocks.1.attentions.1", "up_blocks.1"}));
  }
  EXPECT_LT(nearest, 0.7);
}

TEST(StepCache, WholePassesComeByTheStepAndWhenTheBatchChanges) {
  const at::NoGradGuard no_grad;
  const SmallUnet unet;
  StepCache cache({.interval = 3});
  const ForwardHooks hooks{.cache = &cache};
  const auto whole = [&](int step, uint64_t seed, int64_t rows) {
    cache.begin(step, rows);
    const UnetInputs in = unet.inputs(seed, rows);
    return at::allclose(unet(in, hooks), unet(in), 1e-5, 1e-6);
  };
  EXPECT_TRUE(whole(1, 1, 2)) << "nothing was kept yet";
  EXPECT_FALSE(whole(2, 2, 2));
  EXPECT_TRUE(whole(3, 3, 2));
  EXPECT_FALSE(whole(4, 4, 2));
  EXPECT_TRUE(whole(5, 5, 1)) << "kept features have other rows";
  EXPECT_FALSE(whole(5, 6, 1)) << "a second evaluation of the step";
}

TEST(StepCache, AnotherSizeThanTheSkipsIsNotMixedUp) {
  const at::NoGradGuard no_grad;
  const SmallUnet unet;
  StepCache cache({.interval = 2, .depth = 1});
  const ForwardHooks hooks{.cache = &cache};
  const UnetInputs odd = unet.inputs(1, 1, 5, 7);
  cache.begin(0, 1);
  unet(odd, hooks);
  cache.begin(1, 1);
  EXPECT_TRUE(at::allclose(unet(odd, hooks), unet(odd), 1e-5, 1e-6));
}

template <class Forward>
void expect_first_block_caching(const Forward& forward) {
  const at::Tensor x = random({1, 4, 4, 4}, 1), near = x + 1e-3 * random({1, 4, 4, 4}, 2), far = random({1, 4, 4, 4}, 3);
  StepCache cache({.threshold = 0.05});
  const ForwardHooks hooks{.cache = &cache};
  cache.begin(0, 1);
  EXPECT_TRUE(at::equal(forward(x, hooks), forward(x, {})));
  cache.begin(1, 1);
  Blocks blocks;
  EXPECT_LT(distance(forward(near, {.observer = &blocks, .cache = &cache}), forward(near, {})), 0.05);
  EXPECT_EQ(blocks.seen.size(), 1u) << "only the first block ran";
  EXPECT_EQ(cache.reused(), 1);
  cache.begin(2, 1);
  EXPECT_TRUE(at::equal(forward(far, hooks), forward(far, {})));
  EXPECT_EQ(cache.reused(), 1);
  cache.begin(3, 1);
  EXPECT_TRUE(at::equal(forward(x, hooks), forward(x, {}))) << "compared with the last whole step, not with the first";
  const at::Tensor broken = at::full({1, 4, 4, 4}, std::nan(""));
  const bool finite = at::isfinite(forward(broken, hooks)).any().template item<bool>();
  EXPECT_FALSE(finite) << "a NaN is never taken for a repetition";
}

TEST(StepCache, MmditTakesTheRestFromTheStepBefore) {
  const at::NoGradGuard no_grad;
  MmditConfig c{.sample_size = 4, .patch_size = 2, .in_channels = 4, .out_channels = 4, .num_layers = 3, .head_dim = 8, .heads = 2, .joint_attention_dim = 6,
                .caption_projection_dim = 16, .pooled_projection_dim = 5, .pos_embed_max_size = 4};
  Parameters parameters;
  const Mmdit model(ParameterScope(parameters), c);
  fill(parameters);
  const at::Tensor text = random({1, 3, 6}, 4), pooled = random({1, 5}, 5), t = at::full({1}, 400.0, at::kFloat);
  expect_first_block_caching([&](const at::Tensor& x, const ForwardHooks& hooks) { return model.forward(x, t, text, pooled, hooks); });
}

TEST(StepCache, FluxTakesTheRestFromTheStepBefore) {
  const at::NoGradGuard no_grad;
  FluxConfig c{.in_channels = 16, .num_layers = 2, .num_single_layers = 2, .head_dim = 8, .heads = 2, .joint_attention_dim = 6, .pooled_projection_dim = 5, .axes = {4, 2, 2}};
  Parameters parameters;
  const FluxTransformer model(ParameterScope(parameters), c);
  fill(parameters);
  expect_first_block_caching([&](const at::Tensor& x, const ForwardHooks& hooks) {
    FluxInputs in{.sample = packed_latents(x), .timesteps = at::full({1}, 0.4, at::kFloat), .guidance = {}, .text = random({1, 3, 6}, 4), .pooled = random({1, 5}, 5),
                  .text_ids = at::zeros({3, 3}), .image_ids = patch_ids(2, 2)};
    return model.forward(in, hooks);
  });
}

TEST(TokenMerging, EqualNeighboursMergeWithoutLossAndTheShareIsKept) {
  const at::Tensor cells = random({2, 3, 4, 5}, 1);   // every 2 x 2 cell of one value
  const at::Tensor x = cells.repeat_interleave(2, 1).repeat_interleave(2, 2).reshape({2, 48, 5});
  for (const double share : {0.0, 0.25, 0.5, 0.75}) {
    const TokenMerging merging(x, 6, 8, share);
    const at::Tensor merged = merging.merge(x);
    EXPECT_EQ(merging.merged(), std::llround(share * 48));
    EXPECT_EQ(merged.size(1), 48 - std::llround(share * 48));
    EXPECT_TRUE(at::allclose(merging.unmerge(merged), x, 1e-5, 1e-6)) << share;
  }
}

TEST(TokenMerging, AMergedTokenIsTheMeanOfThoseThatJoined) {
  const at::Tensor x = random({1, 5 * 3, 4}, 2);   // odd sides: cells at the border are cut
  const TokenMerging merging(x, 5, 3, 0.4);
  const at::Tensor back = merging.unmerge(merging.merge(x));
  EXPECT_EQ(merging.merged(), 6);
  EXPECT_TRUE(at::allclose(back.sum(1), (back - x).sum(1) + x.sum(1)));
  // Tokens that share a result: their mean is that result.
  std::set<int64_t> done;
  int64_t groups = 0;
  for (int64_t i = 0; i < 15; ++i) {
    const at::Tensor same = (back[0] - back[0][i]).abs().sum(1).le(1e-7);
    const at::Tensor mean = x[0].index_select(0, same.nonzero().flatten()).mean(0);
    EXPECT_TRUE(at::allclose(mean, back[0][i], 1e-4, 1e-5)) << i;
    if (done.insert(same.to(at::kLong).argmax().item<int64_t>()).second) ++groups;
  }
  EXPECT_EQ(groups, 15 - 6);
}

TEST(TokenMerging, OnlyTheFinestMapIsMergedAndNothingWithoutTheOption) {
  const at::NoGradGuard no_grad;
  const SmallUnet unet;
  struct Tokens final : ForwardObserver {
    bool wants_attention(std::string_view, bool) const override { return true; }
    void on_attention(const AttentionCall& call) override { counts[std::string(call.layer)] = call.q.size(2); }
    std::map<std::string, int64_t> counts;
  } tokens;
  const UnetInputs in = unet.inputs(1);
  const at::Tensor whole = unet(in), merged = unet(in, {.observer = &tokens, .merge_tokens = 0.5});
  EXPECT_EQ(tokens.counts["down_blocks.0.attentions.0.transformer_blocks.0.attn1"], 24);
  EXPECT_EQ(tokens.counts["down_blocks.0.attentions.0.transformer_blocks.0.attn2"], 48);
  EXPECT_EQ(tokens.counts["down_blocks.1.attentions.0.transformer_blocks.0.attn1"], 12);
  const double off = distance(merged, whole);
  EXPECT_GT(off, 1e-5);
  EXPECT_LT(off, 0.5);
  EXPECT_TRUE(at::equal(unet(in, {.merge_tokens = 0}), whole));
}

}  // namespace
}  // namespace safelight
