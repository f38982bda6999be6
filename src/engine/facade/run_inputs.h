// The pictures of a request as tensors at the size that a model works at, and the canvas that its result goes back into.
#pragma once

#include <optional>

#include "engine/pipelines/run.h"

namespace safelight {

// `picture` and `mask` are as read from their files. Fills in request.width and height where they are 0: the picture's own size,
// or the masked part's, rounded to what the model takes. Throws Error(conflict) when picture and mask differ in size.
RunInputs run_inputs(const Components& components, GenerateRequest& request, const Image& picture, const std::optional<Image>& mask);

// [1,3,H,W] in [0,1], at the size of the request.
at::Tensor hint_of(const Image& hint, const GenerateRequest& request);

}  // namespace safelight
