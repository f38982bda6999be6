// Adaptive projected guidance: the update is limited in length, and its part along the conditional estimate, which burns
// colours, is weighed down. Source: Sadat et al. 2024 (arXiv:2410.02416), Algorithm 1, without momentum: a step that depends on
// earlier ones could not be restarted from a stored point.
#include <ATen/ATen.h>

#include <vector>

#include "engine/guidance/guidance.h"

namespace safelight {
namespace {

const std::vector<int64_t> kRest = {1, 2, 3};

at::Tensor inner_product(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(kRest, true); }

Estimate combine(const GuidanceInputs& in, const Converter& converter) {
  if (!in.uncond.defined()) return converter.estimate(in.cond, in.x, in.node);
  const at::Tensor clean = converter.x0(in.cond, in.x, in.node);
  at::Tensor update = clean - converter.x0(in.uncond, in.x, in.node);
  if (in.form.norm > 0) update = update * at::clamp_max(in.form.norm / inner_product(update, update).sqrt().clamp_min(1e-12), 1.0);
  const at::Tensor along = inner_product(update, clean) / inner_product(clean, clean).clamp_min(1e-12) * clean;
  const at::Tensor guided = clean + (in.w - 1) * (update - along + in.form.parallel * along);
  return converter.estimate(rescale_guided(converter.raw_of(guided, in.x, in.node), in.cond, in.form.rescale), in.x, in.node);
}

}  // namespace

GuidanceEntry apg() {
  return {.name = "apg", .summary = "projected and limited: strong guidance without burnt colours", .source = "arXiv:2410.02416", .combine = combine};
}

}  // namespace safelight
