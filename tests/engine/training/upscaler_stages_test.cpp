#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "engine/families/family.h"
#include "engine/families/model_files.h"
#include "engine/pipelines/run.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"
#include "tests/engine/training/tiny_parts.h"

namespace safelight {
namespace {

constexpr const char* kWorld = R"(
image_px = 16
text_length = 32
pool = 24
[scenes]
shapes = 3
colours = 3
)";
const std::string kScheduler = std::string(R"(
[recommended]
steps = 3
guidance = 1.0
scheduler = "ddim")") + kTinyScheduler;
const std::string kBase = "name = \"tiny-base\"\n" + std::string(kWorld) + kScheduler + kTinyParts + "sample_size = 8\n";

const std::string kLatent = "name = \"tiny-latent\"\npixel_weight = 0.5\n" + std::string(kWorld) + R"(
[train_latent_upscaler]
samples = 1600
batch = 8
learning_rate = 3e-3
warmup_steps = 5
ema_decay = 0.9
[latent_transformer]
_class_name = "LatentTransformerUpscaler"
latent_channels = 4
hidden_size = 16
intermediate_size = 32
num_stages = 1
num_attention_heads = 2
window_size = 4
upsample_channels = 16
sample_size = 8
noise_level = 0.05
)";

const std::string kCascade = "name = \"tiny-up\"\nlow_px = 8\ntext_drop = 0.5\n" + std::string(kWorld) + kScheduler + R"(
[train_cascade]
samples = 96
batch = 8
warmup_steps = 2
precision = "bfloat16"
[low_res_scheduler]
_class_name = "DDPMScheduler"
num_train_timesteps = 50
beta_start = 0.0001
beta_end = 0.003
beta_schedule = "scaled_linear"
[unet]
_class_name = "UNet2DConditionModel"
act_fn = "silu"
in_channels = 7
out_channels = 4
sample_size = 8
num_class_embeds = 50)" + kTinyUnet;

std::vector<at::Tensor> values_of(const Parameters& parameters) {
  std::vector<at::Tensor> out;
  for (const Parameter& p : parameters.all()) out.push_back(p.tensor);
  return out;
}

// Beside a model whose autoencoder and text encoder have random weights; it has no denoiser, which upscalers do not need.
class UpscalerStages : public testing::Test {
 protected:
  UpscalerStages() : directory_(std::filesystem::temp_directory_path() / ("safelight-upscalers-" + std::to_string(::getpid()))) {
    at::set_num_threads(1);
    std::filesystem::create_directories(directory_);
    const Recipe base = recipe(kBase);
    TrainOptions options;
    options.out = directory_ / "base";
    const TextModel text(base, options);  // writes the tokenizer too
    text.export_to(options.out / "model", values_of(text.parameters));
    Parameters vae;
    const AutoencoderKl autoencoder(ParameterScope(vae), AutoencoderKlConfig::from_json(base.vae, "vae"));
    vae.initialise(1);
    Json config = base.vae;
    config["scaling_factor"] = 3.0;
    export_component(options.out / "model" / "vae", "diffusion_pytorch_model.safetensors", config, vae, values_of(vae), at::kHalf);
  }
  ~UpscalerStages() override { std::filesystem::remove_all(directory_); }

