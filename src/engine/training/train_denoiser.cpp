#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "common/base/sha256.h"
#include "engine/training/attention_loss.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr uint64_t kDenoiserStream = 2;

// The recipe's weight of the denoised estimate, as a weight of the mean square of the raw output.
at::Tensor loss_weight(const at::Tensor& abar, const Recipe& recipe, bool predicts_v) {
  const at::Tensor snr = abar / (1 - abar);
  return snr.clamp(recipe.min_snr_floor, recipe.min_snr_gamma) / (predicts_v ? snr + 1 : snr);
}

}  // namespace

at::Tensor training_alphas_cumprod(const Json& scheduler) {
  const double start = scheduler.at("beta_start").get<double>(), end = scheduler.at("beta_end").get<double>();
  const int64_t steps = scheduler.at("num_train_timesteps").get<int64_t>();
  const bool scaled = scheduler.at("beta_schedule").get<std::string>() == "scaled_linear";
  const at::Tensor betas = scaled ? at::linspace(std::sqrt(start), std::sqrt(end), steps, at::kDouble).square()
                                  : at::linspace(start, end, steps, at::kDouble);
  return (1 - betas).cumprod(0).to(at::kFloat);
}

DenoiserStage::DenoiserStage(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder, TextModel& text)
    : recipe_(recipe), options_(options), autoencoder_(autoencoder), text_(text), predicts_v_(recipe.scheduler.value("prediction_type", "epsilon") == "v_prediction") {
  unet_ = std::make_unique<Unet>(ParameterScope(unet_parameters_), UnetConfig::from_json(recipe.unet, "recipe [unet]"));
  unet_parameters_.initialise(mix_seed(recipe.seed, kDenoiserStream, 1));
  // A start without a denoiser lends its autoencoder and text encoder alone.
  if (!options.from.empty() && std::filesystem::exists(options.from / "unet"))
    load_weights(unet_parameters_, {options.from / "unet" / "diffusion_pytorch_model.safetensors"}, {});
  for (const Parameter& p : unet_parameters_.all()) p.tensor.set_data(p.tensor.to(options.device));
  joint_.adopt(text.parameters, "text_encoder.");
  joint_.adopt(unet_parameters_, "unet.");
  joint_.require_grad(true);
  alphas_cumprod_ = training_alphas_cumprod(recipe.scheduler).to(options.device);
}

at::Tensor DenoiserStage::loss(int64_t step) {
  const int64_t batch = recipe_.denoiser.batch;
  pool_->refresh(step);
  at::Generator generator = at::detail::createCPUGenerator(mix_seed(recipe_.seed, kDenoiserStream + 1, step));
  const at::Tensor rows = at::randint(pool_->size(), {batch}, generator, at::TensorOptions(at::kLong));
  const at::Tensor t = at::randint(alphas_cumprod_.size(0), {batch}, generator, at::TensorOptions(at::kLong));
  const at::Tensor dropped = at::rand({batch}, generator, at::TensorOptions(at::kFloat)).lt(recipe_.text_drop);
  std::vector<const Scene*> scenes;
  std::vector<bool> without_text;
  for (int64_t i = 0; i < batch; ++i) {
    scenes.push_back(&pool_->scene(rows[i].item<int64_t>()));
    without_text.push_back(dropped[i].item<bool>());
  }
  const CaptionBatch c = caption_batch(scenes, without_text, mix_seed(recipe_.seed, kDenoiserStream + 2, step), *text_.tokenizer, recipe_.text_length);
  const at::Tensor clean = pool_->latents(rows);
  const auto device = clean.device();
  const auto dtype = joint_.all().back().tensor.scalar_type();
  const at::Tensor noise = at::randn(clean.sizes(), generator, at::TensorOptions(at::kFloat)).to(device);
  const at::Tensor abar = alphas_cumprod_.index_select(0, t.to(device)), a = abar.sqrt().view({batch, 1, 1, 1}), s = (1 - abar).sqrt().view({batch, 1, 1, 1});
  UnetInputs in;
  in.sample = (a * clean + s * noise).to(dtype);
  in.timesteps = t.to(device, at::kFloat);
  in.text = text_.encoder->forward(c.ids.to(device), {}, {}).last;
  // Where nothing of the picture can be seen yet, nothing is asked of the attention.
  AttentionLoss attention(c.nouns.to(device), c.rows.to(device).bmm(pool_->masks(rows).flatten(2)).clamp_max(1).view({batch, kMentions, kMaskSide, kMaskSide}), abar);
  ForwardHooks hooks;
  if (recipe_.attention_weight > 0) hooks.observer = &attention;
  const at::Tensor target = predicts_v_ ? a * noise - s * clean : noise;
  const at::Tensor error = (unet_->forward(in, hooks).to(at::kFloat) - target).square().mean({1, 2, 3});
  const at::Tensor loss = (error * loss_weight(abar, recipe_, predicts_v_)).mean();
  const at::Tensor held = attention.value();
  return held.defined() ? loss + recipe_.attention_weight * held : loss;
}

bool DenoiserStage::run(Deadline deadline) {
  const LoopPlan plan{.stage = "denoiser",
                      .recipe = recipe_.denoiser,
                      .recipe_hash = sha256_hex(recipe_.unet.dump() + recipe_.text_encoder.dump() + recipe_.name).substr(0, 16)};
  TrainingLoop loop(joint_, plan, options_, deadline);
  pool_ = std::make_unique<ScenePool>(recipe_, options_, autoencoder_, ScenePoolStart{.seed = mix_seed(recipe_.seed, kDenoiserStream, 2), .step = loop.step(), .batch = recipe_.denoiser.batch});
  const bool done = loop.run([&](int64_t step) { return loss(step); }, [&] {
    samples_ = loop.samples();
    export_weights(loop.optimiser());
    loop.evaluate(options_.out / "model");
  });
  samples_ = loop.samples();
  return done;
}

void DenoiserStage::export_weights(const AdamW& optimiser) {
  const auto& average = optimiser.average();
  const auto split = static_cast<std::ptrdiff_t>(text_.parameters.all().size());
  const auto model = options_.out / "model";
  text_.export_to(model, {average.begin(), average.begin() + split});
  export_component(model / "unet", "diffusion_pytorch_model.safetensors", recipe_.unet, unet_parameters_, {average.begin() + split, average.end()}, at::kHalf);
  export_model_frame(model, recipe_, options_);
}

}  // namespace safelight
