// CFG++: the guided estimate gives the clean image, the unconditional one the noise that is put back, so that the path stays
// on the data's manifold; scales from 0 to 1. Source: Chung et al. 2024 (arXiv:2406.08070), Algorithm 2.
#include "engine/guidance/guidance.h"

namespace safelight {
namespace {

Estimate combine(const GuidanceInputs& in, const Converter& converter) {
  const at::Tensor guided = classifier_free_guidance(in.cond, in.uncond, in.w);
  Estimate out = converter.estimate(rescale_guided(guided, in.cond, in.uncond.defined() ? in.form.rescale : 0), in.x, in.node);
  if (in.uncond.defined()) out.eps = converter.eps(in.uncond, in.x, in.node);
  return out;
}

}  // namespace

GuidanceEntry cfg_plus_plus() {
  return {.name = "cfg++", .summary = "noise from the unconditional estimate; scales 0 to 1", .source = "arXiv:2406.08070",
          .leads_below_one = true, .splits_estimate = true, .combine = combine};
}

}  // namespace safelight
