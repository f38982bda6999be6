#include "engine/training/model_export.h"

#include <ATen/ATen.h>

#include "common/base/io.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/training/captions.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

void write_json(const std::filesystem::path& file, const Json& json) {
  std::filesystem::create_directories(file.parent_path());
  write_file_atomic(file, json.dump(2) + "\n");
}

}  // namespace

void export_component(const std::filesystem::path& directory, const std::string& weight_file, const Json& config,
                      const Parameters& parameters, const std::vector<at::Tensor>& values, at::ScalarType dtype) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (std::size_t i = 0; i < values.size(); ++i)
    tensors.emplace_back(parameters.all()[i].name, values[i].detach().to(at::kCPU, dtype).contiguous());
  write_json(directory / "config.json", config);
  write_tensors(directory / weight_file, tensors, {{"format", "pt"}});
}

void export_model_frame(const std::filesystem::path& directory, const Recipe& recipe, const Json& training_record) {
  write_json(directory / "model_index.json", {{"_class_name", "StableDiffusionPipeline"},
                                              {"_diffusers_version", "0.30.3"},
                                              {"requires_safety_checker", false},
                                              {"feature_extractor", {nullptr, nullptr}},
                                              {"safety_checker", {nullptr, nullptr}},
                                              {"image_encoder", {nullptr, nullptr}},
                                              {"scheduler", {"diffusers", recipe.scheduler.at("_class_name")}},
                                              {"text_encoder", {"transformers", "CLIPTextModel"}},
                                              {"tokenizer", {"transformers", "CLIPTokenizer"}},
                                              {"unet", {"diffusers", "UNet2DConditionModel"}},
                                              {"vae", {"diffusers", "AutoencoderKL"}}});
  write_json(directory / "scheduler" / "scheduler_config.json", recipe.scheduler);
  write_json(directory / "safelight.json", {{"name", recipe.name},
                                            {"image_px", recipe.image_px},
                                            {"recommended", recipe.recommended},
                                            {"training", training_record}});
  write_file_atomic(directory / "recipe.toml", recipe.text);
  write_clip_tokenizer(directory / "tokenizer", scene_vocabulary(scene_options(recipe)),
                       static_cast<int>(recipe.text_length));
}

}  // namespace safelight
