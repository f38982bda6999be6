#include "engine/pipelines/run_state.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/base/error.h"
#include "engine/pipelines/pictures.h"

namespace safelight {
namespace {

double ms_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double, std::milli>(b - a).count();
}

constexpr std::array kSigmaSpacings = {"karras", "exponential"};
constexpr std::array kTimestepSpacings = {"leading", "trailing", "linspace", "sgm-uniform", "beta"};

template <class Names>
bool is_one_of(const std::string& value, const Names& names) {
  return std::any_of(names.begin(), names.end(), [&](const char* n) { return value == n; });
}

SchedulerConfig scheduler_for(const Components& c, const GenerateRequest& r) {
  const SolverEntry& solver = solver_named(r.scheduler.solver);
  SchedulerConfig config = config_for(solver, c.scheduler_config, c.scheduler_where);
  const std::string& spacing = r.scheduler.spacing;
  if (is_one_of(spacing, kSigmaSpacings)) {
    config.sigmas = spacing;
  } else if (is_one_of(spacing, kTimestepSpacings)) {
    config.spacing = spacing;
    config.sigmas.clear();
  } else if (!spacing.empty()) {
    throw Error(ErrorCode::invalid_argument, "spacing '" + spacing + "' is unknown; known: leading, trailing, linspace, sgm-uniform, beta, karras, exponential");
  }
  if (!spacing.empty() && config.frame() != Frame::variance_preserving)
    throw Error(ErrorCode::conflict, "spacing '" + spacing + "' is for models that predict noise; " + solver.name + " has its own");
  if (!r.scheduler.prediction.empty()) config.prediction = prediction_named(r.scheduler.prediction);
  return config;
}

}  // namespace

GenerateRequest resolved_request(const Components& c, const GenerateRequest& asked, const Interventions& change) {
  std::vector<Problem> problems = check(asked);
  for (Problem& p : check(change)) problems.push_back(std::move(p));
  GenerateRequest r = asked;
  r.model = c.name;
  if (change.steps) r.steps = *change.steps;
  if (change.guidance) r.guidance = *change.guidance;
  if (change.seed) r.seed = *change.seed;
  if (change.scheduler) r.scheduler.solver = *change.scheduler;
  if (change.spacing) r.scheduler.spacing = *change.spacing;
  if (change.prediction) r.scheduler.prediction = *change.prediction;
  if (change.exact) {
    r.shortcuts = {};
    r.guidance_form.from = 0;
    r.guidance_form.to = 1;
  }
  if (r.width == 0) r.width = c.default_side_px;
  if (r.height == 0) r.height = c.default_side_px;
  if (r.steps == 0 && asked.steps == 0) r.steps = c.recommended.steps;
  if (!r.guidance) r.guidance = c.recommended.guidance;
  if (r.scheduler.solver.empty())
    r.scheduler.solver = c.recommended.solver.empty() ? c.scheduler_config.value("_class_name", std::string()) : c.recommended.solver;
  const int64_t unit = c.autoencoder->downscale() * c.denoiser->patch();
  for (const auto& [where, side] : {std::pair{"width", r.width}, {"height", r.height}})
    if (side % unit != 0) problems.push_back({where, "is " + std::to_string(side), "this model needs a multiple of " + std::to_string(unit)});
  const ShortcutSupport can = c.denoiser->shortcuts();
  if (r.shortcuts.cache_interval > 1 && !can.deep_features)
    problems.push_back({"shortcuts.cache_interval", "needs a UNet", "this model takes shortcuts.cache_threshold"});
  if (r.shortcuts.cache_threshold > 0 && !can.first_block)
    problems.push_back({"shortcuts.cache_threshold", "needs a transformer", "this model takes shortcuts.cache_interval"});
  if (r.shortcuts.merge_tokens > 0 && !can.merging) problems.push_back({"shortcuts.merge_tokens", "needs a UNet", "leave it out"});
  require_no(problems, "request");
  const SolverEntry& solver = solver_named(r.scheduler.solver);
  if (guidance_named(r.guidance_form.kind).splits_estimate && !solver.takes_split)
    throw Error(ErrorCode::conflict, "guidance form " + r.guidance_form.kind + " does not work with " + solver.name + "; use ddim, euler or euler-ancestral");
  r.scheduler.solver = solver.name;
  return r;
}

