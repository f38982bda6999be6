// Draws pictures by a route, from nothing (generate) or from pictures (refine): each candidate is a piece of work of its own, found again
// after a crash.
#include "common/base/error.h"
#include "common/base/fields.h"
#include "service/jobs/batch_style.h"
#include "service/jobs/draw.h"
#include "service/providers/attempt_json.h"

namespace safelight {
namespace {

struct Settings {
  std::string prompt;                // in place of the pipeline's
  std::string negative, model, quality, style;
  std::string unsupported = "strict";
  int count = 1;                     // candidates; refine: for every picture
  std::optional<double> strength;    // refine: how far to go from the picture, 0..1
  int width = 0, height = 0;
  std::optional<std::uint64_t> seed; // candidates use seed, seed + 1, ...
  std::optional<int> steps;
  std::optional<double> guidance;
};

template <class V> void fields(V& v, Settings& s) {
  v("prompt", s.prompt), v("negative", s.negative), v("model", s.model), v("quality", s.quality), v("style", s.style), v("unsupported", s.unsupported), v("count", s.count);
  v("width", s.width), v("height", s.height), v("seed", s.seed), v("steps", s.steps), v("guidance", s.guidance), v("strength", s.strength);
}

ImageRequest request_of(const Settings& s, const std::string& prompt, int index) {
  ImageRequest r{.model = s.model, .prompt = prompt, .negative = s.negative, .width_px = s.width, .height_px = s.height, .seed = s.seed, .steps = s.steps, .guidance = s.guidance,
                 .quality = s.quality, .style = s.style, .strength = s.strength};
  r.unsupported = s.unsupported == "drop" ? UnsupportedPolicy::drop : s.unsupported == "emulate" ? UnsupportedPolicy::emulate : UnsupportedPolicy::strict;
  if (r.seed) *r.seed += static_cast<std::uint64_t>(index);
  return r;
}

std::vector<Problem> check_settings(const Json& json, bool refines) {
  Settings s;
  std::vector<Problem> problems;
  fields_from_json(s, json, "", problems);
  if (s.count < 1 || s.count > 64) problems.push_back({"count", "is " + std::to_string(s.count), "use 1 to 64"});
  if (s.unsupported != "strict" && s.unsupported != "drop" && s.unsupported != "emulate") problems.push_back({"unsupported", "is '" + s.unsupported.substr(0, 40) + "'", "known: strict, drop, emulate"});
  if (s.strength && !refines) problems.push_back({"strength", "has no meaning without a picture to start from", "use the kind refine"});
  ImageRequest r = request_of(s, s.prompt.empty() ? "any" : s.prompt, 0);
  r.strength.reset();                // which check() wants a picture for
  if (s.strength && !(*s.strength >= 0 && *s.strength <= 1)) problems.push_back({"strength", "is outside its range", "use 0 to 1"});
  if (r.model.empty()) r.model = "any";
  for (const Problem& p : check(r)) problems.push_back(p);
  return problems;
}

struct Candidate {
  std::optional<Picture> picture;
  Json facts;
  double usd = 0, possible_usd = 0;
  std::string failure;
  bool uncertain = false, full = false;
};

Picture picture_of(const ProviderImage& image, const std::string& object) {
  Picture out{.object = object, .mime = image.mime, .width_px = image.width_px, .height_px = image.height_px};
  if (image.seed) out.facts["seed"] = *image.seed;
  if (!image.revised_prompt.empty()) out.facts["revised_prompt"] = image.revised_prompt;
  return out;
}

// The process may have ended before the picture was judged.
bool may_pass(const StageCall& call, const Picture& picture) {
  const JobServices& services = call.services;
  if (!services.judge) return true;
  const std::optional<Verdict> verdict = services.judge(services.objects.get(picture.object), call.prompt);
  return !verdict || judge(call.pipeline.slo.failures, *verdict).passes;
}

// What became of the work before a crash: the picture if it was kept, or that something was or may have been paid for without one.
std::optional<Candidate> found_again(const StageCall& call, const ImageRequest& asked, const std::vector<AttemptRecord>& before) {
  JobServices& services = call.services;
  Candidate out;
  out.facts = {{"resumed", true}, {"attempts", Json::array()}};
  for (AttemptRecord a : before) {
    // Of earlier attempts of a walk the pictures were judged, and did not pass.
    const auto kept = a.id == before.back().id ? services.store.kept(a.id) : std::nullopt;
    if (kept && services.objects.holds(kept->object) && may_pass(call, *kept)) {
      if (!a.ended) {  // the picture had come when the process ended
        a.ended = true, a.acceptance = Acceptance::accepted, a.images = 1;
        a.cost = {.usd = a.price_usd, .possible_usd = 0, .basis = a.price_usd > 0 ? "table" : "free"};
        services.ledger.close(a);
      }
      out.picture = *kept, out.full = asked.width_px == 0 || (kept->width_px == asked.width_px && kept->height_px == asked.height_px);
    }
    out.usd += a.cost.usd, out.possible_usd += a.ended ? a.cost.possible_usd : a.price_usd;
    out.facts["attempts"].push_back(to_json(a));
  }
  if (out.picture) return out;
  out.uncertain = out.usd + out.possible_usd > 0;
  if (!out.uncertain || services.repeat_paid) return std::nullopt;
  out.failure = "a call was or may have been paid for, and its picture is not here: `safelight run --resume` with --repeat-paid asks again, at the risk of paying twice";
  return out;
}

// pinned: by its model or not at all.
Candidate work(const StageCall& call, const ImageRequest& asked, bool pinned, int index) {
  JobServices& services = call.services;
  const std::string job = call.job + "/" + std::to_string(index);
  const auto before = services.ledger.attempts_under(job + "~");
  if (auto found = found_again(call, asked, before)) return *found;
  const DrawRequest request{.image = asked, .slo = call.pipeline.slo.name, .job = job + "~" + std::to_string(before.size()), .pinned = pinned};
  const Drawn drawn = draw(request, services, [&](const AttemptRecord& attempt, const std::vector<ProviderImage>& images) {
    try {
      Picture picture = picture_of(images.front(), services.objects.put(images.front().bytes));
      picture.facts["model"] = attempt.model;
      services.store.keep(attempt.id, picture);
    } catch (const Error&) {
      // The picture still goes on in memory; what writes it next tells the error.
    }
  });
  if (!drawn.image)  // what came did not pass
    for (const AttemptRecord& a : drawn.attempts) services.store.drop_kept(a.id);
  Candidate out;
  out.facts = to_json(drawn);
  out.usd = drawn.served.usd, out.possible_usd = drawn.served.possible_usd;
  for (const AttemptRecord& a : before) {  // of a run that ended before its stage did
    out.usd += a.cost.usd, out.possible_usd += a.ended ? a.cost.possible_usd : a.price_usd;
    out.facts["earlier_attempts"].push_back(to_json(a));
  }
  out.failure = drawn.failure, out.uncertain = drawn.uncertain;
  out.full = drawn.served.outcome == "full";
  if (drawn.image) {
    out.picture = picture_of(*drawn.image, services.objects.put(drawn.image->bytes));
    out.picture->facts["model"] = drawn.served.model;
    out.picture->facts["outcome"] = drawn.served.outcome;
    if (const std::string text = label(drawn.served); !text.empty()) out.picture->facts["label"] = text;
  }
  return out;
}

StageOutcome run(const StageCall& call, bool refines) {
  const auto s = from_json<Settings>(call.spec.settings, "stage '" + call.spec.name + "'");
  StageOutcome out;
  out.facts["candidates"] = Json::array();
  if (refines && call.inputs.empty()) out.failure = "there is no picture to refine";
  const int starts = refines ? static_cast<int>(call.inputs.size()) : 1;
  const bool bulk = route_mode(call.pipeline.slo.mode) == RouteMode::bulk;  // all of one make: by the model of the first picture, with consecutive seeds
  std::string model;
  for (int i = 0; i < s.count * starts; ++i) {
    ImageRequest asked = request_of(s, call.prompt, i);
    if (refines) asked.init = call.services.objects.get(call.inputs[static_cast<std::size_t>(i / s.count)].object);
    if (!model.empty()) asked.model = model;
    Candidate c = work(call, asked, !model.empty(), i);
    if (bulk && model.empty() && c.picture) model = c.picture->facts.value("model", "");
    out.usd += c.usd, out.possible_usd += c.possible_usd;
    out.uncertain = out.uncertain || c.uncertain;
    out.repeatable = out.repeatable && c.full;
    if (!c.picture && out.failure.empty()) out.failure = c.failure;
    if (c.picture) out.outputs.push_back(*c.picture);
    out.facts["candidates"].push_back(std::move(c.facts));
    if (out.uncertain || (call.services.cancel && *call.services.cancel)) break;
  }
  if (bulk) out.facts["style"] = style_report(out.outputs, call.services.objects);
  // Some candidates are enough to go on, unless nobody knows what was paid for the others.
  if (!out.outputs.empty() && !out.uncertain) out.failure.clear();
  if (call.services.cancel && *call.services.cancel) out.failure = "cancelled";
  return out;
}

RoutePlan plan_of(const Pipeline& pipeline, const StageSpec& spec, const Router& router, const std::map<std::string, Ineligible>& closed, const Moment& now) {
  const auto s = from_json<Settings>(spec.settings, "stage '" + spec.name + "'");
  RouteRequest route{.id = pipeline.name + "/" + spec.name, .image = request_of(s, s.prompt.empty() ? pipeline.prompt : s.prompt, 0), .profile = {}, .queue_ms = {}, .closed = closed};
  route.profile = task_profile(route.image, route_mode(pipeline.slo.mode));
  return router.plan(route, pipeline.slo.name, now);
}

}  // namespace

StageEntry stage_generate() {
  return {.name = "generate", .summary = "draws one or several pictures by the route that the SLO decides", .out = Port::pictures, .draws = true, .plan = plan_of,
          .check = [](const Json& settings) { return check_settings(settings, false); }, .run = [](const StageCall& call) { return run(call, false); }};
}

StageEntry stage_refine() {
  return {.name = "refine", .summary = "draws pictures anew from those before it, by the route that the SLO decides", .in = Port::pictures, .out = Port::pictures, .draws = true, .plan = plan_of,
          .check = [](const Json& settings) { return check_settings(settings, true); }, .run = [](const StageCall& call) { return run(call, true); }};
}

}  // namespace safelight
