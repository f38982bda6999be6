#include "apps/cli/upscale_stage.h"

#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/formats/png.h"
#include "service/jobs/services.h"

namespace safelight::app {
namespace {

struct Settings {
  std::string model;                 // directory or name of an upscaler
  std::string method;                // empty: the one that the model's files are of
  std::optional<int> factor;         // of each side; absent: what the model makes
  std::optional<int> steps, noise_level;
  std::uint64_t seed = 0;
};

template <class V> void fields(V& v, Settings& s) {
  v("model", s.model), v("method", s.method), v("factor", s.factor), v("steps", s.steps), v("noise_level", s.noise_level), v("seed", s.seed);
}

const StageEntry& plain() { return *find_stage("upscale", {}); }

bool has_model(const Json& settings) { return settings.contains("model"); }

UpscaleRequest request_of(const Settings& s) { return {.factor = s.factor, .model = s.model, .steps = s.steps, .noise_level = s.noise_level}; }

std::vector<Problem> check_settings(const std::vector<UpscalerEntry>& upscalers, const Json& json) {
  if (!has_model(json)) return plain().check(json);
  Settings s;
  std::vector<Problem> problems;
  fields_from_json(s, json, "", problems);
  if (s.factor && (*s.factor < 2 || *s.factor > 16)) problems.push_back({"factor", "is outside its range", "use 2 to 16, or leave it out for what the model makes"});
  if (s.steps && (*s.steps < 1 || *s.steps > 1000)) problems.push_back({"steps", "is outside its range", "use 1 to 1000"});
  if (s.model.empty()) problems.push_back({"model", "is empty", "name the directory of an upscaler, or leave it out"});
  // Whether the files are there is seen when the stage runs: a record must stay readable when a model has moved.
  std::string known;
  bool found = s.method.empty();
  for (const UpscalerEntry& e : upscalers) {
    if (!e.needs_model) continue;
    found = found || e.name == s.method;
    known += (known.empty() ? "" : ", ") + e.name;
  }
  if (!found) problems.push_back({"method", "is '" + s.method.substr(0, 40) + "'", "known with a model: " + known});
  return problems;
}

StageOutcome run(const std::vector<UpscalerEntry>& upscalers, const StageCall& call) {
  if (!has_model(call.spec.settings)) return plain().run(call);
  const auto s = from_json<Settings>(call.spec.settings, "stage '" + call.spec.name + "'");
  const UpscaleOptions options{.prompt = call.prompt, .seed = s.seed, .cancelled = [&call] { return call.services.cancel && *call.services.cancel; }};
  StageOutcome out;
  try {
    const std::string method = upscaler_entry(upscalers, s.method, request_of(s)).name;
    const std::unique_ptr<Upscaler> upscaler = open_upscaler(upscalers, method, request_of(s));
    out.facts = {{"method", method}, {"model", s.model}, {"factor", upscaler->factor()}};
    for (const Picture& p : call.inputs) {
      if (p.mime != "image/png") throw Error(ErrorCode::unsupported, "a picture of type " + p.mime + " cannot be enlarged here: ask for png");
      const Image large = upscaled(*upscaler, decode_png(call.services.objects.get(p.object), "the picture to enlarge"), options);
      out.outputs.push_back({.object = call.services.objects.put(encode_png(large, {})), .mime = p.mime, .width_px = large.width, .height_px = large.height, .facts = p.facts});
    }
  } catch (const Error& e) {
    if (e.code() == ErrorCode::io) throw;  // a full disk ends the run
    out.outputs.clear();
    out.failure = e.what();
  }
  return out;
}

}  // namespace

StageEntry stage_upscale_by(std::vector<UpscalerEntry> upscalers) {
  StageEntry out = plain();
  out.summary = "enlarges pictures with the Lanczos kernel, or with the upscaler under `model`";
  out.check = [upscalers](const Json& settings) { return check_settings(upscalers, settings); };
  out.run = [upscalers](const StageCall& call) { return run(upscalers, call); };
  return out;
}

}  // namespace safelight::app
