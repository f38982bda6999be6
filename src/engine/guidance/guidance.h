// Two estimates -> one. Every form there is stands in guidance_table().
#pragma once

#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "engine/schedulers/convert.h"

namespace safelight {

// One evaluation of the denoiser at one node, and how strongly to lead.
struct GuidanceInputs {
  at::Tensor cond, uncond;  // raw outputs [N,C,h,w]; uncond undefined when there is no guidance
  at::Tensor x;             // what the denoiser saw, variance-preserving scale
  Node node;
  double w = 1;
  const GuidanceForm& form;
};

struct GuidanceEntry {
  std::string name;
  std::string summary;
  std::string source;
  bool leads_below_one = false;   // scales from 0 to 1 are its usual range, not "off"
  bool splits_estimate = false;   // x0 and eps do not belong to one another: only for solvers that use both
  Estimate (*combine)(const GuidanceInputs&, const Converter&) = nullptr;
};

const std::vector<GuidanceEntry>& guidance_table();
// Throws Error(invalid_argument) listing the names.
const GuidanceEntry& guidance_named(const std::string& name);

// u + w (c - u); all [N,C,h,w]. w = 1 needs no unconditional estimate; then `uncond` may be undefined.
at::Tensor classifier_free_guidance(const at::Tensor& cond, const at::Tensor& uncond, double w);

// Moves the standard deviation of the guided estimate towards that of the conditional one, per image, by `share`
// (Lin et al., arXiv:2305.08891, section 3.4). share in [0,1]; 0 changes nothing.
at::Tensor rescale_guided(const at::Tensor& guided, const at::Tensor& cond, double share);

}  // namespace safelight
