#include "apps/cli/bench_points.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "apps/cli/enlarger.h"
#include "apps/lab/bench_spread.h"
#include "common/base/error.h"
#include "common/base/side_by_side.h"
#include "engine/facade/thread_choice.h"

namespace safelight::app {
namespace {

struct Point {
  std::string name;
  GenerateRequest request;
  std::unique_ptr<Enlarger> enlarger;   // null: no cascade
  int at_once = 1;                      // pictures that `generate --from` draws side by side
  std::vector<double> ms, ms_at_once;   // of a picture by itself, and of each when as many are drawn
  Json resolved;
  Image last;
};

Point point_of(const std::string& text, const ModelBench& wanted, Context& context) {
  const std::size_t equals = text.find('='), plus = text.find('+', equals == std::string::npos ? 0 : equals);
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size() || plus == equals + 1 || plus + 1 == text.size())
    throw Error(ErrorCode::invalid_argument, "--points '" + text + "': expected NAME=MODEL or NAME=MODEL+UPSCALER, for example cascaded=signs-fast+signs-up-latent");
  Point p;
  p.name = text.substr(0, equals);
  p.request.model = text.substr(equals + 1, plus == std::string::npos ? plus : plus - equals - 1);
  p.request.prompt = wanted.prompt;
  p.request.dtype = wanted.dtype.empty() ? "float32" : wanted.dtype;
  p.request.probes = "summary";
  p.at_once = thread_choice(context.engine(), p.request).runs_at_once;
  if (plus == std::string::npos) return p;
  GenerateRequest enlarging;
  enlarging.model = text.substr(plus + 1);
  const auto model = context.engine().find_model(enlarging.model);
  p.enlarger = open_enlarger(model, upscaler_kind(model).factor, enlarging, context);
  return p;
}

// One picture of the point; called by several threads.
Image drawn(const Point& p, Context& context, const std::filesystem::path& directory, std::uint64_t seed, Json* resolved) {
  GenerateRequest request = p.request;
  request.seed = seed;
  const FinishedRun run = context.engine().generate(request, {}, directory, {});
  if (resolved) *resolved = run.result.resolved;
  if (!p.enlarger) return run.result.images.front();
  choose_threads(context, true);
  return upscaled(*p.enlarger, run.result.images.front(), {});
}

double ms_since(std::chrono::steady_clock::time_point start) { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count(); }

void time_one(Point& p, Context& context, const std::filesystem::path& directory, std::uint64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  p.last = drawn(p, context, directory, seed, &p.resolved);
  p.ms.push_back(ms_since(start));
}

// As `generate --from` draws them.
void time_many(Point& p, Context& context, const std::filesystem::path& directory, std::uint64_t seed) {
  constexpr std::size_t kTurns = 2;   // of every thread: the last one to end matters less
  const std::size_t pictures = kTurns * static_cast<std::size_t>(p.at_once);
  const auto start = std::chrono::steady_clock::now();
  side_by_side(pictures, p.at_once, [&](std::size_t i) { drawn(p, context, directory / std::to_string(i), seed + i, nullptr); });
  p.ms_at_once.push_back(ms_since(start) / static_cast<double>(pictures));
}

}  // namespace

Json bench_points(Context& context, const ModelBench& wanted) {
  std::vector<Point> points;
  for (const std::string& text : wanted.points) points.push_back(point_of(text, wanted, context));
  const auto scratch = std::filesystem::temp_directory_path() / fmt::format("safelight-bench-{}", ::getpid());
  int runs = 0;
  ProgressBar bar(true);
  for (Point& p : points) drawn(p, context, scratch / std::to_string(runs++), 0, nullptr);   // the first picture of each makes plans and touches memory
  for (int round = 0; round < wanted.rounds; ++round)
    for (std::size_t k = 0; k < points.size(); ++k) {
      Point& p = points[(static_cast<std::size_t>(round) + k) % points.size()];
      time_one(p, context, scratch / std::to_string(runs++), static_cast<std::uint64_t>(round));
      if (p.at_once > 1) time_many(p, context, scratch / std::to_string(runs++), static_cast<std::uint64_t>(round));
      bar.show("timing", (round + static_cast<double>(k) / static_cast<double>(points.size())) / wanted.rounds, 0, fmt::format("round {} of {},", round + 1, wanted.rounds));
    }
  std::filesystem::remove_all(scratch);
  Json out = {{"points", Json::array()}, {"rounds", wanted.rounds}, {"probes", "summary"}};
  for (const Point& p : points) {
    const Spread s = spread_of(p.ms), each = p.at_once > 1 ? spread_of(p.ms_at_once) : s;
    out["points"].push_back({{"name", p.name}, {"model", p.resolved["model"]}, {"steps", p.resolved["steps"]}, {"guidance", p.resolved["guidance"]}, {"width", p.last.width}, {"height", p.last.height},
                             {"upscaler", p.enlarger ? p.enlarger->settings() : Json()}, {"ms", to_json(s)}, {"at_once", p.at_once}, {"ms_each_at_once", to_json(each)},
                             {"images_per_hour", 3.6e6 / each.median}});
  }
  return out;
}

}  // namespace safelight::app
