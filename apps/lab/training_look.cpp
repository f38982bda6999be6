#include "apps/lab/training_look.h"

#include <fmt/format.h>

#include "apps/lab/picture_grid.h"
#include "common/base/io.h"
#include "engine/facade/engine.h"
#include "engine/training/checker/eval_tasks.h"
#include "engine/training/recipe.h"
#include "engine/training/checker/scene_checker.h"

namespace safelight::app {
namespace {

constexpr int kPromptsPerTask = 5;

std::string ppm(const Image& image) {
  return fmt::format("P6\n{} {}\n255\n", image.width, image.height) + std::string(image.pixels.begin(), image.pixels.end());
}

}  // namespace

Json look_at(const std::filesystem::path& model, const std::string& stage, int64_t samples, int threads, const PictureEncoder& encode) {
  EngineSettings settings;
  settings.threads = threads;
  Engine engine(std::move(settings));
  const SceneOptions world = world_of(model);
  Json scores = Json::object();
  std::vector<Image> pictures;
  for (const std::string& task : eval_tasks(world)) {
    int right = 0, of = 0;
    for (const EvalPrompt& prompt : eval_prompts(task, world, kPromptsPerTask)) {
      GenerateRequest request;
      request.model = model.string();
      request.prompt = prompt.text;
      request.probes = "none";
      pictures.push_back(engine.generate(request, {}, {}, {}).result.images.front());
      const Image& image = pictures.back();
      right += check_image(image.pixels.data(), image.width, parse_prompt(prompt.text)).all();
      ++of;
    }
    scores[task] = {{"right", right}, {"of", of}};
  }
  const auto sheet = model.parent_path() / "sheets" / fmt::format("{}-{:09}.{}", stage, samples, encode ? "png" : "ppm");
  std::filesystem::create_directories(sheet.parent_path());
  std::vector<const Image*> images;
  for (const Image& image : pictures) images.push_back(&image);
  const Image grid = picture_grid(images, kPromptsPerTask);  // a row a task
  write_file_atomic(sheet, encode ? encode(grid) : ppm(grid));
  return scores;
}

}  // namespace safelight::app
