#include "engine/schedulers/consistency_steps.h"

#include <cmath>

#include "common/base/error.h"

namespace safelight {

std::vector<double> consistency_timesteps(const SolverInputs& in, const std::string& solver) {
  if (!in.custom.timesteps.empty()) return in.custom.timesteps;
  const int original = in.custom.original_steps > 0 ? in.custom.original_steps : in.config.original_inference_steps;
  if (in.steps > original)
    throw Error(ErrorCode::invalid_argument, solver + " takes at most " + std::to_string(original) +
                                                 " steps with this model, " + std::to_string(in.steps) + " were asked for");
  const int ratio = in.config.num_train_timesteps / original;
  std::vector<double> timesteps;
  for (int i = 0; i < in.steps; ++i) {
    const int index = static_cast<int>(std::floor(static_cast<double>(original) * i / in.steps));
    timesteps.push_back((original - index) * ratio - 1);
  }
  return timesteps;
}

}  // namespace safelight
