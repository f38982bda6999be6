// One evaluation of a denoiser that waits to be computed, and the computing of several in one batch.
#pragma once

#include <exception>
#include <vector>

#include "engine/pipelines/components.h"

namespace safelight {

// Belongs to the run that waits for it. Every evaluation says its timestep per row, so runs at different steps can share a batch.
struct DenoiseCall {
  const Denoiser& denoiser;
  const at::Tensor& x;           // [B,C,h,w], as Denoiser::predict takes it
  const at::Tensor& timesteps;   // float [B]
  const Conditioning& conditioning;
  const ForwardHooks& hooks;
  bool shares = false;           // the run allows neighbours in its batches
  at::Tensor out;                // [B,C,h,w], once computed
  std::exception_ptr error;      // of this call alone: its observer threw

  int64_t rows() const { return x.size(0); }
  // Edits, step caches, token merging and a ControlNet's residuals are of one run: such calls are computed by themselves.
  bool may_share() const { return shares && !hooks.edit && !hooks.cache && hooks.merge_tokens == 0 && conditioning.residuals.empty(); }
};

// Whether both may be computed in one batch: one network, and inputs of the same kinds and sizes.
bool fit_together(const DenoiseCall& a, const DenoiseCall& b);

// By itself, exactly as without serving. Throws what the denoiser throws.
void compute(DenoiseCall& call);

// All in one batch; two or more calls, each of which fits the first. The rows of the negative prompts stand first, those of runs that have some in front,
// so that Conditioning::unconditional stays right and row i of the one half belongs to row i of the other. Each call's observer is shown that call's
// rows; one that throws fails its own call alone. Throws what the denoiser throws.
void compute_together(const std::vector<DenoiseCall*>& calls);

}  // namespace safelight