  Recipe recipe(const std::string& text) const {
    write_file_atomic(directory_ / "tiny.toml", text);
    return Recipe::read(directory_ / "tiny.toml");
  }
  TrainOptions into(const char* name) const {
    TrainOptions options;
    options.out = directory_ / name;
    options.from = directory_ / "base" / "model";
    return options;
  }
  std::string refusal(const Recipe& recipe) const {
    try {
      train(recipe, into("refused"));
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  void expect_the_same_when_stopped(const Recipe& r, const char* weights) const {
    train(r, into("whole"));
    TrainReport report;
    for (int calls = 0; calls < 40 && !report.finished; ++calls) {
      TrainOptions options = into("parts");
      int steps = 0;
      options.stop = [&] { return ++steps > 3; };
      report = train(r, options);
    }
    EXPECT_TRUE(report.finished);
    EXPECT_TRUE(read_file(directory_ / "whole" / "model" / weights) == read_file(directory_ / "parts" / "model" / weights));
  }
  std::filesystem::path directory_;
};

TEST_F(UpscalerStages, LatentUpscalerComesNearerThanInterpolation) {
  const Recipe r = recipe(kLatent);
  const TrainReport report = train(r, into("latent"));
  EXPECT_TRUE(report.finished);
  EXPECT_EQ(report.samples.at("latent_upscaler"), 1600);
  const Json about = read_json(report.model / "safelight.json"), index = read_json(report.model / "model_index.json");
  EXPECT_EQ(about.at("upscaler").at("kind"), "latent");
  EXPECT_EQ(about.at("upscaler").at("low_px"), 16);
  EXPECT_TRUE(index.contains("latent_upscaler"));
  EXPECT_FALSE(index.contains("unet"));
  EXPECT_FALSE(std::filesystem::exists(report.model / "scheduler"));

  const Loaded<LatentTransformer, LatentTransformerConfig> trained(component_of(report.model / "latent_upscaler", "diffusion_pytorch_model"), {});
  const FrozenAutoencoder autoencoder(report.model, "cpu");
  std::vector<Scene> scenes;
  for (uint64_t i = 0; i < 32; ++i) scenes.push_back(make_scene(r.scenes, 12345, i));
  const at::Tensor low = autoencoder.encode(scene_pixels(scenes, 16)), high = autoencoder.encode(scene_pixels(scenes, 32));
  at::NoGradGuard no_grad;
  const auto miss = [&](const at::Tensor& made) { return (made - high).square().mean().item<double>(); };
  EXPECT_LT(miss(trained.model.forward(low, {})), 0.85 * miss(at::upsample_bilinear2d(low, {16, 16}, false)));
}

TEST_F(UpscalerStages, StoppedAndCalledAgainTheyGiveTheSameBytes) {
  Recipe latent = recipe(kLatent);
  latent.latent_upscaler.samples = 96;
  expect_the_same_when_stopped(latent, "latent_upscaler/diffusion_pytorch_model.safetensors");
}

TEST_F(UpscalerStages, CascadeStoppedAndCalledAgainGivesTheSameBytes) {
  expect_the_same_when_stopped(recipe(kCascade), "unet/diffusion_pytorch_model.safetensors");
}

TEST_F(UpscalerStages, CascadeOpensAsAnUpscalerAndEnlargesByFour) {
  const TrainReport report = train(recipe(kCascade), into("cascade"));
  const Components model = open_model(report.model, {});
  EXPECT_EQ(model.name, "tiny-up");
  EXPECT_EQ(model.family, "stable-diffusion");
  EXPECT_EQ(model.denoiser->beside(), Beside::low_resolution_image);
  EXPECT_EQ(model.low_resolution_scheduler.at("num_train_timesteps"), 50);
  EXPECT_EQ(model.default_side_px, 16);

  GenerateRequest request;
  request.prompt = "a red circle";
  request.width = request.height = 16;
  request.picture.file = "given as a tensor";
  const auto pictures_with = [&](int noise_level) {
    request.picture.noise_level = noise_level;
    RunOptions options;
    options.inputs.picture = scene_pixels({make_scene(recipe(kCascade).scenes, 3, 0)}, 8);
    return run(model, request, std::move(options)).pixels;
  };
  EXPECT_EQ(pictures_with(0).sizes().vec(), (std::vector<int64_t>{1, 3, 16, 16}));
  EXPECT_FALSE(at::equal(pictures_with(0), pictures_with(49)));
  EXPECT_THROW(pictures_with(50), Error);
}

TEST_F(UpscalerStages, RefusesWhatDoesNotFit) {
  TrainOptions alone = into("refused");
  alone.from.clear();
  EXPECT_THROW(train(recipe(kLatent), alone), Error);
  EXPECT_THROW(train(recipe(kCascade), alone), Error);
  Recipe latent = recipe(kLatent);
  latent.latent_transformer["latent_channels"] = 8;
  EXPECT_NE(refusal(latent).find("latent_channels is 8"), std::string::npos);
  latent = recipe(kLatent);
  latent.latent_transformer["sample_size"] = 16;
  EXPECT_NE(refusal(latent).find("sample_size is 16"), std::string::npos);
  const auto changed = [&](const char* key, const Json& value) {
    Recipe r = recipe(kCascade);
    r.unet[key] = value;
    return refusal(r);
  };
  EXPECT_NE(changed("in_channels", 4).find("7 in_channels"), std::string::npos);
  EXPECT_NE(changed("num_class_embeds", 49).find("number of noise levels"), std::string::npos);
  EXPECT_NE(changed("cross_attention_dim", 32).find("width of the text encoder"), std::string::npos);
  EXPECT_NE(changed("sample_size", 16).find("sample_size must be low_px"), std::string::npos);
  Recipe cascade = recipe(kCascade);
  cascade.low_px = 4;
  EXPECT_NE(refusal(cascade).find("2 times low_px"), std::string::npos);
  cascade = recipe(kCascade);
  cascade.low_res_scheduler = nullptr;
  EXPECT_NE(refusal(cascade).find("[low_res_scheduler]"), std::string::npos);
}

TEST(ScenePairsPool, IsTheSameWhereverItBegins) {
  const auto numbers = [](const std::vector<Scene>& scenes) {
    std::vector<float> x;
    for (const Scene& s : scenes) x.push_back(static_cast<float>(s.objects.at(0).x));
    const at::Tensor low = at::tensor(x).unsqueeze(1);
    return ScenePairRows{low, 2 * low};
  };
  const auto plan = [&](int64_t step) { return ScenePairsPlan{.world = {}, .seed = 9, .pool = 7, .batch = 24, .step = step, .make = numbers}; };
  const at::Tensor all = at::arange(7);
  ScenePairs from_start(plan(0));
  for (int64_t step = 0; step < 12; ++step) {
    const ScenePairs later(plan(step));
    EXPECT_TRUE(at::equal(from_start.draw(all).low, later.draw(all).low)) << step;
    EXPECT_TRUE(at::equal(later.draw(all).high, 2 * later.draw(all).low));
    EXPECT_EQ(static_cast<float>(from_start.scene(3).objects.at(0).x), from_start.draw(all).low[3][0].item<float>());
    const at::Tensor before = from_start.draw(all).low.clone();
    from_start.refresh(step);
    EXPECT_EQ(from_start.draw(all).low.ne(before).sum().item<int64_t>(), 3) << step;  // an eighth of the batch is new
  }
}

// The letters of a sign grow with everything else, and what was in the fixed point stays there.
TEST(ZoomedScenes, ShowTheSameFromNearerOrFarther) {
  SceneOptions world;
  world.patterns = 1;
  world.share = {0, 0, 0, 0, 0, 1};
  for (uint64_t i = 0; i < 8; ++i) {
    Scene scene = make_scene(world, 4, i);
    scene.objects.clear();  // not to be judged by: a board's margin does not grow
    const Scene half = zoomed(scene, 0.5, 0, 0);
    // Rendered with twice the pixels, the upper left quarter has the letters where they were.
    const at::Tensor whole = scene_pixels({scene}, 64), quarter = scene_pixels({half}, 128).narrow(2, 0, 64).narrow(3, 0, 64);
    const auto ink = [&](double begin, double half_side) { return std::pair{static_cast<int64_t>((begin - half_side + 0.06) * 64), static_cast<int64_t>((2 * half_side - 0.12) * 64)}; };
    const auto [x, width] = ink(scene.sign->x, scene.sign->half_width);
    const auto [y, height] = ink(scene.sign->y, scene.sign->half_height);
    const auto letters = [&](const at::Tensor& pixels) { return pixels.narrow(2, y, height).narrow(3, x, width); };
    EXPECT_LT((letters(whole) - letters(quarter)).abs().mean().item<double>(), 0.02) << scene.sign->text;
  }
}

// The shipped recipes fit each other.
TEST(UpscalerRecipes, Fit) {
  const std::filesystem::path recipes = std::filesystem::path(SAFELIGHT_SOURCE) / "recipes";
  const Recipe base = Recipe::read(recipes / "signs-base.toml"), rich = Recipe::read(recipes / "signs-rich.toml");
  const auto rich_vae = AutoencoderKlConfig::from_json(rich.vae, "vae"), base_vae = AutoencoderKlConfig::from_json(base.vae, "vae");
  const UnetConfig rich_unet = UnetConfig::from_json(rich.unet, "unet");
  EXPECT_EQ(rich_vae.downscale(), 4);
  EXPECT_EQ(rich_vae.latent_channels, 4);
  EXPECT_EQ(rich_unet.in_channels, 4);
  EXPECT_EQ(rich_unet.sample_size * rich_vae.downscale(), rich.image_px);
  EXPECT_EQ(rich.text_encoder, base.text_encoder);
  EXPECT_EQ(to_json(rich.scenes), to_json(base.scenes));

  const Recipe up = Recipe::read(recipes / "signs-up.toml"), latent = Recipe::read(recipes / "signs-up-latent.toml");
  const UnetConfig up_unet = UnetConfig::from_json(up.unet, "unet");
  EXPECT_EQ(up_unet.in_channels, rich_vae.latent_channels + 3);
  EXPECT_EQ(up_unet.cross_attention_dim, rich.text_encoder.at("hidden_size").get<int64_t>());
  EXPECT_EQ(up.low_px * rich_vae.downscale(), up.image_px);
  EXPECT_EQ(up_unet.num_class_embeds, up.low_res_scheduler.at("num_train_timesteps").get<int64_t>());
  const auto network = LatentTransformerConfig::from_json(latent.latent_transformer, "latent_transformer");
  EXPECT_EQ(network.latent_channels, base_vae.latent_channels);
  EXPECT_EQ(network.sample_size * base_vae.downscale(), latent.image_px);
  Parameters parameters;
  const LatentTransformer built(ParameterScope(parameters), network);
  EXPECT_GT(parameters.count(), 1'000'000);
  EXPECT_LT(parameters.count(), 2'000'000);
}

}  // namespace
}  // namespace safelight
