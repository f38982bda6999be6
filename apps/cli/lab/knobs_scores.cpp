#include "apps/cli/lab/knobs_scores.h"

#include <algorithm>
#include <numeric>

#include "apps/cli/lab/eval_board.h"

namespace safelight::app {
namespace {

// By prompt (of costs: by timed picture), the values of its pictures.
using Sample = std::map<std::string, std::vector<double>>;

Sample costs(const Measure& measure, const Setting& setting, const KnobPlan& plan, const CellFile& cells, int threads) {
  Sample out;
  const Json* cost = cells.find(cost_key(plan.subjects[setting.subject], plan, threads));
  if (!cost) return out;
  if (measure.name == "memory") out[""] = {cost->at("peak_bytes").get<double>() / 1e6};
  else
    for (const Json& ms : cost->at("ms")) out[std::to_string(out.size())] = {ms.get<double>()};
  return out;
}

Sample sample_of(const KnobSection& section, const Setting& setting, const Measure& measure, const KnobPlan& plan, const CellFile& cells, int threads) {
  if (measure.kind == MeasureKind::cost) return costs(measure, setting, plan, cells, threads);
  Sample out;
  for (const KnobCell& cell : cells_of(section, setting, measure, plan)) {
    const Json* result = cells.find(key_of(cell, plan));
    if (!result) continue;
    for (const Json& picture : result->at("pictures"))
      if (const Json& values = picture.at("values"); values.contains(measure.name)) out[cell.prompt.task + "\n" + cell.prompt.text].push_back(values.at(measure.name).get<double>());
  }
  return out;
}

double mean_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

Estimate estimate_of(const Mean& mean, int pictures) {
  Estimate out{.value = mean.value(), .interval = {}, .prompts = mean.of, .pictures = pictures};
  if (mean.of > 1) out.interval = std::pair(mean.value() - mean.half_width(), mean.value() + mean.half_width());
  return out;
}

std::optional<Estimate> value_of(const Measure& measure, const Sample& sample) {
  if (sample.empty()) return std::nullopt;
  Rate rate;
  Mean mean;
  int pictures = 0;
  for (const auto& [prompt, values] : sample) {
    for (const double v : values) rate.add(v > 0.5), ++pictures;
    mean.add(mean_of(values));
  }
  if (measure.kind == MeasureKind::share) return Estimate{static_cast<double>(rate.right) / rate.of, rate.interval(), mean.of, pictures};
  Estimate out = estimate_of(mean, pictures);
  if (out.interval && out.interval->first < 0) out.interval->first = 0;  // no measure is negative
  if (out.interval && measure.kind == MeasureKind::attention) out.interval->second = std::min(1.0, out.interval->second);
  return out;
}

std::optional<Estimate> change_of(const Sample& from, const Sample& to) {
  Mean mean;
  int pictures = 0;
  for (const auto& [prompt, values] : to)
    if (const auto it = from.find(prompt); it != from.end()) {
      mean.add(mean_of(values) - mean_of(it->second));
      pictures += static_cast<int>(values.size());
    }
  if (mean.of == 0) return std::nullopt;
  return estimate_of(mean, pictures);
}

std::size_t reference_of(const KnobSection& section, const KnobLine& line) {
  for (std::size_t i = 0; section.turned && i < line.points.size(); ++i)
    if (const Setting& s = line.points[i].setting; !s.guidance && s.steps == 0) return i;
  return 0;
}

}  // namespace

std::vector<ScoredLine> scored(const KnobSection& section, const KnobPlan& plan, const CellFile& cells, int threads) {
  std::vector<ScoredLine> out;
  for (const KnobLine& line : section.lines) {
    ScoredLine& scored_line = out.emplace_back(ScoredLine{&line, reference_of(section, line), {}});
    for (const KnobPoint& p : line.points) scored_line.points.push_back({&p, {}, {}});
    for (const std::string& name : section.measures) {
      const Measure& measure = knob_measure(name);
      std::vector<Sample> samples;
      for (const KnobPoint& p : line.points) samples.push_back(sample_of(section, p.setting, measure, plan, cells, threads));
      for (std::size_t i = 0; i < samples.size(); ++i) {
        scored_line.points[i].values.push_back(value_of(measure, samples[i]));
        scored_line.points[i].changes.push_back(i == scored_line.reference ? std::nullopt : change_of(samples[scored_line.reference], samples[i]));
      }
    }
  }
  return out;
}

Json to_json(const std::optional<Estimate>& e) {
  if (!e) return nullptr;
  Json out = {{"value", e->value}, {"low", nullptr}, {"high", nullptr}, {"prompts", e->prompts}, {"pictures", e->pictures}};
  if (e->interval) out["low"] = e->interval->first, out["high"] = e->interval->second;
  return out;
}

}  // namespace safelight::app
