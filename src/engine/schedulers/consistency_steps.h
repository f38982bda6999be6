// The timesteps of samplers for consistency-distilled models: a subset of those that distillation used.
#pragma once

#include <string>
#include <vector>

#include "engine/schedulers/solver.h"

namespace safelight {

// Throws Error(invalid_argument) when more steps are asked for than distillation had.
std::vector<double> consistency_timesteps(const SolverInputs& in, const std::string& solver);

}  // namespace safelight
