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

void check_range(const char* where, double value, double low, double high, std::vector<Problem>& out) {
  if (value >= low && value <= high) return;
  const auto text = [](double v) {
    std::string s = std::to_string(v);
    s.erase(s.find_last_not_of('0') + 1);
    return s.ends_with('.') ? s.substr(0, s.size() - 1) : s;
  };
  out.push_back({where, "is " + text(value), "use " + text(low) + " to " + text(high)});
}

void check_guidance_form(const GuidanceForm& g, std::vector<Problem>& out) {
  check_range("guidance_form.rescale", g.rescale, 0, 1, out);
  check_range("guidance_form.from", g.from, 0, 1, out);
  check_range("guidance_form.to", g.to, 0, 1, out);
  check_range("guidance_form.parallel", g.parallel, 0, 1, out);
  check_range("guidance_form.norm", g.norm, 0, 1e6, out);
}

void check_shortcuts(const Shortcuts& s, std::vector<Problem>& out) {
  check_range("shortcuts.cache_interval", s.cache_interval, 1, 50, out);
  check_range("shortcuts.cache_depth", s.cache_depth, 0, 64, out);
  check_range("shortcuts.cache_threshold", s.cache_threshold, 0, 1, out);
  check_range("shortcuts.merge_tokens", s.merge_tokens, 0, 0.75, out);
  if (s.cache_depth > 0 && s.cache_interval == 1) out.push_back({"shortcuts.cache_depth", "is given while no step is cached", "give shortcuts.cache_interval too"});
}

void check_picture(const GenerateRequest& r, std::vector<Problem>& out) {
  const PictureInput& p = r.picture;
  check_range("picture.strength", p.strength, 0, 1, out);
  check_range("picture.mask_blur", p.mask_blur, 0, 256, out);
  check_range("picture.crop_padding", p.crop_padding, -1, kMaxSide_px, out);
  check_range("picture.noise_level", p.noise_level, 0, 999, out);
  if (p.file.empty() && !p.mask.empty()) out.push_back({"picture.mask", "is given without a picture", "give picture.file too"});
  if (p.mask.empty() && p.crop_padding >= 0) out.push_back({"picture.crop_padding", "is given without a mask", "give picture.mask too"});
  check_range("control.scale", r.control.scale, -10, 10, out);
  if (r.control.model.empty() != r.control.file.empty())
    out.push_back({"control", r.control.model.empty() ? "has a hint but no model" : "has a model but no hint", "give control.model and control.file"});
}

void check_part(const GenerateRequest& r, std::vector<Problem>& out) {
  if (r.part.end) check_range("part.end", *r.part.end, 0, 1, out);
  if (r.part.start) check_range("part.start", *r.part.start, 0, 1, out);
  if (r.part.start.has_value() == r.part.from.empty()) out.push_back({"part", "needs both a start and a run to go on from", "give part.start and part.from"});
  if (!r.part.from.empty() && !r.picture.file.empty()) out.push_back({"part.from", "is given beside a picture", "start from one of them"});
  if (r.part.start && r.part.end && *r.part.end <= *r.part.start) out.push_back({"part.end", "does not lie after part.start", "use a larger share"});
}

}  // namespace

std::vector<Problem> check(const GenerateRequest& r) {
  std::vector<Problem> out;
  for (const auto& [where, text] : {std::pair{"prompt", &r.prompt}, {"negative", &r.negative}, {"prompt_2", &r.prompt_2}, {"prompt_3", &r.prompt_3},
                                    {"negative_2", &r.negative_2}, {"negative_3", &r.negative_3}})
    if (text->size() > kMaxPromptBytes)
      out.push_back({where, "has " + std::to_string(text->size()) + " bytes", "use at most " + std::to_string(kMaxPromptBytes)});
  check_side("width", r.width, out);
  check_side("height", r.height, out);
  if (r.steps < 0 || r.steps > 1000) out.push_back({"steps", "is " + std::to_string(r.steps), "use 1 to 1000"});
  check_guidance(r.guidance, out);
  if (r.count < 1 || r.count > 64) out.push_back({"count", "is " + std::to_string(r.count), "use 1 to 64"});
  if (r.scheduler.eta && !(*r.scheduler.eta >= 0 && *r.scheduler.eta <= 1))
    out.push_back({"scheduler.eta", "is " + std::to_string(*r.scheduler.eta), "use a number from 0 to 1"});
  check_range("clip_skip", r.clip_skip, 0, 11, out);
  check_range("max_text_tokens", r.max_text_tokens, 0, 4096, out);
  if (!one_of(r.long_prompt, {"cut", "chunks"})) out.push_back({"long_prompt", "is '" + r.long_prompt + "'", "use cut or chunks"});
  for (const AdapterChoice& a : r.adapters) {
    if (a.file.empty()) out.push_back({"adapters.file", "is empty", "give a safetensors file"});
    check_range("adapters.weight", a.weight, -10, 10, out);
  }
  for (const EmbeddingChoice& e : r.embeddings)
    if (e.file.empty()) out.push_back({"embeddings.file", "is empty", "give a safetensors file"});
  check_guidance_form(r.guidance_form, out);
  check_shortcuts(r.shortcuts, out);
  check_picture(r, out);
  check_part(r, out);
  if (!one_of(r.dtype, {"float32", "bfloat16"})) out.push_back({"dtype", "is '" + r.dtype + "'", "use float32 or bfloat16"});
  if (!one_of(r.probes, {"none", "summary", "full"}))
    out.push_back({"probes", "is '" + r.probes + "'", "use none, summary or full"});
  return out;
}

bool Interventions::empty() const {
  return !restart && !scheduler && !spacing && !prediction && !steps && !guidance && !guidance_steps && !latent_scale &&
         !seed && attention.empty() && latents.empty() && tokens.empty() && precision.empty() && !decoder && !sham && bypass.empty() &&
         !exact;
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
