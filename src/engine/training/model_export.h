// Writes a trained model as a directory in the diffusers layout.
#pragma once

#include <filesystem>

#include "engine/training/adamw.h"
#include "engine/training/train.h"

namespace safelight {

// The averaged weights of one component, as float16 (or float32), with its config.json beside them.
void export_component(const std::filesystem::path& directory, const std::string& weight_file, const Json& config,
                      const Parameters& parameters, const std::vector<at::Tensor>& values, at::ScalarType dtype);

// Members that are added to model_index.json (null removes one), safelight.json and training.json.
struct FrameAdditions {
  Json index = Json::object();
  Json safelight = Json::object(), training = Json::object();
};

// The members of model_index.json for a model that paints nothing from a prompt: of a text-to-image model's parts only the autoencoder stays.
Json index_without_painter(const std::string& class_name);

// model_index.json (of a text-to-image model, unless `more` says otherwise), the recipe's schedulers, safelight.json (recommended setting, world), recipe.toml and training.json: seed, revision,
// hardware, and for every stage its samples, seconds and curves, read from the log of `options.out`.
void export_model_frame(const std::filesystem::path& directory, const Recipe& recipe, const TrainOptions& options, const FrameAdditions& more = {});

// The tokenizer of the recipe's world.
void write_scene_tokenizer(const std::filesystem::path& directory, const Recipe& recipe);

}  // namespace safelight
