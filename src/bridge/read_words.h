// The engine as the reader of its own pictures, see insight/diagnosis/reading.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "common/api/generate_request.h"
#include "engine/pipelines/components.h"
#include "insight/diagnosis/reading.h"

namespace safelight {

// `request`: resolved settings of the run whose final latent [C,h,w] is given; its prompt is the one that is read, without interventions. Nothing for models
// that see more than text and noise, and for prompts without words. Deterministic.
std::optional<Reading> read_words(const Components& model, const GenerateRequest& request, const at::Tensor& latent);

}  // namespace safelight
