#include "apps/cli/context.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <random>
#include <utility>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/formats/png.h"
#include "engine/tensor/device.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kMostPixels = 40'000'000;  // of a picture to start from

std::filesystem::path cache_dir() {
  if (const char* dir = std::getenv("XDG_CACHE_HOME"); dir && *dir) return std::filesystem::path(dir) / "safelight";
  if (const char* home = std::getenv("HOME"); home && *home) return std::filesystem::path(home) / ".cache" / "safelight";
  return {};
}

// When the run began; what cannot be read counts as old.
std::string created(const std::filesystem::path& run) {
  try {
    const Json record = read_json(run / "run.json");
    return record.is_object() ? record.value("created", std::string()) : std::string();
  } catch (const std::exception&) {
    return {};
  }
}

// 0 for "latest", N for "latest~N"; nothing for other names.
std::optional<std::size_t> steps_back(const std::string& name) {
  constexpr std::string_view kLatest = "latest";
  if (name == kLatest) return 0;
  std::size_t back = 0;
  if (name.rfind(std::string(kLatest) + "~", 0) != 0) return std::nullopt;
  const char *begin = name.data() + kLatest.size() + 1, *end = name.data() + name.size();
  const auto read = std::from_chars(begin, end, back);
  return read.ec == std::errc() && read.ptr == end ? std::optional(back) : std::nullopt;
}

}  // namespace

Engine& Context::engine() {
  if (engine_) return *engine_;
  EngineSettings settings;
  if (const char* dir = std::getenv("SAFELIGHT_MODELS"); dir && *dir) settings.model_dirs.emplace_back(dir);
  settings.model_dirs.emplace_back(SAFELIGHT_SOURCE_MODELS);
  if (const char* model = std::getenv("SAFELIGHT_MODEL"); model && *model) settings.default_model = model;
  settings.clip_vocabulary = SAFELIGHT_VOCABULARY;
  settings.cache_dir = cache_dir();
  settings.threads = threads;
  settings.device = device_named(device);
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

std::vector<std::filesystem::path> Context::stored_runs() const {
  std::vector<std::filesystem::path> out;
  if (!std::filesystem::is_directory(runs_dir)) return out;
  std::vector<std::pair<std::string, std::filesystem::path>> by_time;
  for (const auto& entry : std::filesystem::directory_iterator(runs_dir))
    if (std::filesystem::exists(entry.path() / "run.json")) by_time.emplace_back(created(entry.path()), entry.path());
  std::sort(by_time.begin(), by_time.end());
  for (auto& [when, run] : by_time) out.push_back(std::move(run));
  return out;
}

std::filesystem::path Context::find_run(const std::string& name) const {
  if (std::filesystem::exists(std::filesystem::path(name) / "run.json")) return name;
  if (std::filesystem::exists(runs_dir / name / "run.json")) return runs_dir / name;
  if (const auto back = steps_back(name)) {
    const auto runs = stored_runs();
    if (*back < runs.size()) return runs[runs.size() - 1 - *back];
    throw Error(ErrorCode::not_found, "'" + name + "': '" + runs_dir.string() + "' holds " + std::to_string(runs.size()) + " runs; see `safelight runs list`, or give a directory");
  }
  throw Error(ErrorCode::not_found, "run '" + name + "' is not there; see `safelight runs list`, or give its directory");
}

}  // namespace safelight::app
