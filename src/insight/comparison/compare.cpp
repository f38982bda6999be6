#include <fmt/format.h>

#include "common/base/error.h"
#include "insight/comparison/parts.h"

namespace safelight {
namespace {

RunLabel label_of(const TraceReader& run) {
  const Json& r = run.run();
  const Json resolved = r.value("resolved", r.value("request", Json::object()));
  return {.id = r.value("id", ""), .directory = run.directory().string(), .prompt = resolved.is_object() ? resolved.value("prompt", "") : "",
          .status = r.value("status", ""), .steps = run.steps_done()};
}

Comparison compared(const TraceReader& first, const TraceReader& second, const Baseline* baseline) {
  Comparison out{.first = label_of(first), .second = label_of(second)};
  for (const auto& [label, which] : {std::pair{&out.first, "first"}, {&out.second, "second"}})
    if (label->status != "finished") out.missing.push_back(fmt::format("the {} run did not finish ({}): {} steps are there", which, label->status, label->steps));
  out.parameters = parameter_differences(first.run(), second.run());
  out.steps = paired_steps(first, second, out.same_schedule);
  if (out.steps.empty()) out.missing.push_back("steps: the runs have none at the same noise level");
  else if (!out.same_schedule)
    out.missing.push_back(fmt::format("steps: the schedules differ; {} of {} and {} steps were paired by timestep", out.steps.size(), first.steps_done(), second.steps_done()));
  compare_latents(first, second, out);
  out.series = series_differences(first, second, out.steps);
  if (out.series.empty() && !out.steps.empty()) out.missing.push_back("series: the runs have none in common (were they made with --probes none?)");
  compare_pictures(first, second, out);
  compare_words(first, second, out);
  out.parting = parting_of(first, out);
  out.sensitivity = sensitivity_of(first, second, out, baseline);
  return out;
}

}  // namespace

Comparison compare_runs(const TraceReader& first, const TraceReader& second, const Baseline* baseline) {
  try {
    return compared(first, second, baseline);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, fmt::format("'{}' or '{}' holds a record that is not a run's: {}", first.directory().string(), second.directory().string(), e.what()));
  }
}

}  // namespace safelight
