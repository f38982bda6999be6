#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/base/sha256.h"
#include "engine/training/model_export.h"
#include "engine/training/scenes/scene_render.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr uint64_t kAutoencoderStream = 1;

// Horizontal and vertical differences: edges carry the shapes.
at::Tensor edge_loss(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor d = a - b;
  return (d.slice(2, 1) - d.slice(2, 0, -1)).abs().mean() + (d.slice(3, 1) - d.slice(3, 0, -1)).abs().mean();
}

}  // namespace

at::Tensor seeded_noise(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kFloat));
}

AutoencoderStage::AutoencoderStage(const Recipe& recipe, const TrainOptions& options) : recipe_(recipe), options_(options) {
  const auto config = AutoencoderKlConfig::from_json(recipe.vae, "recipe [vae]");
  model_ = std::make_unique<AutoencoderKl>(ParameterScope(parameters_), config);
  parameters_.initialise(mix_seed(recipe.seed, kAutoencoderStream, 0));
  const auto given = options.from / "vae" / "diffusion_pytorch_model.safetensors";
  if (!options.from.empty()) {
    load_weights(parameters_, {given}, {});
    const auto file = options.from / "vae" / "config.json";
    scaling_ = AutoencoderKlConfig::from_json(read_json(file), "'" + file.string() + "'").scaling_factor;
  }
  for (const Parameter& p : parameters_.all()) p.tensor.set_data(p.tensor.to(options.device));
}

namespace {

// Where a crop of a scene begins, along one side: three of four hold the middle of an object or of the sign, which fill
// little of most pictures but are what has to be learnt.
std::pair<int, int> crop_of(const Scene& scene, int side, int crop, SceneRandom& random) {
  double x = random.uniform(), y = random.uniform();
  const int things = static_cast<int>(scene.objects.size()) + (scene.sign ? 1 : 0);
  if (random.below(4) != 0) {
    const auto chosen = static_cast<std::size_t>(random.below(things));
    const bool sign = chosen == scene.objects.size();
    x = sign ? scene.sign->x + scene.sign->half_width * random.between(-1, 1) : scene.objects[chosen].x;
    y = sign ? scene.sign->y : scene.objects[chosen].y;
  }
  const auto begin = [&](double middle) { return std::clamp(static_cast<int>(middle * side) - crop / 2 + random.below(crop / 2) - crop / 4, 0, side - crop); };
  return {begin(x), begin(y)};
}

// Coloured pixels and their neighbours, letters among them, count several times: most of a picture is gray, and without
// this gray is what is learnt first and for long. [N,1,H,W] with mean 1.
at::Tensor colour_weight(const at::Tensor& pixels) {
  const at::Tensor chroma = (pixels.amax(1, true) - pixels.amin(1, true)) / 2;
  const at::Tensor weight = 1 + 6 * at::max_pool2d(chroma, {5, 5}, {1, 1}, {2, 2});
  return weight / weight.mean();
}

}  // namespace

// Whole pictures in every fourth step; crops, as many more as fit the same pixels, in the others.
at::Tensor AutoencoderStage::batch(int64_t step) const {
  const int64_t side = recipe_.image_px, crop = recipe_.crop_px > 0 && step % 4 != 0 ? recipe_.crop_px : side, batch = recipe_.autoencoder.batch;
  const int64_t crops = (side / crop) * (side / crop);
  std::vector<Scene> scenes;
  for (int64_t i = 0; i < batch; ++i) scenes.push_back(make_scene(recipe_.scenes, mix_seed(recipe_.seed, kAutoencoderStream, 1), step * batch + i));
  const at::Tensor pixels = scene_pixels(scenes, recipe_.scenes.image_px);
  if (crops == 1) return pixels.to(options_.device);
  SceneRandom random(mix_seed(recipe_.seed, kAutoencoderStream, 3), static_cast<uint64_t>(step));
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < batch * crops; ++i) {
    const auto [x, y] = crop_of(scenes[static_cast<std::size_t>(i % batch)], static_cast<int>(side), static_cast<int>(crop), random);
    parts.push_back(pixels[i % batch].narrow(1, y, crop).narrow(2, x, crop));
  }
  return at::stack(parts).to(options_.device);
}

at::Tensor AutoencoderStage::loss(int64_t step) const {
  const at::Tensor pixels = batch(step);
  const LatentGaussian latent = model_->encode(pixels.to(parameters_.all()[0].tensor.scalar_type()), {});
  const at::Tensor mean = latent.mean.to(at::kFloat), logvar = latent.logvar.to(at::kFloat);
  const at::Tensor eps = seeded_noise(mean.sizes(), mix_seed(recipe_.seed, kAutoencoderStream + 10, step)).to(options_.device);
  const at::Tensor z = mean + (0.5 * logvar).exp() * eps;
  const at::Tensor decoded = model_->decode(z.to(latent.mean.scalar_type()), {}).to(at::kFloat);
  const at::Tensor kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum({1, 2, 3}).mean();
  const at::Tensor difference = decoded - pixels, weight = colour_weight(pixels);
  return (weight * (difference.abs() + difference.square())).mean() + 0.5 * edge_loss(decoded, pixels) + recipe_.kl_weight * kl;
}

bool AutoencoderStage::run(Deadline deadline, bool trains) {
  bool done = true;
  if (trains) {
    parameters_.require_grad(true);
    const LoopPlan plan{.stage = "autoencoder",
                        .recipe = recipe_.autoencoder,
                        .recipe_hash = sha256_hex(recipe_.vae.dump() + recipe_.name).substr(0, 16)};
    TrainingLoop loop(parameters_, plan, options_, deadline);
    done = loop.run([&](int64_t step) { return loss(step); }, nullptr);
    samples_ = loop.samples();
    loop.optimiser().finish();
  }
  if (done && trains) measure_scaling();
  if (done) export_weights();
  return done;
}

void AutoencoderStage::measure_scaling() {
  at::NoGradGuard no_grad;
  scaling_ = 1.0;
  std::vector<at::Tensor> parts;
  for (uint64_t begin = 0; begin < 512; begin += 64) {
    std::vector<Scene> scenes;
    for (uint64_t i = 0; i < 64; ++i) scenes.push_back(make_scene(recipe_.scenes, mix_seed(recipe_.seed, kAutoencoderStream, 2), begin + i));
    parts.push_back(encode(scene_pixels(scenes, recipe_.scenes.image_px).to(options_.device)));
  }
  scaling_ = 1.0 / at::cat(parts).std().item<double>();
}

void AutoencoderStage::export_weights() const {
  Json config = recipe_.vae;
  config["scaling_factor"] = scaling_;
  std::vector<at::Tensor> values;
  for (const Parameter& p : parameters_.all()) values.push_back(p.tensor);
  export_component(options_.out / "model" / "vae", "diffusion_pytorch_model.safetensors", config, parameters_, values, at::kHalf);
}

void AutoencoderStage::export_alone() const {
  Recipe alone = recipe_;
  alone.scheduler = alone.low_res_scheduler = nullptr;
  export_model_frame(options_.out / "model", alone, options_, {.index = index_without_painter("AutoencoderKL")});
}

at::Tensor AutoencoderStage::encode(const at::Tensor& pixels) const {
  at::NoGradGuard no_grad;
  return model_->encode(pixels, {}).mean * scaling_;
}

}  // namespace safelight
