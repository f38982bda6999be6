#include "apps/cli/context.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdlib>
#include <random>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/formats/png.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kMostPixels = 40'000'000;  // of a picture to start from

std::filesystem::path cache_dir() {
  if (const char* dir = std::getenv("XDG_CACHE_HOME"); dir && *dir) return std::filesystem::path(dir) / "safelight";
  if (const char* home = std::getenv("HOME"); home && *home) return std::filesystem::path(home) / ".cache" / "safelight";
  return {};
}

}  // namespace

Engine& Context::engine() {
  if (engine_) return *engine_;
  EngineSettings settings;
  if (const char* dir = std::getenv("SAFELIGHT_MODELS"); dir && *dir) settings.model_dirs.emplace_back(dir);
  settings.model_dirs.emplace_back(SAFELIGHT_SOURCE_MODELS);
  settings.clip_vocabulary = SAFELIGHT_VOCABULARY;
  settings.cache_dir = cache_dir();
  settings.threads = threads;
  settings.read_picture = [](const std::filesystem::path& file) { return decode_png(read_file(file), "'" + file.string() + "'", nullptr, kMostPixels); };
  settings.encoder = [](const Image& image, const std::string& parameters) {
    PngText text;
    if (!parameters.empty()) text.entries["parameters"] = parameters;
    return encode_png(image, text);
  };
  engine_ = std::make_unique<Engine>(std::move(settings));
  return *engine_;
}

std::filesystem::path Context::new_run_directory() const {
  std::random_device random;
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return runs_dir / fmt::format("{:%Y%m%d-%H%M%S}-{:06x}", fmt::gmtime(now), random() & 0xFFFFFF);
}

std::filesystem::path Context::find_run(const std::string& name) const {
  if (std::filesystem::exists(std::filesystem::path(name) / "run.json")) return name;
  if (std::filesystem::exists(runs_dir / name / "run.json")) return runs_dir / name;
  if (name == "latest" && std::filesystem::is_directory(runs_dir)) {
    std::filesystem::path newest;
    for (const auto& entry : std::filesystem::directory_iterator(runs_dir))
      if (std::filesystem::exists(entry.path() / "run.json") && entry.path().filename() > newest.filename()) newest = entry.path();
    if (!newest.empty()) return newest;
  }
  throw Error(ErrorCode::not_found, "run '" + name + "' is not there; see `safelight runs list`, or give its directory");
}

}  // namespace safelight::app
