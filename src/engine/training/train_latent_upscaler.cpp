#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/base/sha256.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"

namespace safelight {
namespace {

constexpr uint64_t kUpscalerStream = 21;
constexpr double kCharbonnier = 1e-3;   // where the loss turns from square to absolute (Charbonnier et al., 1994)
constexpr int64_t kCropSide = 8;        // of the decoded crops, latent cells

at::Tensor charbonnier(const at::Tensor& difference) { return (difference.square() + kCharbonnier * kCharbonnier).sqrt().mean(); }

}  // namespace

LatentUpscalerStage::LatentUpscalerStage(const Recipe& recipe, const TrainOptions& options)
    : recipe_(recipe), options_(options), autoencoder_(options.from, options.device) {
  const auto config = LatentTransformerConfig::from_json(recipe.latent_transformer, "recipe [latent_transformer]");
  if (const int64_t theirs = autoencoder_.config().latent_channels; config.latent_channels != theirs)
    throw Error(ErrorCode::conflict, "recipe [latent_transformer]: latent_channels is " + std::to_string(config.latent_channels) + ", the autoencoder in '" +
                                         options.from.string() + "' has " + std::to_string(theirs));
  if (const int64_t side = recipe.image_px / autoencoder_.config().downscale(); config.sample_size != side)
    throw Error(ErrorCode::conflict, "recipe [latent_transformer]: sample_size is " + std::to_string(config.sample_size) +
                                         "; pictures of image_px have latents of side " + std::to_string(side) + " here");
  model_ = std::make_unique<LatentTransformer>(ParameterScope(parameters_), config);
  parameters_.initialise(mix_seed(recipe.seed, kUpscalerStream, 0));
  for (const Parameter& p : parameters_.all()) p.tensor.set_data(p.tensor.to(options.device));
  parameters_.require_grad(true);
}

// The same scenes twice, the second time with twice the side.
ScenePairRows LatentUpscalerStage::encoded(const std::vector<Scene>& scenes) const {
  const auto at_side = [&](int side) { return autoencoder_.encode(scene_pixels(scenes, side).to(options_.device)); };
  const int side = static_cast<int>(recipe_.image_px);
  return {at_side(side), at_side(2 * side)};
}

// Generated latents are not as clean as encoded ones: the input gets noise of any level up to the one in the configuration.
at::Tensor LatentUpscalerStage::loss(int64_t step) {
  const int64_t batch = recipe_.latent_upscaler.batch;
  pairs_->refresh(step);
  at::Generator generator = at::detail::createCPUGenerator(mix_seed(recipe_.seed, kUpscalerStream + 1, step));
  const ScenePairRows pair = pairs_->draw(at::randint(recipe_.pool, {batch}, generator, at::TensorOptions(at::kLong)));
  const at::Tensor level = model_->config().noise_level * at::rand({batch, 1, 1, 1}, generator, at::TensorOptions(at::kFloat));
  const at::Tensor noise = level * at::randn(pair.low.sizes(), generator, at::TensorOptions(at::kFloat));
  const at::Tensor seen = (pair.low + noise.to(pair.low.device())).to(parameters_.all().front().tensor.scalar_type());
  const at::Tensor made = model_->forward(seen, {}).to(at::kFloat);
  const at::Tensor loss = charbonnier(made - pair.high);
  if (recipe_.pixel_weight == 0) return loss;
  const int64_t rows = pair.high.size(2), columns = pair.high.size(3), height = std::min(kCropSide, rows), width = std::min(kCropSide, columns);
  const auto begin = [&](int64_t most) { return at::randint(most + 1, {1}, generator, at::TensorOptions(at::kLong)).item<int64_t>(); };
  const int64_t y = begin(rows - height), x = begin(columns - width);
  // Of a quarter of the batch: to decode takes longer than all the rest.
  const auto decoded = [&](const at::Tensor& latents) { return autoencoder_.decode(latents.narrow(0, 0, (batch + 3) / 4).narrow(2, y, height).narrow(3, x, width)); };
  return loss + recipe_.pixel_weight * charbonnier(decoded(made) - decoded(pair.high));
}

bool LatentUpscalerStage::run(Deadline deadline) {
  const StageRecipe& s = recipe_.latent_upscaler;
  const Json decisive = {{"recipe", recipe_.name}, {"seed", recipe_.seed}, {"scenes", to_json(recipe_.scenes)}, {"image_px", recipe_.image_px},
                         {"network", recipe_.latent_transformer}, {"autoencoder", autoencoder_.weights_hash()}, {"pixel_weight", recipe_.pixel_weight},
                         {"pool", recipe_.pool}, {"batch", s.batch}, {"bfloat16", s.bfloat16}};
  const LoopPlan plan{.stage = "latent_upscaler", .recipe = s, .recipe_hash = sha256_hex(decisive.dump()).substr(0, 16)};
  TrainingLoop loop(parameters_, plan, options_, deadline);
  copy_part(options_.from, options_.out / "model", "vae");
  pairs_ = std::make_unique<ScenePairs>(ScenePairsPlan{.world = recipe_.scenes,
                                                       .seed = mix_seed(recipe_.seed, kUpscalerStream, 1),
                                                       .pool = recipe_.pool,
                                                       .batch = s.batch,
                                                       .step = loop.step(),
                                                       .make = [this](const std::vector<Scene>& scenes) { return encoded(scenes); }});
  const bool done = loop.run([&](int64_t step) { return loss(step); }, [&] { export_weights(loop.optimiser()); });
  samples_ = loop.samples();
  return done;
}

void LatentUpscalerStage::export_weights(const AdamW& optimiser) const {
  const auto model = options_.out / "model";
  export_component(model / "latent_upscaler", "diffusion_pytorch_model.safetensors", recipe_.latent_transformer, parameters_, optimiser.average(), at::kHalf);
  Json index = index_without_painter("LatentUpscalePipeline");
  index["latent_upscaler"] = {"safelight", "LatentTransformerUpscaler"};
  export_model_frame(model, recipe_, options_,
                     {.index = index,
                      .safelight = {{"upscaler", {{"kind", "latent"}, {"factor", 2}, {"low_px", recipe_.image_px},
                                                  {"autoencoder", autoencoder_.weights_hash()}}}}});
}

}  // namespace safelight
