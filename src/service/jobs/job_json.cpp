#include "service/jobs/job_json.h"

#include <algorithm>
#include <array>

#include "common/base/fields.h"

namespace safelight {
namespace {

constexpr std::array<std::string_view, 8> kStates = {"pending", "running", "waiting", "done", "skipped", "rejected", "failed", "uncertain"};

Json object_or_none(const Json& facts) { return facts.is_object() ? facts : Json::object(); }

// Facts are free-form, so that they go beside the fields.
Json without(const Json& json, const char* key) {
  Json out = json;
  if (out.is_object()) out.erase(key);
  return out;
}

struct PictureFields {
  Picture p;
};
struct StageFields {
  StageRecord r;
  std::string state;
};

template <class V> void fields(V& v, PictureFields& f) {
  v("object", f.p.object), v("mime", f.p.mime), v("width", f.p.width_px), v("height", f.p.height_px);
}
template <class V> void fields(V& v, StageFields& f) {
  StageRecord& r = f.r;
  v("stage", r.stage), v("kind", r.kind), v("state", f.state), v("key", r.key), v("message", r.message), v("started_unix_ms", r.started_unix_ms);
  v("ended_unix_ms", r.ended_unix_ms), v("usd", r.usd), v("possible_usd", r.possible_usd), v("reused", r.reused);
}

}  // namespace

template <class V> void fields(V& v, Approval& a) {
  v("stage", a.stage), v("shown", a.shown), v("approved", a.approved), v("picked", a.picked), v("reason", a.reason), v("prompt", a.prompt), v("by", a.by), v("at_unix_ms", a.at_unix_ms);
}
template <class V> void fields(V& v, PipelineSource& s) { v("file", s.file), v("toml", s.toml), v("slo_toml", s.slo_toml); }
template <class V> void fields(V& v, RunRecord& r) {
  v("id", r.id), v("created_unix_ms", r.created_unix_ms), v("source", r.source), v("catalogue", r.catalogue), v("folder", r.folder), v("fresh", r.fresh);
}

std::string_view name(StageState state) { return kStates[static_cast<std::size_t>(state)]; }

Json to_json(const Picture& picture) {
  Json out = fields_to_json(PictureFields{picture});
  out["facts"] = picture.facts;
  return out;
}

Json to_json(const StageRecord& stage) {
  Json out = fields_to_json(StageFields{stage, std::string(name(stage.state))});
  out["outputs"] = Json::array();
  for (const Picture& p : stage.outputs) out["outputs"].push_back(to_json(p));
  out["facts"] = stage.facts;
  return out;
}

Json to_json(const Approval& approval) { return fields_to_json(approval); }
Json to_json(const RunRecord& run) { return fields_to_json(run); }

Picture picture_from_json(const Json& json) {
  Picture out = from_json<PictureFields>(without(json, "facts"), "picture").p;
  out.facts = object_or_none(json.value("facts", Json::object()));
  return out;
}

StageRecord stage_from_json(const Json& json) {
  StageFields read = from_json<StageFields>(without(without(json, "facts"), "outputs"), "stage record");
  const auto state = std::find(kStates.begin(), kStates.end(), read.state);
  if (state == kStates.end()) require_no({{"state", "is '" + read.state.substr(0, 40) + "'", "it was written by another version"}}, "stage record");
  read.r.state = static_cast<StageState>(state - kStates.begin());
  read.r.facts = object_or_none(json.value("facts", Json::object()));
  for (const Json& p : json.value("outputs", Json::array())) read.r.outputs.push_back(picture_from_json(p));
  return std::move(read.r);
}

Approval approval_from_json(const Json& json) { return from_json<Approval>(json, "approval"); }
RunRecord run_from_json(const Json& json) { return from_json<RunRecord>(json, "run record"); }

}  // namespace safelight