RunState::RunState(const Components& c, const GenerateRequest& asked, RunOptions& o)
    : components(c),
      options(o),
      change(o.interventions),
      request(resolved_request(c, asked, o.interventions)),
      scheduler(scheduler_for(c, request)),
      converter(scheduler),
      form(guidance_named(request.guidance_form.kind)),
      edit(o.interventions),
      start_(std::chrono::steady_clock::now()),
      mark_(start_) {
  guided = c.denoiser->guidance() == GuidanceKind::classifier_free && (*request.guidance > 1.0 || form.leads_below_one);
  if (const Shortcuts& s = request.shortcuts; s.caching()) cache.emplace(StepCache::Plan{.interval = s.cache_interval, .depth = s.cache_depth, .threshold = s.cache_threshold});
  latent_height_ = request.height / c.autoencoder->downscale();
  latent_width_ = request.width / c.autoencoder->downscale();
  bool attention = false, blocks = false;
  for (const auto& probe : o.probes) {
    attention = attention || probe->needs().attention;
    blocks = blocks || probe->needs().blocks;
  }
  if (!attention && !blocks) return;
  const int64_t stride = c.denoiser->attention_stride();
  ForwardWatch::Plan plan{.attention = attention, .blocks = blocks, .height = (latent_height_ + stride - 1) / stride, .width = (latent_width_ + stride - 1) / stride};
  while (plan.height * plan.width > 1024 && plan.height % 2 == 0 && plan.width % 2 == 0) plan.height /= 2, plan.width /= 2;
  if (blocks) plan.modules = c.denoiser->block_names().size();
  watch.emplace(plan);
}

void RunState::stage(const char* name) {
  const auto now = std::chrono::steady_clock::now();
  stages_.push_back({name, ms_between(mark_, now)});
  mark_ = now;
}

void RunState::throw_if_cancelled() const {
  if (options.cancelled && options.cancelled()) throw Error(ErrorCode::cancelled, "cancelled on request");
}

void RunState::tokenise() {
  PromptTexts prompt{request.prompt, request.prompt_2, request.prompt_3, request.long_prompt == "chunks"};
  PromptTexts negative{request.negative, request.negative_2, request.negative_3, prompt.in_chunks};
  const auto both_ways = [&] {
    tokens_ = components.prompt->tokenise(prompt, request.max_text_tokens);
    negative_tokens_ = components.prompt->tokenise(negative, request.max_text_tokens);
  };
  both_ways();
  if (prompt.in_chunks) {  // every text takes as many chunks as the longest
    int longest = 1;
    for (const auto* side : {&tokens_, &negative_tokens_})
      for (const TokenizedPrompt& t : *side) longest = std::max(longest, t.chunks);
    prompt.chunks = negative.chunks = longest;
    both_ways();
  }
  apply_token_edits();
}

void RunState::apply_token_edits() {
  TokenizedPrompt& first = tokens_.front();
  for (const TokenEdit& e : change.tokens) {
    if (e.index < 0 || e.index >= static_cast<int>(first.tokens.size()) || first.tokens[static_cast<std::size_t>(e.index)].special)
      throw Error(ErrorCode::invalid_argument, "tokens.index is " + std::to_string(e.index) + "; content tokens are 1 to " + std::to_string(first.content));
    if (e.action == "replace") {
      const TokenizedPrompt with = components.prompt->tokenise({.text = e.replacement}, request.max_text_tokens).front();
      if (with.content != 1) throw Error(ErrorCode::invalid_argument, "tokens.replacement '" + e.replacement + "' is not one token");
      const auto content = std::find_if(with.tokens.begin(), with.tokens.end(), [](const TokenSpan& t) { return !t.special; });
      first.ids[static_cast<std::size_t>(e.index)] = content->id;
    } else if (e.action == "drop") {
      first.ids[static_cast<std::size_t>(e.index)] = components.prompt->tokenizer().pad_id();
    }
  }
}

