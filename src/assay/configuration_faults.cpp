// Settings that contradict the model. The record of a run states them as the model's own, so only their effect gives them away.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "assay/decorators.h"
#include "common/base/error.h"

namespace safelight {
namespace {

const Truth kScale = {.subsystem = "configuration", .also = {"decoder"}, .trigger = "configuration", .causes = {"latent-scale", "decoder-mismatch"}};
const Truth kSize = {.subsystem = "configuration", .also = {"denoiser"}, .trigger = "configuration"};

void latent_scale(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.latents = [factor = s.dose](at::Tensor z) { return z * factor; }});
}

void latent_offset(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.latents = [offset = s.dose](at::Tensor z) { return z + offset; }});
}

// The network predicts v = alpha noise - sigma x0, the configuration still says noise.
void prediction_type(const FaultSite& s, Injection& i) {
  const SchedulerConfig config = SchedulerConfig::from_json(s.healthy.scheduler_config, s.healthy.scheduler_where);
  if (config.prediction != Prediction::epsilon) throw Error(ErrorCode::unsupported, "fault 'prediction-type' needs a model that predicts noise");
  damage_denoiser(i, {.output = [table = NoiseTable(config)](const DenoiserInputs& in, at::Tensor noise) {
    const int t = std::clamp(static_cast<int>(std::lround(in.timesteps[0].item<double>())), 0, table.size() - 1);
    const Node node = table.node_at(t);
    return node.alpha * noise - node.sigma * (in.x - node.sigma * noise) / node.alpha;
  }});
}

void picture_size(const FaultSite& s, Injection& i) {
  const auto unit = static_cast<int>(s.healthy.autoencoder->downscale() * s.healthy.denoiser->patch());
  const int side = std::max(1, static_cast<int>(s.healthy.default_side_px * s.dose) / unit) * unit;
  i.request.width = i.request.height = side;
}

// Wide or tall, with one side as in training.
void picture_shape(const FaultSite& s, Injection& i) {
  const auto unit = static_cast<int>(s.healthy.autoencoder->downscale() * s.healthy.denoiser->patch());
  i.request.width = std::max(1, static_cast<int>(s.healthy.default_side_px * s.dose) / unit) * unit;
  i.request.height = s.healthy.default_side_px / unit * unit;
}

}  // namespace

std::vector<FaultEntry> configuration_faults() {
  return {
      {"latent-scale", "latents are multiplied by a factor before they are decoded", kScale, {1.4, 0.5, 2.5}, "factor", false, latent_scale},
      {"latent-offset", "a constant is added to the latents before they are decoded", kScale, {0.4, 0.8, 1.6}, "latent units", false, latent_offset},
      {"latent-sign", "latents change their sign before they are decoded", kScale, {-1}, "factor", true, latent_scale},
      {"picture-shape", "the picture is wider or narrower than those that the model was trained on", kSize, {2, 0.5, 3}, "times the width", true, picture_shape},
      {"prediction-type", "the network predicts v, its configuration says noise",
       {.subsystem = "configuration", .also = {}, .trigger = "configuration", .causes = {"prediction-type"}}, {1}, "on", false, prediction_type},
      {"size-above-training", "the picture is larger than those that the model was trained on", kSize, {1.5, 2, 3}, "times the side", false, picture_size},
      {"size-below-training", "the picture is smaller than those that the model was trained on", kSize, {0.75, 0.5}, "times the side", false, picture_size},
  };
}

}  // namespace safelight
