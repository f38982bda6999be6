// Reruns one recorded case of the reference implementation.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "common/base/json.h"
#include "engine/pipelines/components.h"

namespace safelight::app {

struct GoldenOutcome {
  bool passed = false, unsupported = false;
  double error = 0;                      // the largest relative L2 over the outputs
  std::string what;                      // the output with the largest error, or what went wrong
  std::vector<std::pair<std::string, at::Tensor>> tensors;  // computed, by the record's keys
};

// root: the directory of the manifest. Never throws for a failing case.
GoldenOutcome run_golden_case(const Json& golden, const std::filesystem::path& root);

// Latents as the record has them: in patches for models that work on patches, as they are for others.
at::Tensor recorded_form(const Denoiser& denoiser, const at::Tensor& latents);

}  // namespace safelight::app
