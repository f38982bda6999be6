#include "common/api/json.h"

#include "common/api/verdict_fields.h"
#include "common/base/fields.h"

namespace safelight {

template <class V>
void fields(V& v, SchedulerChoice& s) {
  v("solver", s.solver), v("spacing", s.spacing), v("prediction", s.prediction), v("eta", s.eta);
}

template <class V>
void fields(V& v, GuidanceForm& g) {
  v("kind", g.kind), v("rescale", g.rescale), v("from", g.from), v("to", g.to), v("parallel", g.parallel), v("norm", g.norm);
}

template <class V>
void fields(V& v, Shortcuts& s) {
  v("cache_interval", s.cache_interval), v("cache_depth", s.cache_depth), v("cache_threshold", s.cache_threshold), v("merge_tokens", s.merge_tokens);
}

template <class V>
void fields(V& v, PictureInput& p) {
  v("file", p.file), v("strength", p.strength), v("mask", p.mask), v("mask_blur", p.mask_blur), v("crop_padding", p.crop_padding);
  v("noise_level", p.noise_level);
}

template <class V>
void fields(V& v, ControlInput& c) {
  v("model", c.model), v("file", c.file), v("scale", c.scale), v("guess", c.guess);
}

template <class V>
void fields(V& v, SizeHints& s) {
  v("original_width", s.original_width), v("original_height", s.original_height), v("crop_left", s.crop_left), v("crop_top", s.crop_top);
  v("target_width", s.target_width), v("target_height", s.target_height);
}

template <class V>
void fields(V& v, RunPart& p) {
  v("end", p.end), v("start", p.start), v("from", p.from);
}

template <class V>
void fields(V& v, AdapterChoice& a) {
  v("file", a.file), v("weight", a.weight);
}

template <class V>
void fields(V& v, EmbeddingChoice& e) {
  v("file", e.file), v("token", e.token);
}

template <class V>
void fields(V& v, GenerateRequest& r) {
  v("base", r.base), v("vae", r.vae), v("unpack", r.unpack), v("adapters", r.adapters), v("embeddings", r.embeddings), v("long_prompt", r.long_prompt);
  v("model", r.model), v("prompt", r.prompt), v("negative", r.negative), v("width", r.width), v("height", r.height);
  v("steps", r.steps), v("guidance", r.guidance), v("seed", r.seed), v("count", r.count), v("scheduler", r.scheduler);
  v("prompt_2", r.prompt_2), v("prompt_3", r.prompt_3), v("negative_2", r.negative_2), v("negative_3", r.negative_3);
  v("clip_skip", r.clip_skip), v("max_text_tokens", r.max_text_tokens), v("guidance_form", r.guidance_form), v("picture", r.picture);
  v("shortcuts", r.shortcuts);
  v("control", r.control), v("sizes", r.sizes), v("negative_sizes", r.negative_sizes), v("part", r.part);
  v("dtype", r.dtype), v("probes", r.probes);
}

template <class V>
void fields(V& v, StepRange& s) {
  v("from", s.from), v("to", s.to);
}

template <class V>
void fields(V& v, AttentionScale& a) {
  v("steps", a.steps), v("factor", a.factor), v("layers", a.layers), v("cross", a.cross), v("token", a.token);
}

template <class V>
void fields(V& v, LatentPush& p) {
  v("steps", p.steps), v("channel", p.channel), v("amount", p.amount);
}

template <class V>
void fields(V& v, TokenEdit& t) {
  v("index", t.index), v("action", t.action), v("replacement", t.replacement), v("weight", t.weight);
}

template <class V>
void fields(V& v, PrecisionChange& p) {
  v("module", p.module), v("dtype", p.dtype);
}

template <class V>
void fields(V& v, DecoderChange& d) {
  v("kind", d.kind), v("path", d.path);
}

template <class V>
void fields(V& v, Sham& s) {
  v("size", s.size), v("seed", s.seed);
}

template <class V>
void fields(V& v, RestartPoint& r) {
  v("run", r.run), v("step", r.step);
}

template <class V>
void fields(V& v, Interventions& i) {
  v("restart", i.restart), v("scheduler", i.scheduler), v("spacing", i.spacing), v("prediction", i.prediction);
  v("steps", i.steps), v("guidance", i.guidance), v("guidance_steps", i.guidance_steps), v("latent_scale", i.latent_scale);
  v("seed", i.seed), v("attention", i.attention), v("latents", i.latents), v("tokens", i.tokens);
  v("precision", i.precision), v("decoder", i.decoder), v("sham", i.sham), v("bypass", i.bypass);
  v("exact", i.exact);
}

template <class V>
void fields(V& v, Evidence& e) {
  v("statistic", e.statistic), v("value", e.value), v("low", e.low), v("high", e.high), v("step", e.step), v("note", e.note);
}

template <class V>
void fields(V& v, Finding& f) {
  v("detector", f.detector), v("subsystem", f.subsystem), v("cause", f.cause), v("first_step", f.first_step);
  v("last_step", f.last_step), v("severity", f.severity), v("module", f.module), v("what", f.what), v("evidence", f.evidence);
}

template <class V>
void fields(V& v, SymptomScore& s) {
  v("symptom", s.symptom), v("score", s.score);
}

template <class V>
void fields(V& v, Counterfactual& c) {
  v("change", c.change), v("subsystem", c.subsystem), v("trigger", c.trigger), v("interventions", c.interventions);
  v("runs", c.runs), v("sham_runs", c.sham_runs), v("before", c.before), v("after", c.after), v("sham", c.sham);
  v("cures", c.cures), v("p_value", c.p_value), v("predicted_shift", c.predicted_shift);
  v("measured_shift", c.measured_shift), v("cost_ratio", c.cost_ratio);
}

template <class V>
void fields(V& v, WordOverRegion& w) {
  v("word", w.word), v("times", w.times);
}

template <class V>
void fields(V& v, SeenSymptom& s) {
  v("symptom", s.symptom), v("x", s.x), v("y", s.y), v("width", s.width), v("height", s.height);
  v("score", s.score), v("references", s.references), v("evidence", s.evidence), v("words", s.words);
}

template <class V>
void fields(V& v, RankedSubsystem& r) {
  v("subsystem", r.subsystem), v("weight", r.weight);
}

template <class V>
void fields(V& v, Verdict& d) {
  v("healthy", d.healthy), v("undetermined", d.undetermined), v("stage", d.stage), v("subsystem", d.subsystem);
  v("module", d.module), v("trigger", d.trigger), v("cause", d.cause), v("step", d.step), v("timestep", d.timestep);
  v("confidence", d.confidence), v("sentence", d.sentence), v("remedy", d.remedy), v("ranking", d.ranking);
  v("checks", d.checks), v("scores", d.scores), v("looks", d.looks), v("findings", d.findings), v("counterfactuals", d.counterfactuals);
  v("signatures", d.signatures), v("notes", d.notes);
}

Json to_json(const GenerateRequest& request) { return fields_to_json(request); }
Json to_json(const Interventions& interventions) { return fields_to_json(interventions); }
Json to_json(const Verdict& verdict) { return fields_to_json(verdict); }
Json to_json(const Finding& finding) { return fields_to_json(finding); }
GenerateRequest request_from_json(const Json& json) { return from_json<GenerateRequest>(json, "request"); }
Interventions interventions_from_json(const Json& json) { return from_json<Interventions>(json, "interventions"); }
Verdict verdict_from_json(const Json& json) { return from_json<Verdict>(json, "verdict"); }

}  // namespace safelight
