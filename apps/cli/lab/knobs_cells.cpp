#include "apps/cli/lab/knobs_cells.h"

#include <algorithm>
#include <set>

#include "common/base/error.h"

namespace safelight::app {

CellFile::CellFile(const std::filesystem::path& file)
    : lines_(file, "'" + file.string() + "' is in use by another `safelight lab knobs`; wait for it or choose another --out") {
  lines_.read([&](const Json& line, const std::string& where) {
    if (!line.is_object() || !line.contains("key") || !line.contains("result"))
      throw Error(ErrorCode::corrupt_file, where + " is no cell of `safelight lab knobs`; remove the line or the file");
    results_[line["key"].dump()] = line["result"];
  });
}

const Json* CellFile::find(const Json& key) const {
  const auto it = results_.find(key.dump());
  return it == results_.end() ? nullptr : &it->second;
}

void CellFile::add(const Json& key, Json result) {
  lines_.append({{"key", key}, {"result", result}});
  results_[key.dump()] = std::move(result);
}

Json key_of(const KnobCell& cell, const KnobPlan& plan) {
  Json key = {{"measures", kMeasuresVersion}, {"model", plan.subjects[cell.setting.subject].fingerprint}, {"guidance", nullptr}, {"steps", cell.setting.steps},
              {"attention", cell.attention}, {"task", cell.prompt.task}, {"prompt", cell.prompt.text}, {"seeds", cell.seeds}};
  const Setting& s = cell.setting;
  if (s.guidance) key["guidance"] = *s.guidance;
  key["guided"] = {s.guidance_from, s.guidance_to};
  key["shortcuts"] = {s.shortcuts.cache_interval, s.shortcuts.cache_depth, s.shortcuts.cache_threshold, s.shortcuts.merge_tokens};
  key["dtype"] = s.dtype;
  return key;
}

Json cost_key(const Subject& subject, const KnobPlan& plan, int threads) {
  return {{"measures", kMeasuresVersion}, {"cost", subject.fingerprint}, {"threads", threads}, {"task", plan.options.tasks.front()}};
}

Json codec_key(const Codec& codec, const KnobPlan& plan, int threads) {
  return {{"measures", kMeasuresVersion}, {"autoencoder", codec.fingerprint}, {"threads", threads}, {"scenes", codec_scenes(plan)}};
}

int codec_scenes(const KnobPlan& plan) { return 10 * plan.options.count; }

std::vector<KnobCell> cells_of(const KnobSection& section, const Setting& setting, const Measure& measure, const KnobPlan& plan) {
  std::vector<KnobCell> out;
  if (measure.kind == MeasureKind::cost) return out;
  const bool attention = measure.kind == MeasureKind::attention;
  for (const std::string& task : section.tasks)
    for (const EvalPrompt& prompt : eval_prompts(task, plan.world, plan.options.count))
      out.push_back({setting, prompt, attention ? 1 : plan.options.seeds, attention});
  return out;
}

std::vector<KnobCell> cells_of(const KnobPlan& plan) {
  std::vector<KnobCell> out;
  std::set<std::string> seen;
  const auto is_timed = [](const KnobSection& s) { return std::find(s.measures.begin(), s.measures.end(), "denoise") != s.measures.end(); };
  std::vector<std::vector<const KnobSection*>> groups(1);   // what is timed together first; then the others one by one
  for (const KnobSection& s : plan.sections)
    if (is_timed(s)) groups.front().push_back(&s);
    else groups.push_back({&s});
  for (const auto& group : groups) {
    std::vector<std::vector<KnobCell>> points;   // the same prompts in the same order
    for (const KnobSection* s : group)
      for (const KnobLine& line : s->lines)
        for (const KnobPoint& p : line.points)
          for (const std::string& measure : s->measures) points.push_back(cells_of(*s, p.setting, knob_measure(measure), plan));
    std::size_t prompts = 0;
    for (const auto& cells : points) prompts = std::max(prompts, cells.size());
    for (std::size_t i = 0; i < prompts; ++i)
      for (const auto& cells : points)
        if (i < cells.size() && seen.insert(key_of(cells[i], plan).dump()).second) out.push_back(cells[i]);
  }
  return out;
}

}  // namespace safelight::app
