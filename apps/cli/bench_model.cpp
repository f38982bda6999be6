#include "apps/cli/bench_model.h"

#include <fmt/format.h>

#include <unistd.h>

#include <map>

#include "apps/cli/bench_points.h"
#include "apps/cli/bench_serving.h"
#include "apps/lab/bench_spread.h"
#include "common/base/error.h"
#include "common/base/memory.h"

namespace safelight::app {
namespace {

constexpr const char* kLevels[] = {"none", "summary", "full"};

struct Level {
  std::vector<double> ms, probe_ms;
  double bytes = 0;
};

// All files below a directory.
double bytes_below(const std::filesystem::path& directory) {
  double total = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) total += static_cast<double>(entry.file_size());
  return total;
}

// Each round beside its own neighbour, so that drift of the machine cancels.
Spread cost_of(const Level& level, const Level& none) {
  std::vector<double> cost;
  for (std::size_t i = 0; i < level.ms.size(); ++i) cost.push_back(level.ms[i] / none.ms[i] - 1);
  return spread_of(cost);
}

}  // namespace

Json bench_model(Context& context, const ModelBench& wanted) {
  if (!wanted.device.empty()) context.device = wanted.device;
  if (!wanted.points.empty()) return bench_points(context, wanted);
  if (wanted.serve) return bench_serving(context, wanted);
  GenerateRequest request;
  request.model = wanted.model;
  request.prompt = wanted.prompt;
  request.width = request.height = wanted.size_px;
  request.count = wanted.batch;
  request.dtype = wanted.dtype.empty() ? "float32" : wanted.dtype;
  request.steps = wanted.steps;
  const auto scratch = std::filesystem::temp_directory_path() / fmt::format("safelight-bench-{}", ::getpid());
  std::map<std::string, Level> levels;
  std::map<std::string, std::vector<double>> stages;
  Json resolved;
  int runs = 0;
  const auto one = [&](const std::string& level, bool keep) {
    // All are removed at the end: a file system takes longer to make files where others were just deleted, and that would count as the probes' cost.
    const auto directory = scratch / std::to_string(runs++);
    request.probes = level;
    const FinishedRun run = context.engine().generate(request, {}, directory, {});
    if (!keep) return;
    Level& l = levels[level];
    l.ms.push_back(run.result.total_ms);
    l.probe_ms.push_back(run.result.probe_ms);
    l.bytes = bytes_below(directory);
    resolved = run.result.resolved;
    if (level == "none")
      for (const StageTime& s : run.result.stages) stages[s.name].push_back(s.ms);
  };
  ProgressBar bar(true);
  for (const char* level : kLevels) one(level, false);   // the first run of each makes plans and touches memory
  for (int round = 0; round < wanted.rounds; ++round)
    for (std::size_t k = 0; k < std::size(kLevels); ++k) {
      one(kLevels[(static_cast<std::size_t>(round) + k) % std::size(kLevels)], true);   // no level always follows the same one
      bar.show("timing", (round + static_cast<double>(k) / 3) / wanted.rounds, 0, fmt::format("round {} of {},", round + 1, wanted.rounds));
    }
  std::filesystem::remove_all(scratch);
  Json out = {{"model", resolved["model"]}, {"resolved", resolved}, {"rounds", wanted.rounds}, {"peak_bytes", peak_resident_bytes()}, {"levels", Json::object()}, {"stages_ms", Json::object()}};
  for (const char* level : kLevels) {
    const Level& l = levels[level];
    out["levels"][level] = {{"ms", to_json(spread_of(l.ms))}, {"probe_ms", to_json(spread_of(l.probe_ms))}, {"cost", to_json(cost_of(l, levels["none"]))}, {"bytes", l.bytes}};
  }
  for (const auto& [name, ms] : stages) out["stages_ms"][name] = to_json(spread_of(ms));
  out["images_per_hour"] = 3.6e6 * wanted.batch / spread_of(levels["none"].ms).median;
  return out;
}

}  // namespace safelight::app