std::vector<MicroConditioning> RunState::sizes(bool negative) const {
  const auto of = [&](const SizeHints& h) {
    const auto or_own = [](int hint, int own) { return static_cast<int64_t>(hint > 0 ? hint : own); };
    return MicroConditioning{or_own(h.original_height, request.height), or_own(h.original_width, request.width), h.crop_top, h.crop_left,
                             or_own(h.target_height, request.height), or_own(h.target_width, request.width)};
  };
  const SizeHints& other = request.negative_sizes;
  const bool own = negative && other.original_width > 0 && other.original_height > 0 && other.target_width > 0 && other.target_height > 0;
  MicroConditioning one = of(own ? other : request.sizes);
  if (negative) one.aesthetic_score = components.negative_aesthetic_score;
  return std::vector<MicroConditioning>(static_cast<std::size_t>(request.count), one);
}

void RunState::encode_text() {
  if (options.progress) options.progress({.stage = "text"});
  prompt_ = components.prompt->encode(tokens_, {.clip_skip = request.clip_skip});
  negative_ = components.prompt->encode(negative_tokens_, {.negative = true});
  for (const TokenEdit& e : change.tokens)
    if (e.action == "reweight") {
      prompt_.text = prompt_.text.clone();
      const at::Tensor base = negative_.text.select(1, e.index), row = prompt_.text.select(1, e.index);
      row.copy_(base + e.weight * (row - base));
    }
  const int64_t n = request.count;
  const auto rows = [&](const at::Tensor& t) { return t.defined() ? t.expand({n, -1, -1}) : t; };
  const auto pooled_rows = [&](const at::Tensor& t) { return t.defined() ? t.expand({n, -1}) : t; };
  alone.text = rows(prompt_.text);
  alone.pooled = pooled_rows(prompt_.pooled);
  alone.sizes = sizes(false);
  if (components.denoiser->guidance() == GuidanceKind::embedded) alone.guidance = at::full({n}, *request.guidance, at::kFloat);
  if (!guided) return;
  both.text = at::cat({rows(negative_.text), alone.text}, 0);
  if (alone.pooled.defined()) both.pooled = at::cat({pooled_rows(negative_.pooled), alone.pooled}, 0);
  both.sizes = sizes(true);
  both.sizes.insert(both.sizes.end(), alone.sizes.begin(), alone.sizes.end());
  both.unconditional = n;
}

void RunState::place_beside(const at::Tensor& channels, const at::Tensor& noise_level) {
  alone.beside = channels;
  alone.noise_level = noise_level;
  both.beside = at::cat({channels, channels}, 0);
  if (noise_level.defined()) both.noise_level = at::cat({noise_level, noise_level}, 0);
}

// The x4 upscaler sees the small picture with noise of a level that it is told (Ho et al., arXiv:2106.15282).
void RunState::noise_small_picture() {
  const int64_t n = request.count;
  const SchedulerConfig config = SchedulerConfig::from_json(components.low_resolution_scheduler, "'" + (components.directory / "low_res_scheduler").string() + "'");
  const NoiseTable table(config);
  if (request.picture.noise_level >= table.size())
    throw Error(ErrorCode::invalid_argument, "picture.noise_level is " + std::to_string(request.picture.noise_level) + "; this model takes 0 to " + std::to_string(table.size() - 1));
  const Node node = table.node_at(request.picture.noise_level);
  const at::Tensor small = options.inputs.picture.expand({n, -1, -1, -1});
  place_beside(node.alpha * small + node.sigma * drawn(small.size(1)), at::full({n}, request.picture.noise_level, at::kLong));
}

