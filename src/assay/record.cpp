#include "assay/record.h"

#include <algorithm>

#include "common/base/fields.h"
#include "common/base/json_lines.h"

namespace safelight {

template <class V>
void fields(V& v, Answer& a) {
  v("said", a.said);
  v("ranking", a.ranking);
  v("trigger", a.trigger);
  v("cause", a.cause);
  v("stage", a.stage);
  v("module", a.module);
  v("step", a.step);
  v("confidence", a.confidence);
  v("reruns", a.reruns);
  v("seconds", a.seconds);
  v("failed", a.failed);
}

template <class V>
void fields(V& v, AssayRecord& r) {
  v("id", r.id);
  v("fault", r.fault);
  v("clean_kind", r.clean_kind);
  v("dose", r.dose);
  v("added_after_freeze", r.added_after_freeze);
  v("subsystem", r.subsystem);
  v("also", r.also);
  v("trigger", r.trigger);
  v("causes", r.causes);
  v("stage", r.stage);
  v("module", r.module);
  v("step", r.step);
  v("prompt", r.prompt);
  v("negative", r.negative);
  v("refused", r.refused);
  v("pixel_change", r.pixel_change);
  v("right_before", r.right_before);
  v("right_after", r.right_after);
  v("observed", r.observed);
  v("proven", r.proven);
  v("fixed_thresholds", r.fixed_thresholds);
  v("blind_swapping", r.blind_swapping);
  v("blind_reruns", r.blind_reruns);
}

Answer answer_of(const Verdict& v) {
  Answer a{.said = v.healthy ? kHealthy : v.undetermined || v.subsystem.empty() ? kUndetermined : v.subsystem,
           .trigger = v.trigger, .cause = v.cause, .stage = v.stage, .module = v.module, .step = v.step, .confidence = v.confidence};
  if (!v.healthy)
    for (std::size_t i = 0; i < v.ranking.size() && i < 2; ++i) a.ranking.push_back(v.ranking[i].subsystem);
  return a;
}

bool AssayRecord::right(const std::string& said) const {
  if (clean()) return said == kHealthy;
  return said == subsystem || std::find(also.begin(), also.end(), said) != also.end();
}

Json to_json(const AssayRecord& record) { return fields_to_json(record); }

AssayRecord record_from_json(const Json& json, const std::string& where) {
  return record_of<AssayRecord>(json, where, "record of an assay");
}

std::vector<AssayRecord> read_records(const std::filesystem::path& file) {
  std::vector<AssayRecord> out;
  read_json_lines(file, [&](const Json& line, const std::string& where) { out.push_back(record_from_json(line, where)); });
  return out;
}

}  // namespace safelight
