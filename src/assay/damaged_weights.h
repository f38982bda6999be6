// Faults of stored weights: the model is opened once more from its files, with some tensors changed on the way in.
#pragma once

#include "assay/fault.h"
#include "engine/weights/weight_source.h"

namespace safelight {

enum class Part { text_encoder, denoiser, decoder };

// Gives the tensor that stands for `key` in the damaged part. Pure; never writes to what the source gave.
using WeightChange = std::function<at::Tensor(const WeightSource& source, const std::string& key)>;

// Replaces one part of the model by the damaged one. Throws Error(unsupported) when the model is not a directory.
void damage_weights(const FaultSite& site, Injection& injection, Part part, WeightChange change);

}  // namespace safelight
