// Enlarges pictures without a model.
#include "common/base/error.h"
#include "common/base/fields.h"
#include "service/jobs/enlarge.h"
#include "service/jobs/services.h"

namespace safelight {
namespace {

constexpr int kMostSide_px = 16384;

struct Settings {
  std::string method = "lanczos";
  double scale = 2;                  // of each side
};

template <class V> void fields(V& v, Settings& s) { v("method", s.method), v("scale", s.scale); }

std::vector<Problem> check_settings(const Json& json) {
  Settings s;
  std::vector<Problem> problems;
  fields_from_json(s, json, "", problems);
  if (s.method != "lanczos") problems.push_back({"method", "is '" + s.method.substr(0, 40) + "'", "known: lanczos"});
  if (!(s.scale >= 0.1 && s.scale <= 16)) problems.push_back({"scale", "is outside its range", "use 0.1 to 16"});
  return problems;
}

int side(int px, double scale) { return static_cast<int>(px * scale + 0.5); }

StageOutcome run(const StageCall& call) {
  const auto s = from_json<Settings>(call.spec.settings, "stage '" + call.spec.name + "'");
  StageOutcome out;
  for (const Picture& p : call.inputs) {
    const int width_px = side(p.width_px, s.scale), height_px = side(p.height_px, s.scale);
    if (width_px < 1 || height_px < 1 || width_px > kMostSide_px || height_px > kMostSide_px) {
      out.failure = "a picture of " + std::to_string(p.width_px) + "x" + std::to_string(p.height_px) + " pixels would get sides outside 1 to 16384";
      return out;
    }
    ProviderImage image{.bytes = call.services.objects.get(p.object), .mime = p.mime, .width_px = p.width_px, .height_px = p.height_px};
    try {
      enlarge(image, width_px, height_px);
    } catch (const Error& e) {
      out.failure = e.what();
      return out;
    }
    out.outputs.push_back({.object = call.services.objects.put(image.bytes), .mime = image.mime, .width_px = width_px, .height_px = height_px, .facts = p.facts});
  }
  return out;
}

}  // namespace

StageEntry stage_upscale() {
  return {.name = "upscale", .summary = "enlarges pictures with the Lanczos kernel", .in = Port::pictures, .out = Port::pictures, .check = check_settings, .run = run};
}

}  // namespace safelight
