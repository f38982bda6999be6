#include "apps/lab/training_look.h"

#include <fmt/format.h>

#include <algorithm>

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

// One row a task.
Image sheet_of(const std::vector<std::vector<Image>>& rows) {
  constexpr int kGap = 4;
  const int side = rows.at(0).at(0).width, cell = side + kGap;
  Image sheet{.width = kPromptsPerTask * cell + kGap, .height = static_cast<int>(rows.size()) * cell + kGap, .channels = 3, .pixels = {}};
  sheet.pixels.assign(static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height) * 3, 40);
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t i = 0; i < rows[r].size(); ++i)
      for (int y = 0; y < side; ++y) {
        const std::size_t to = (r * static_cast<std::size_t>(cell) + static_cast<std::size_t>(kGap + y)) * static_cast<std::size_t>(sheet.width) + static_cast<std::size_t>(kGap) + i * static_cast<std::size_t>(cell);
        std::copy_n(rows[r][i].pixels.begin() + static_cast<std::ptrdiff_t>(y) * side * 3, side * 3, sheet.pixels.begin() + static_cast<std::ptrdiff_t>(3 * to));
      }
  return sheet;
}

}  // namespace

Json look_at(const std::filesystem::path& model, const std::string& stage, int64_t samples, int threads, const PictureEncoder& encode) {
  EngineSettings settings;
  settings.threads = threads;
  Engine engine(std::move(settings));
  const SceneOptions world = world_of(model);
  Json scores = Json::object();
  std::vector<std::vector<Image>> rows;
  for (const std::string& task : eval_tasks(world)) {
    int right = 0, of = 0;
    rows.emplace_back();
    for (const EvalPrompt& prompt : eval_prompts(task, world, kPromptsPerTask)) {
      GenerateRequest request;
      request.model = model.string();
      request.prompt = prompt.text;
      request.probes = "none";
      rows.back().push_back(engine.generate(request, {}, {}, {}).result.images.front());
      const Image& image = rows.back().back();
      right += check_image(image.pixels.data(), image.width, parse_prompt(prompt.text)).all();
      ++of;
    }
    scores[task] = {{"right", right}, {"of", of}};
  }
  const auto sheet = model.parent_path() / "sheets" / fmt::format("{}-{:09}.{}", stage, samples, encode ? "png" : "ppm");
  std::filesystem::create_directories(sheet.parent_path());
  write_file_atomic(sheet, encode ? encode(sheet_of(rows)) : ppm(sheet_of(rows)));
  return scores;
}

}  // namespace safelight::app
