#include "engine/guidance/guidance.h"

#include <ATen/ATen.h>

#include "common/base/error.h"

namespace safelight {

GuidanceEntry apg();
GuidanceEntry cfg_plus_plus();

at::Tensor classifier_free_guidance(const at::Tensor& cond, const at::Tensor& uncond, double w) {
  if (!uncond.defined()) return cond;
  return uncond + w * (cond - uncond);
}

at::Tensor rescale_guided(const at::Tensor& guided, const at::Tensor& cond, double share) {
  if (share == 0) return guided;
  const std::vector<int64_t> rest = {1, 2, 3};
  const at::Tensor ratio = cond.std(rest, true, true) / guided.std(rest, true, true);
  return share * (guided * ratio) + (1 - share) * guided;
}

namespace {

Estimate plain(const GuidanceInputs& in, const Converter& converter) {
  const at::Tensor guided = classifier_free_guidance(in.cond, in.uncond, in.w);
  return converter.estimate(rescale_guided(guided, in.cond, in.uncond.defined() ? in.form.rescale : 0), in.x, in.node);
}

GuidanceEntry cfg() {
  return {.name = "cfg", .summary = "classifier-free guidance, with rescale", .source = "arXiv:2207.12598", .combine = plain};
}

}  // namespace

const std::vector<GuidanceEntry>& guidance_table() {
  static const std::vector<GuidanceEntry> table = {apg(), cfg(), cfg_plus_plus()};
  return table;
}

const GuidanceEntry& guidance_named(const std::string& name) {
  std::string known;
  for (const GuidanceEntry& e : guidance_table()) {
    if (e.name == name) return e;
    known += (known.empty() ? "" : ", ") + e.name;
  }
  throw Error(ErrorCode::invalid_argument, "guidance form '" + name.substr(0, 64) + "' is unknown; known: " + known);
}

}  // namespace safelight
