#include "apps/cli/bench_points.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "apps/cli/enlarger.h"
#include "apps/lab/bench_spread.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

struct Point {
  std::string name;
  GenerateRequest request;
  std::unique_ptr<Enlarger> enlarger;   // null: no cascade
  std::vector<double> ms;
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
  if (plus == std::string::npos) return p;
  GenerateRequest enlarging;
  enlarging.model = text.substr(plus + 1);
  const auto model = context.engine().find_model(enlarging.model);
  p.enlarger = open_enlarger(model, upscaler_kind(model).factor, enlarging, context);
  return p;
}

void draw(Point& p, Context& context, const std::filesystem::path& directory, std::uint64_t seed, bool keep) {
  p.request.seed = seed;
  const auto start = std::chrono::steady_clock::now();
  const FinishedRun run = context.engine().generate(p.request, {}, directory, {});
  p.last = run.result.images.front();
  if (p.enlarger) {
    choose_threads(context, true);
    p.last = upscaled(*p.enlarger, p.last, {});
  }
  if (!keep) return;
  p.ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  p.resolved = run.result.resolved;
}

}  // namespace

Json bench_points(Context& context, const ModelBench& wanted) {
  std::vector<Point> points;
  for (const std::string& text : wanted.points) points.push_back(point_of(text, wanted, context));
  const auto scratch = std::filesystem::temp_directory_path() / fmt::format("safelight-bench-{}", ::getpid());
  int runs = 0;
  ProgressBar bar(true);
  for (Point& p : points) draw(p, context, scratch / std::to_string(runs++), 0, false);   // the first picture of each makes plans and touches memory
  for (int round = 0; round < wanted.rounds; ++round)
    for (std::size_t k = 0; k < points.size(); ++k) {
      draw(points[(static_cast<std::size_t>(round) + k) % points.size()], context, scratch / std::to_string(runs++), static_cast<std::uint64_t>(round), true);
      bar.show("timing", (round + static_cast<double>(k) / static_cast<double>(points.size())) / wanted.rounds, 0, fmt::format("round {} of {},", round + 1, wanted.rounds));
    }
  std::filesystem::remove_all(scratch);
  Json out = {{"points", Json::array()}, {"rounds", wanted.rounds}, {"probes", "summary"}};
  for (const Point& p : points) {
    const Spread s = spread_of(p.ms);
    out["points"].push_back({{"name", p.name}, {"model", p.resolved["model"]}, {"steps", p.resolved["steps"]}, {"guidance", p.resolved["guidance"]}, {"width", p.last.width}, {"height", p.last.height},
                             {"upscaler", p.enlarger ? p.enlarger->settings() : Json()}, {"ms", to_json(s)}, {"images_per_hour", 3.6e6 / s.median}});
  }
  return out;
}

}  // namespace safelight::app
