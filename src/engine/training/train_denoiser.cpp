#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "common/base/error.h"
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

DenoiserStage::DenoiserStage(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder, std::vector<TextModel*> texts)
    : recipe_(recipe), options_(options), autoencoder_(autoencoder), texts_(std::move(texts)), predicts_v_(recipe.scheduler.value("prediction_type", "epsilon") == "v_prediction") {
  for (const TextModel* text : texts_)
    if (text->recipe.unet != recipe.unet || text->recipe.text_length != recipe.text_length)
      throw Error(ErrorCode::conflict, "recipe '" + text->recipe.name + "' has another [unet] or text_length than '" + recipe.name + "': they cannot share a denoiser");
  unet_ = std::make_unique<Unet>(ParameterScope(unet_parameters_), UnetConfig::from_json(recipe.unet, "recipe [unet]"));
  unet_parameters_.initialise(mix_seed(recipe.seed, kDenoiserStream, 1));
  // A start without a denoiser lends its autoencoder and text encoder alone.
  if (!options.from.empty() && std::filesystem::exists(options.from / "unet"))
    load_weights(unet_parameters_, {options.from / "unet" / "diffusion_pytorch_model.safetensors"}, {});
  for (const Parameter& p : unet_parameters_.all()) p.tensor.set_data(p.tensor.to(options.device));
  for (TextModel* text : texts_) joint_.adopt(text->parameters, (text == texts_.front() ? "" : text->recipe.name + ".") + "text_encoder.");
  joint_.adopt(unet_parameters_, "unet.");
  joint_.require_grad(true);
  alphas_cumprod_ = training_alphas_cumprod(recipe.scheduler).to(options.device);
}

DenoiserStage::EncodedCaptions DenoiserStage::encode(const std::vector<const Scene*>& scenes, const std::vector<bool>& without_text, int64_t step) const {
  std::vector<at::Tensor> text, placed, rows;
  const std::size_t encoders = texts_.size();
  for (std::size_t e = 0; e < encoders; ++e) {
    const auto begin = static_cast<std::ptrdiff_t>(scenes.size() * e / encoders), end = static_cast<std::ptrdiff_t>(scenes.size() * (e + 1) / encoders);
    if (begin == end) continue;
    const uint64_t seed = mix_seed(recipe_.seed, kDenoiserStream + 2, step) + static_cast<uint64_t>(begin);
    const CaptionBatch c = caption_batch({scenes.begin() + begin, scenes.begin() + end}, {without_text.begin() + begin, without_text.begin() + end}, seed, *texts_[e]->tokenizer, recipe_.text_length);
    text.push_back(texts_[e]->encoder->forward(c.ids.to(options_.device), {}, {}).last);
    placed.push_back(c.placed);
    rows.push_back(c.rows);
  }
  return {at::cat(text), at::cat(placed).to(options_.device), at::cat(rows).to(options_.device)};
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
  const EncodedCaptions captions = encode(scenes, without_text, step);
  const at::Tensor clean = pool_->latents(rows);
  const auto device = clean.device();
  const auto dtype = joint_.all().back().tensor.scalar_type();
  const at::Tensor noise = at::randn(clean.sizes(), generator, at::TensorOptions(at::kFloat)).to(device);
  const at::Tensor abar = alphas_cumprod_.index_select(0, t.to(device)), a = abar.sqrt().view({batch, 1, 1, 1}), s = (1 - abar).sqrt().view({batch, 1, 1, 1});
  UnetInputs in;
  in.sample = (a * clean + s * noise).to(dtype);
  in.timesteps = t.to(device, at::kFloat);
  in.text = captions.text;
  // Where nothing of the picture can be seen yet, nothing is asked of the attention.
  AttentionLoss attention(captions.placed, captions.rows.bmm(pool_->masks(rows).flatten(2)).clamp_max(1).view({batch, kPlacedTokens, kMaskSide, kMaskSide}), abar);
  ForwardHooks hooks;
  if (recipe_.attention_weight > 0) hooks.observer = &attention;
  const at::Tensor target = predicts_v_ ? a * noise - s * clean : noise;
  const at::Tensor error = (unet_->forward(in, hooks).to(at::kFloat) - target).square().mean({1, 2, 3});
  const at::Tensor loss = (error * loss_weight(abar, recipe_, predicts_v_)).mean();
  const at::Tensor held = attention.value();
  return held.defined() ? loss + recipe_.attention_weight * held : loss;
}

bool DenoiserStage::run(Deadline deadline) {
  std::string parts = recipe_.unet.dump() + recipe_.text_encoder.dump() + recipe_.name;
  for (std::size_t e = 1; e < texts_.size(); ++e) parts += texts_[e]->recipe.text_encoder.dump() + texts_[e]->recipe.name;
  const LoopPlan plan{.stage = "denoiser", .recipe = recipe_.denoiser, .recipe_hash = sha256_hex(parts).substr(0, 16)};
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

void DenoiserStage::export_weights(const AdamW& optimiser) const {
  auto part = optimiser.average().begin();
  const auto values = [&](const Parameters& of) {
    const auto begin = part;
    part += static_cast<std::ptrdiff_t>(of.all().size());
    return std::vector<at::Tensor>(begin, part);
  };
  for (const TextModel* text : texts_) text->export_to(text->options.out / "model", values(text->parameters));
  const auto model = options_.out / "model";
  export_component(model / "unet", "diffusion_pytorch_model.safetensors", recipe_.unet, unet_parameters_, values(unet_parameters_), at::kHalf);
  export_model_frame(model, recipe_, options_);
  for (std::size_t e = 1; e < texts_.size(); ++e) {
    const auto sharer = texts_[e]->options.out / "model";
    for (const char* shared : {"unet", "vae"}) {
      std::filesystem::remove_all(sharer / shared);
      std::filesystem::create_directory_symlink(std::filesystem::relative(model / shared, sharer), sharer / shared);
    }
    export_model_frame(sharer, texts_[e]->recipe, texts_[e]->options, {.training = {{"shares_denoiser_of", {{"name", recipe_.name}, {"samples", samples_}}}}});
  }
}

}  // namespace safelight
