// Networks on another device than the processor: the run round them knows nothing of it, and the numbers are the same.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "engine/denoisers/flux_transformer.h"
#include "engine/denoisers/mmdit.h"
#include "engine/families/control.h"
#include "engine/families/family.h"
#include "engine/families/parts.h"
#include "engine/pipelines/run.h"
#include "engine/probes/table.h"
#include "tests/engine/families/other_memory.h"

namespace safelight {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(SAFELIGHT_SOURCE) / "tests/golden";

at::Tensor random(at::IntArrayRef sizes) { return at::randn(sizes, at::detail::createCPUGenerator(7)); }
double difference(const at::Tensor& a, const at::Tensor& b) { return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>(); }

LoadOptions elsewhere() {
  LoadOptions load;
  load.device = other_memory::kDevice;
  return load;
}

// What `f` makes of the same network here and there.
template <class Network, class F>
double apart(const std::filesystem::path& folder, F&& f) {
  const ComponentFiles files = component_of(folder, std::filesystem::exists(folder / "model.safetensors") ? "model" : "diffusion_pytorch_model");
  at::NoGradGuard no_grad;
  return difference(f(Network(files, LoadOptions{})), f(Network(files, elsewhere())));
}

Conditioning words(int64_t rows, int64_t width) {
  Conditioning c;
  c.text = random({rows, 7, width});
  return c;
}

TEST(OtherDevice, ItsTensorsDoNotMixWithTheProcessors) {
  const at::Tensor here = at::ones({3}), there = here.to(other_memory::kDevice);
  EXPECT_EQ(there.device(), other_memory::kDevice);
  EXPECT_TRUE(at::equal((there + 1).to(at::kCPU), here + 1));
  EXPECT_ANY_THROW(there + here);
}

class WholeRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
  static Components nano(c10::Device device) {
    OpenOptions options;
    options.device = device;
    return open_model(std::filesystem::path(SAFELIGHT_SOURCE) / "models" / "signs-nano", options);
  }
  static GenerateRequest request() {
    GenerateRequest r;
    r.prompt = "a (red:1.2) circle left of a blue square";
    r.steps = 3;
    r.probes = "full";
    return r;
  }
  static GenerateResult ran(const Components& model, const GenerateRequest& request, const Interventions& change = {}) {
    RunOptions options;
    options.interventions = change;
    options.probes = make_probes();
    return run(model, request, std::move(options));
  }
};

TEST_F(WholeRun, GivesTheSamePicture) {
  const GenerateResult here = ran(nano(at::kCPU), request()), there = ran(nano(other_memory::kDevice), request());
  EXPECT_LT(difference(here.latents, there.latents), 1e-3);
  EXPECT_LT(difference(here.pixels, there.pixels), 1e-2);
  EXPECT_TRUE(there.pixels.device().is_cpu());
}

TEST_F(WholeRun, InterventionsReachIt) {
  Interventions change;
  change.attention.push_back({.factor = 0.5, .token = 2});
  change.precision.push_back({.dtype = "bfloat16"});
  const Components model = nano(other_memory::kDevice);
  const GenerateResult changed = ran(model, request(), change);
  EXPECT_GT(difference(ran(model, request()).latents, changed.latents), 1e-3);
  EXPECT_LT(difference(ran(nano(at::kCPU), request(), change).latents, changed.latents), 0.2);   // bfloat16 rounds neighbours apart
}

TEST_F(WholeRun, TakesShortcuts) {
  GenerateRequest r = request();
  r.shortcuts.cache_interval = 2;
  r.shortcuts.merge_tokens = 0.3;
  EXPECT_LT(difference(ran(nano(at::kCPU), r).latents, ran(nano(other_memory::kDevice), r).latents), 1e-2);
}

TEST_F(WholeRun, StartsFromAPicture) {
  const Components here = nano(at::kCPU), there = nano(other_memory::kDevice);
  const at::Tensor picture = random({1, 3, 64, 64}).clamp(-1, 1), eps = random({1, here.autoencoder->latent_channels(), 64 / here.autoencoder->downscale(), 64 / here.autoencoder->downscale()});
  at::NoGradGuard no_grad;
  EXPECT_LT(difference(here.autoencoder->encode(picture, eps, {}), there.autoencoder->encode(picture, eps, {})), 1e-3);
}

