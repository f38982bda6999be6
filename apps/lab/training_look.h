// A look at a model while it is trained: a few pictures, their score, and a sheet. What it finds is logged, never trained on.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "common/api/image.h"
#include "common/base/json.h"

namespace safelight::app {

// Bytes of a picture file; null where no encoder is linked: sheets are then written as PPM.
using PictureEncoder = std::function<std::string(const Image&)>;

// Draws the first prompts of every task at the model's recommended setting. Returns {task: {"right", "of"}} and writes
// sheets/<stage>-<samples>.png beside the model.
Json look_at(const std::filesystem::path& model, const std::string& stage, int64_t samples, int threads, const PictureEncoder& encode);

}  // namespace safelight::app
