// From latents to pixels, with what interventions change on the way.
#include <ATen/ATen.h>

#include "engine/pipelines/run_state.h"

namespace safelight {

at::Tensor RunState::decoded(const at::Tensor& latents, ForwardObserver* observer) {
  const at::Tensor scaled = change.latent_scale ? latents * *change.latent_scale : latents;
  if (change.decoder && change.decoder->kind == "linear") {
    std::vector<float> matrix;
    for (const auto& row : components.latent_to_rgb) matrix.insert(matrix.end(), row.begin(), row.end());
    const int64_t channels = scaled.size(1);
    const at::Tensor m = at::tensor(matrix, at::kFloat).view({channels + 1, 3});
    const at::Tensor rgb = at::einsum("nchw,cd->ndhw", {scaled, m.slice(0, 0, channels)}) + m[channels].view({1, 3, 1, 1});
    return at::upsample_nearest2d(rgb, {request.height, request.width});
  }
  const Autoencoder& decoder = options.other_decoder ? *options.other_decoder : *components.autoencoder;
  return decoder.decode(scaled, {.observer = observer, .edit = edit.needed() ? &edit : nullptr});
}

void RunState::decode() {
  if (options.progress) options.progress({.stage = "decode"});
  latents_ = untouched_ ? picture_latents_ : solver->latent();
  if (const auto unfinished = untouched_ ? std::nullopt : solver->next()) partial_ = unfinished->model_input;
  pixels_ = decoded(latents_, options.probes.empty() ? nullptr : &decode_watch_);
  if (change.latent_scale) latents_ = latents_ * *change.latent_scale;
}

}  // namespace safelight
