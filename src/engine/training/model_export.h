// Writes a trained model as a directory in the diffusers layout.
#pragma once

#include <filesystem>

#include "engine/training/adamw.h"
#include "engine/training/recipe.h"

namespace safelight {

// The averaged weights of one component, as float16 (or float32), with its config.json beside them.
void export_component(const std::filesystem::path& directory, const std::string& weight_file, const Json& config,
                      const Parameters& parameters, const std::vector<at::Tensor>& values, at::ScalarType dtype);

// model_index.json, scheduler/, safelight.json (recommended setting, vocabulary, training record), tokenizer/.
void export_model_frame(const std::filesystem::path& directory, const Recipe& recipe, const Json& training_record);

}  // namespace safelight
