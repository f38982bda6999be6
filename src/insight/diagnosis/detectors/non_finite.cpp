// NaN or infinity: belongs to the module where it starts (P01).
#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::string subsystem_of(const std::string& module) {
  if (module.rfind("text", 0) == 0) return "text-encoder";
  if (module.rfind("vae", 0) == 0) return "decoder";
  if (module.rfind("scheduler", 0) == 0) return "scheduler";
  return "denoiser";
}

std::vector<Finding> detect(const DetectorInput& in) {
  const Json& run = in.trace.run();
  if (!run.contains("facts") || !run["facts"].contains("numerics")) return {};
  const Json first = run["facts"]["numerics"].value("first_nonfinite", Json(nullptr));
  if (!first.is_object()) return {};
  const std::string module = first.value("module", std::string());
  const int step = first.value("step", -1);
  return {{.subsystem = subsystem_of(module), .cause = "non-finite", .first_step = step, .last_step = step, .severity = 1e3, .module = module,
           .what = "the first value that is not finite comes out of " + module, .evidence = {{.statistic = "numerics.nonfinite", .value = 1, .step = step}}}};
}

}  // namespace

DetectorEntry non_finite() { return {"non-finite", "denoiser", "values that are NaN or infinite, and where they start", detect}; }

}  // namespace safelight