TEST(OtherDevice, UnetWithAControlNet) {
  const std::filesystem::path unet = kGolden / "checkpoints/sd15/unet", control = kGolden / "checkpoints/controlnet_sd15";
  const at::Tensor x = random({2, 4, 16, 16}), hint = random({1, 3, 128, 128}).abs().clamp(0, 1), timesteps = at::full({2}, 300.0f);
  at::NoGradGuard no_grad;
  const auto predicted = [&](const LoadOptions& load, c10::Device device) {
    const auto alone = std::make_shared<const UnetDenoiser>(component_of(unet, "diffusion_pytorch_model"), load);
    const auto both = controlled(alone, {.directory = control, .device = device, .hint = hint});
    return both->predict(x, timesteps, words(2, alone->config().cross_attention_dim), {});
  };
  EXPECT_LT(difference(predicted({}, at::kCPU), predicted(elsewhere(), other_memory::kDevice)), 1e-3);
}

TEST(OtherDevice, TinyAutoencoder) {
  const at::Tensor latents = random({1, 4, 8, 8}), pixels = random({1, 3, 64, 64});
  EXPECT_LT(apart<TinyVae>(kGolden / "checkpoints/taesd", [&](const TinyVae& v) { return v.decode(latents, {}); }), 1e-3);
  EXPECT_LT(apart<TinyVae>(kGolden / "checkpoints/taesd", [&](const TinyVae& v) { return v.encode(pixels, {}, {}); }), 1e-3);
}

TEST(OtherDevice, TransformersAndTheirText) {
  const auto there = [](const auto& network, const at::Tensor& t) { return t.to(network.parameters.all().front().tensor.device()); };
  EXPECT_LT((apart<Loaded<T5Encoder, T5Config>>(kGolden / "checkpoints/flux_dev/text_encoder_2", [&](const auto& t5) {
              return t5.model.forward(there(t5, at::arange(9, at::kLong).unsqueeze(0)), {}, {}).to(at::kCPU);
            })), 1e-3);
  EXPECT_LT((apart<Loaded<Mmdit, MmditConfig>>(kGolden / "checkpoints/sd3/transformer", [&](const auto& net) {
              const MmditConfig& c = net.config();
              return net.model.forward(there(net, random({1, c.in_channels, 8, 8})), there(net, at::full({1}, 500.0f)), there(net, random({1, 9, c.joint_attention_dim})),
                                       there(net, random({1, c.pooled_projection_dim})), {}).to(at::kCPU);
            })), 1e-3);
  EXPECT_LT((apart<Loaded<FluxTransformer, FluxConfig>>(kGolden / "checkpoints/flux_schnell/transformer", [&](const auto& net) {
              const FluxConfig& c = net.config();
              FluxInputs in{.sample = there(net, random({1, 16, c.in_channels})), .timesteps = there(net, at::full({1}, 0.5f)), .guidance = {},
                            .text = there(net, random({1, 9, c.joint_attention_dim})), .pooled = there(net, random({1, c.pooled_projection_dim})),
                            .text_ids = at::zeros({9, 3}), .image_ids = patch_ids(4, 4)};
              if (c.guidance_embeds) in.guidance = there(net, at::full({1}, 3.5f));
              return net.model.forward(in, {}).to(at::kCPU);
            })), 1e-3);
}

// A tensor in blocks, as GGUF files hold them: 32 numbers 0, 1, ... 31 in one block of q8_0 with scale 1.
class OneBlock final : public WeightSource {
 public:
  const Shapes& shapes() const override { return shapes_; }
  at::Tensor read(const std::string&) const override { return at::arange(32, at::kFloat).view({1, 32}); }
  std::optional<Blocks> read_blocks(const std::string&) const override {
    const at::Tensor bytes = at::cat({at::tensor({0x00, 0x3C}, at::kByte), at::arange(32, at::kByte)});
    return Blocks{.type = GgufType::q8_0, .bytes = bytes};
  }
  std::string where(const std::string& key) const override { return key; }
  std::string name() const override { return "one block"; }

 private:
  Shapes shapes_ = {{"w", {1, 32}}};
};

TEST(OtherDevice, NoBlockStaysPackedThere) {
  const auto loaded = [](const at::Device device) {
    Parameters parameters;
    parameters.create("w", {1, 32}, Init::fan_in);
    parameters.may_stay_packed();
    LoadOptions load;
    load.keep_packed = true;
    load.device = device;
    load_weights(parameters, OneBlock(), load);
    return parameters.all().front();
  };
  EXPECT_TRUE(loaded(at::kCPU).packed->type.has_value());
  const Parameter there = loaded(other_memory::kDevice);
  EXPECT_FALSE(there.packed->type.has_value());
  EXPECT_EQ(there.tensor.device(), other_memory::kDevice);
  EXPECT_TRUE(at::equal(there.tensor.to(at::kCPU), OneBlock().read("w")));
}

}  // namespace
}  // namespace safelight
