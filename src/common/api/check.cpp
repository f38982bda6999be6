#include <algorithm>
#include <cmath>

#include "common/api/generate_request.h"
#include "common/api/interventions.h"

namespace safelight {
namespace {

bool one_of(const std::string& value, std::initializer_list<const char*> allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const char* a) { return value == a; });
}

void check_side(const char* where, int value, std::vector<Problem>& out) {
  if (value != 0 && (value < 8 || value > kMaxSide_px || value % 8 != 0))
    out.push_back({where, "is " + std::to_string(value), "use a multiple of 8 from 8 to " + std::to_string(kMaxSide_px)});
}

void check_guidance(const std::optional<double>& guidance, std::vector<Problem>& out) {
  if (guidance && !(std::isfinite(*guidance) && *guidance >= 0 && *guidance <= 100))
    out.push_back({"guidance", "is " + std::to_string(*guidance), "use a number from 0 to 100"});
}

}  // namespace

std::vector<Problem> check(const GenerateRequest& r) {
  std::vector<Problem> out;
  for (const auto& [where, text] : {std::pair{"prompt", &r.prompt}, {"negative", &r.negative}})
    if (text->size() > kMaxPromptBytes)
      out.push_back({where, "has " + std::to_string(text->size()) + " bytes", "use at most " + std::to_string(kMaxPromptBytes)});
  check_side("width", r.width, out);
  check_side("height", r.height, out);
  if (r.steps < 0 || r.steps > 1000) out.push_back({"steps", "is " + std::to_string(r.steps), "use 1 to 1000"});
  check_guidance(r.guidance, out);
  if (r.count < 1 || r.count > 64) out.push_back({"count", "is " + std::to_string(r.count), "use 1 to 64"});
  if (r.scheduler.eta && !(*r.scheduler.eta >= 0 && *r.scheduler.eta <= 1))
    out.push_back({"scheduler.eta", "is " + std::to_string(*r.scheduler.eta), "use a number from 0 to 1"});
  if (!one_of(r.dtype, {"float32", "bfloat16"})) out.push_back({"dtype", "is '" + r.dtype + "'", "use float32 or bfloat16"});
  if (!one_of(r.probes, {"none", "summary", "full"}))
    out.push_back({"probes", "is '" + r.probes + "'", "use none, summary or full"});
  return out;
}

bool Interventions::empty() const {
  return !restart && !scheduler && !spacing && !prediction && !steps && !guidance && !guidance_steps && !latent_scale &&
         !seed && attention.empty() && latents.empty() && tokens.empty() && precision.empty() && !decoder && !sham && bypass.empty();
}

std::vector<Problem> check(const Interventions& i) {
  std::vector<Problem> out;
  if (i.steps && (*i.steps < 1 || *i.steps > 1000)) out.push_back({"steps", "is " + std::to_string(*i.steps), "use 1 to 1000"});
  check_guidance(i.guidance, out);
  for (const AttentionScale& a : i.attention)
    if (!std::isfinite(a.factor)) out.push_back({"attention.factor", "is not finite", "use a number"});
  for (const LatentPush& p : i.latents)
    if (p.channel < 0 || !std::isfinite(p.amount)) out.push_back({"latents", "has a bad channel or amount", "use channel >= 0 and a number"});
  for (const TokenEdit& t : i.tokens)
    if (!one_of(t.action, {"drop", "replace", "reweight"})) out.push_back({"tokens.action", "is '" + t.action + "'", "use drop, replace or reweight"});
  for (const PrecisionChange& p : i.precision)
    if (!one_of(p.dtype, {"float16", "bfloat16"})) out.push_back({"precision.dtype", "is '" + p.dtype + "'", "use float16 or bfloat16"});
  if (i.decoder && !one_of(i.decoder->kind, {"float32", "linear", "other"}))
    out.push_back({"decoder.kind", "is '" + i.decoder->kind + "'", "use float32, linear or other"});
  if (i.sham && !(i.sham->size >= 0 && i.sham->size <= 1)) out.push_back({"sham.size", "is out of range", "use 0 to 1"});
  if (i.latent_scale && !(std::isfinite(*i.latent_scale) && *i.latent_scale > 0))
    out.push_back({"latent_scale", "is not positive", "use a positive number"});
  return out;
}

}  // namespace safelight
