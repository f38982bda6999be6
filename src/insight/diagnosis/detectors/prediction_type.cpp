// The output read as the wrong prediction type (P05). At the noisiest step a noise prediction is nearly the noisy latent
// itself, a v prediction has little in common with it; so the first raw output tells the type before any picture exists.
#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.trace.has("prediction.rho") || in.trace.steps_done() == 0) return {};
  const double rho = in.trace.scalar("prediction.rho").front();
  const std::string type = in.trace.run()["facts"]["scheduler"].value("prediction", std::string());
  const NodeInfo node = in.trace.nodes().front();
  if (node.alpha > 0.3) return {};  // not noisy enough to tell
  const bool wrong = (type == "v_prediction" && rho > 0.7) || (type == "epsilon" && rho < 0.3) || (type == "sample" && rho > 0.9);
  if (!wrong) return {};
  const std::string looks = rho > 0.7 ? "epsilon" : "v_prediction";
  return {{.subsystem = "configuration", .cause = "prediction-type", .first_step = 0, .last_step = in.trace.steps_done() - 1, .severity = 100, .module = "scheduler_config.json",
           .what = "the scheduler takes the output as " + type + ", but it behaves like " + looks,
           .evidence = {{.statistic = "prediction.rho", .value = rho, .low = rho > 0.7 ? -0.3 : 0.7, .high = rho > 0.7 ? 0.3 : 1.0, .step = 0, .note = looks}}}};
}

}  // namespace

DetectorEntry prediction_type() { return {"prediction-type", "configuration", "output read as the wrong prediction type", detect}; }

}  // namespace safelight
