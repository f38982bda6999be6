#include "engine/training/model_export.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <map>

#include "common/base/io.h"
#include "common/base/json_read.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/training/scenes/captions.h"
#include "engine/training/training_loop.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

void write_json(const std::filesystem::path& file, const Json& json) {
  std::filesystem::create_directories(file.parent_path());
  write_file_atomic(file, json.dump(2) + "\n");
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

// Thinned to at most this many points a stage.
constexpr std::size_t kCurvePoints = 120;

Json training_record(const Recipe& recipe, const TrainOptions& options) {
  std::map<std::string, std::vector<Json>> losses;
  Json stages = Json::object(), evaluations = Json::array();
  std::ifstream log(log_file(options.out));
  for (std::string line; std::getline(log, line);) {
    const Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object() || !entry.contains("stage")) continue;
    const std::string stage = entry["stage"].get<std::string>();
    stages[stage] = {{"samples", entry.value("samples", 0)}, {"seconds", std::round(entry.value("seconds", 0.0))}};
    if (entry.contains("evaluation")) evaluations.push_back({{"stage", stage}, {"samples", entry.value("samples", 0)}, {"scores", entry["evaluation"]}});
    else losses[stage].push_back(Json::array({entry.value("samples", 0), std::round(entry.value("loss", 0.0) * 1e5) / 1e5}));
  }
  for (auto& [stage, points] : losses) {
    Json curve = Json::array();
    const std::size_t every = points.size() / kCurvePoints + 1;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (i % every == 0 || i + 1 == points.size()) curve.push_back(points[i]);
    stages[stage]["loss"] = curve;
  }
  Json record = {{"recipe", recipe.name}, {"seed", recipe.seed}, {"revision", options.revision}, {"libtorch", TORCH_VERSION},
                 {"hardware", {{"device", options.device}, {"processor", processor_name()}, {"threads", at::get_num_threads()}}},
                 {"stages", stages}, {"evaluations", evaluations}};
  // What the weights were before, when they did not start from the seed.
  const auto before = options.from / "training.json";
  if (!options.from.empty() && std::filesystem::exists(before)) record["continues"] = read_json(before);
  return record;
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

void write_scene_tokenizer(const std::filesystem::path& directory, const Recipe& recipe) {
  const std::vector<std::string> words = scene_vocabulary(recipe.scenes);
  std::vector<std::string> quoted;
  if (recipe.quoted == QuotedText::merged)
    for (std::string word : sign_words()) {
      if (held_out(word)) continue;
      std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      quoted.push_back(word);
    }
  write_clip_tokenizer(directory, {.words = words, .quoted_words = quoted, .spells_quoted = recipe.quoted == QuotedText::spelled,
                                   .max_length = static_cast<int>(recipe.text_length)});
}

Json index_without_painter(const std::string& class_name) {
  Json index = {{"_class_name", class_name}};
  for (const char* part : {"unet", "text_encoder", "tokenizer", "safety_checker", "feature_extractor", "image_encoder", "requires_safety_checker"}) index[part] = nullptr;
  return index;
}

void export_model_frame(const std::filesystem::path& directory, const Recipe& recipe, const TrainOptions& options, const FrameAdditions& more) {
  Json index = {{"_class_name", "StableDiffusionPipeline"},
                {"_diffusers_version", "0.30.3"},
                {"requires_safety_checker", false},
                {"feature_extractor", {nullptr, nullptr}},
                {"safety_checker", {nullptr, nullptr}},
                {"image_encoder", {nullptr, nullptr}},
                {"text_encoder", {"transformers", "CLIPTextModel"}},
                {"tokenizer", {"transformers", "CLIPTokenizer"}},
                {"unet", {"diffusers", "UNet2DConditionModel"}},
                {"vae", {"diffusers", "AutoencoderKL"}}};
  for (const auto& [name, config] : {std::pair{"scheduler", &recipe.scheduler}, {"low_res_scheduler", &recipe.low_res_scheduler}}) {
    if (config->is_null()) continue;
    index[name] = {"diffusers", config->at("_class_name")};
    write_json(directory / name / "scheduler_config.json", *config);
  }
  index.merge_patch(more.index);
  write_json(directory / "model_index.json", index);
  Json about = {{"name", recipe.name}, {"summary", recipe.summary}, {"image_px", recipe.image_px}, {"recommended", recipe.recommended}, {"scenes", to_json(recipe.scenes)}};
  about.update(more.safelight);
  write_json(directory / "safelight.json", about);
  Json record = training_record(recipe, options);
  record.update(more.training);
  write_json(directory / "training.json", record);
  write_file_atomic(directory / "recipe.toml", recipe.text_of_file);
}

}  // namespace safelight