void RunState::mask_latents(const at::Tensor& picture) {
  const at::Tensor hard = options.inputs.mask.ge(0.5).to(at::kFloat);
  mask_ = at::upsample_nearest2d(hard, {latent_height_, latent_width_});
  const int64_t n = request.count, channels = components.denoiser->latent_channels();
  const at::Tensor masked = components.autoencoder->encode(picture * (1 - hard), drawn(channels), {}).expand({n, -1, -1, -1});
  if (components.denoiser->beside() == Beside::mask_and_masked_image)
    place_beside(at::cat({mask_.expand({n, -1, -1, -1}), masked}, 1), {});
}

double RunState::cutoff_timestep(double share) const {
  return std::nearbyint(scheduler.num_train_timesteps - share * scheduler.num_train_timesteps);
}

int RunState::first_evaluation(const SolverInputs& in) const {
  const int stages = solver_named(scheduler.class_name).stages;
  if (options.inputs.picture.defined() && components.denoiser->beside() != Beside::low_resolution_image) {
    const int run = std::min(static_cast<int>(request.steps * request.picture.strength), request.steps);
    return (request.steps - run) * stages;
  }
  if (!request.part.start) return 0;
  const auto whole = make_solver(in);
  int step = 0;
  while (step < whole->steps() && whole->node(step).timestep >= cutoff_timestep(*request.part.start)) ++step;
  if (step == whole->steps()) throw Error(ErrorCode::invalid_argument, "part.start leaves no step to run; use a smaller share or more steps");
  return step * stages;
}

void RunState::start_latents() {
  const int64_t channels = components.denoiser->latent_channels();
  const Beside beside = components.denoiser->beside();
  const at::Tensor& picture = options.inputs.picture;
  if (beside != Beside::nothing && !picture.defined())
    throw Error(ErrorCode::invalid_argument, std::string("this model ") + (beside == Beside::low_resolution_image ? "enlarges a picture" : "repaints a part of a picture") + "; give one with picture.file");
  noise_source_ = std::make_unique<TorchNoise>(request.seed, request.count);
  SolverInputs in;
  in.config = scheduler;
  in.steps = request.steps;
  in.custom = components.denoiser->own_steps(request.steps, latent_height_, latent_width_);
  in.eta = request.scheduler.eta;
  in.source = &source();
  in.noise = at::zeros({request.count, channels, latent_height_, latent_width_});
  const bool starts_from_picture = picture.defined() && beside != Beside::low_resolution_image;
  const bool masked = starts_from_picture && options.inputs.mask.defined();
  if (beside == Beside::low_resolution_image) noise_small_picture();
  const int first = first_evaluation(in);
  if (starts_from_picture) {
    // The order of the draws (picture, noise, masked picture) is part of what a seed means.
    const bool blends = masked && beside == Beside::nothing;
    untouched_ = static_cast<int>(request.steps * request.picture.strength) == 0;
    if (untouched_) picture_latents_ = components.autoencoder->encode(picture, {}, {}).expand({request.count, -1, -1, -1});
    else if (request.picture.strength < 1 || blends) picture_latents_ = components.autoencoder->encode(picture, drawn(channels), {});
    if (request.picture.strength < 1 && !untouched_) in.start = picture_latents_;
  }
  noise_ = drawn(channels);
  if (masked || beside == Beside::mask_and_masked_image) {
    if (!options.inputs.mask.defined()) options.inputs.mask = at::ones({1, 1, picture.size(2), picture.size(3)});
    mask_latents(picture);
  }
  if (change.sham && change.sham->size > 0) {
    const double size = change.sham->size;
    TorchNoise other(change.sham->seed + 0x5AFE, request.count);
    noise_ = std::sqrt(1 - size * size) * noise_ + size * other.draw(noise_.sizes());
  }
  in.noise = noise_;
  in.partial = options.inputs.latents;
  in.first = untouched_ ? 0 : first;
  solver = make_solver(in);
  for (int i = 0; i <= solver->steps(); ++i) nodes_.push_back(solver->node(i));
}

Image RunState::to_image(const at::Tensor& pixels) const {
  const Image image = image_of(pixels);
  return options.inputs.canvas ? pasted(*options.inputs.canvas, image) : image;
}

}  // namespace safelight
