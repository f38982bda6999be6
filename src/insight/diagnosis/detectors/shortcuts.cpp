// Shortcuts that the run took by request: no fault by themselves, but the first thing to leave out when its picture is wrong.
#include <fmt/format.h>

#include "common/api/json.h"
#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

constexpr double kSuspicion = 0.5;   // just enough to be tried when the picture is outside its healthy range

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.trace.run().contains("request")) return {};
  const GenerateRequest request = request_from_json(in.trace.run()["request"]);
  const Interventions own = interventions_from_json(in.trace.run().value("interventions", Json::object()));
  if (own.exact) return {};
  const Shortcuts& s = request.shortcuts;
  std::vector<Finding> out;
  const auto add = [&](const char* subsystem, std::string what, const char* statistic, double value, double usual) {
    out.push_back({.subsystem = subsystem, .cause = "shortcut", .first_step = 0, .last_step = in.trace.steps_done() - 1, .severity = kSuspicion, .what = std::move(what),
                   .evidence = {{.statistic = statistic, .value = value, .low = usual, .high = usual}}});
  };
  if (s.cache_interval > 1)
    add("denoiser", fmt::format("only one step in {} computed the whole network", s.cache_interval), "request.cache_interval", s.cache_interval, 1);
  if (s.cache_threshold > 0)
    add("denoiser", fmt::format("steps whose first block changed by less than {:g} took the rest from the step before", s.cache_threshold), "request.cache_threshold", s.cache_threshold, 0);
  if (s.merge_tokens > 0) add("denoiser", fmt::format("{:.0f} % of the finest tokens attended as one with a neighbour", 100 * s.merge_tokens), "request.merge_tokens", s.merge_tokens, 0);
  const GuidanceForm& g = request.guidance_form;
  if (g.from > 0) add("guidance", fmt::format("there was no guidance in the first {:.0f} % of the run", 100 * g.from), "request.guidance_from", g.from, 0);
  if (g.to < 1) add("guidance", fmt::format("there was no guidance after {:.0f} % of the run", 100 * g.to), "request.guidance_to", g.to, 1);
  return out;
}

}  // namespace

DetectorEntry shortcuts() { return {"shortcuts", "denoiser", "step caching, token merging and a guidance interval that the request asked for", detect}; }

}  // namespace safelight
