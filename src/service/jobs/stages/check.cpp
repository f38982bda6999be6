// A gate: pictures that are what they should be go on.
#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/formats/png.h"
#include "common/measure/image_statistics.h"
#include "service/jobs/services.h"

namespace safelight {
namespace {

struct Settings {
  int min_width = 1, min_height = 1;
  double min_contrast = 0;           // standard deviation of luma, 0..127: an empty or black picture has next to none
  double max_clipped = 1;            // share of samples at 0 or 255
};

template <class V> void fields(V& v, Settings& s) {
  v("min_width", s.min_width), v("min_height", s.min_height), v("min_contrast", s.min_contrast), v("max_clipped", s.max_clipped);
}

std::vector<Problem> check_settings(const Json& json) {
  Settings s;
  std::vector<Problem> problems;
  fields_from_json(s, json, "", problems);
  if (s.min_width < 1 || s.min_height < 1) problems.push_back({"min_width, min_height", "are below 1", "use pixels from 1 up"});
  if (!(s.min_contrast >= 0 && s.min_contrast <= 127)) problems.push_back({"min_contrast", "is outside its range", "use 0 to 127"});
  if (!(s.max_clipped >= 0 && s.max_clipped <= 1)) problems.push_back({"max_clipped", "is outside its range", "use a share from 0 to 1"});
  return problems;
}

// Why it may not pass; empty: it may.
std::string objection(const Picture& p, const Settings& s, const StageCall& call, Json& facts) {
  if (p.width_px < s.min_width || p.height_px < s.min_height) return "it has " + std::to_string(p.width_px) + "x" + std::to_string(p.height_px) + " pixels";
  const std::string bytes = call.services.objects.get(p.object);
  const bool wants_pixels = s.min_contrast > 0 || s.max_clipped < 1 || call.services.judge;
  if (!wants_pixels) return "";
  if (p.mime != "image/png") return "its type " + p.mime + " cannot be looked at here: ask for png";
  Image image;
  try {
    image = decode_png(bytes, "the picture to check");
  } catch (const Error& e) {
    return e.what();
  }
  const ImageStatistics statistics = image_statistics(image);
  facts["contrast"] = statistics.std_luma, facts["clipped"] = statistics.clip_low + statistics.clip_high;
  if (statistics.std_luma < s.min_contrast) return "it is nearly empty (contrast " + std::to_string(statistics.std_luma) + ")";
  if (statistics.clip_low + statistics.clip_high > s.max_clipped) return "too much of it is clipped";
  if (!call.services.judge) return "";
  const std::optional<Verdict> verdict = call.services.judge(bytes, call.prompt);
  if (!verdict) return "";
  facts["verdict"] = verdict->sentence;
  const Judgement judgement = judge(call.pipeline.slo.failures, *verdict);
  facts["shown"] = judgement.shown;
  return judgement.passes ? "" : judgement.why;
}

StageOutcome run(const StageCall& call) {
  const auto s = from_json<Settings>(call.spec.settings, "stage '" + call.spec.name + "'");
  StageOutcome out;
  out.facts["pictures"] = Json::array();
  for (const Picture& p : call.inputs) {
    Json facts = {{"object", p.object}};
    const std::string why = objection(p, s, call, facts);
    facts["passes"] = why.empty();
    if (!why.empty()) facts["why"] = why;
    if (why.empty()) out.outputs.push_back(p);
    else if (out.failure.empty()) out.failure = "no picture passes: " + why;
    out.facts["pictures"].push_back(std::move(facts));
  }
  if (!out.outputs.empty()) out.failure.clear();
  if (call.inputs.empty()) out.failure = "there is no picture to check";
  return out;
}

}  // namespace

StageEntry stage_check() {
  return {.name = "check", .summary = "a gate: pictures of the right size, with something on them, that the SLO's failure policy lets pass go on",
          .in = Port::pictures, .out = Port::pictures, .check = check_settings, .run = run};
}

}  // namespace safelight
