#include "engine/pipelines/run_state.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"

namespace safelight {
namespace {

double ms_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double, std::milli>(b - a).count();
}

SchedulerConfig scheduler_for(const Components& c, const GenerateRequest& r) {
  const std::string where = "'" + (c.directory / "scheduler" / "scheduler_config.json").string() + "'";
  SchedulerConfig config = SchedulerConfig::from_json(c.scheduler_config, where, solver_named(r.scheduler.solver).class_name);
  if (const auto adjust = solver_named(r.scheduler.solver).adjust) adjust(config);
  const std::string& spacing = r.scheduler.spacing;
  if (spacing == "karras") {
    config.sigmas = "karras";
  } else if (spacing == "leading" || spacing == "trailing" || spacing == "linspace") {
    config.spacing = spacing;
    config.sigmas.clear();
  } else if (!spacing.empty()) {
    throw Error(ErrorCode::invalid_argument, "spacing '" + spacing + "' is unknown; known: leading, trailing, linspace, karras");
  }
  if (!r.scheduler.prediction.empty()) config.prediction = prediction_named(r.scheduler.prediction);
  return config;
}

std::vector<int64_t> ids_of(const TokenizedPrompt& p) { return p.ids; }

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
  if (r.width == 0) r.width = c.default_side_px;
  if (r.height == 0) r.height = c.default_side_px;
  if (r.steps == 0 && asked.steps == 0) r.steps = c.recommended.steps;
  if (!r.guidance) r.guidance = c.recommended.guidance;
  if (r.scheduler.solver.empty())
    r.scheduler.solver = c.recommended.solver.empty() ? c.scheduler_config.value("_class_name", std::string()) : c.recommended.solver;
  const int64_t unit = c.autoencoder->downscale();
  for (const auto& [where, side] : {std::pair{"width", r.width}, {"height", r.height}})
    if (side % unit != 0) problems.push_back({where, "is " + std::to_string(side), "this model needs a multiple of " + std::to_string(unit)});
  require_no(problems, "request");
  r.scheduler.solver = solver_named(r.scheduler.solver).name;
  return r;
}

RunState::RunState(const Components& c, const GenerateRequest& asked, RunOptions& o)
    : components(c),
      options(o),
      change(o.interventions),
      request(resolved_request(c, asked, o.interventions)),
      scheduler(scheduler_for(c, request)),
      converter(scheduler),
      edit(o.interventions),
      start_(std::chrono::steady_clock::now()),
      mark_(start_) {
  guided = *request.guidance != 1.0 && c.denoiser->guidance_embed_width() == 0;
  latent_height_ = request.height / c.autoencoder->downscale();
  latent_width_ = request.width / c.autoencoder->downscale();
  bool attention = false, blocks = false;
  for (const auto& probe : o.probes) {
    attention = attention || probe->needs().attention;
    blocks = blocks || probe->needs().blocks;
  }
  if (!attention && !blocks) return;
  ForwardWatch::Plan plan{.attention = attention, .blocks = blocks, .image = guided ? request.count : 0,
                          .height = latent_height_, .width = latent_width_};
  while (plan.height * plan.width > 1024 && plan.height % 2 == 0 && plan.width % 2 == 0) plan.height /= 2, plan.width /= 2;
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

ForwardHooks RunState::hooks() {
  return {.observer = watch ? &*watch : nullptr, .edit = edit.needed() ? &edit : nullptr};
}

double RunState::guidance_at(int step) const {
  if (change.guidance_steps && !change.guidance_steps->contains(step)) return 1.0;
  return *request.guidance;
}

void RunState::tokenise() {
  tokens_ = components.tokenizer->encode(request.prompt, components.max_text_tokens);
  negative_tokens_ = components.tokenizer->encode(request.negative, components.max_text_tokens);
  for (const TokenEdit& e : change.tokens) {
    if (e.index < 0 || e.index >= static_cast<int>(tokens_.tokens.size()) || tokens_.tokens[static_cast<std::size_t>(e.index)].special)
      throw Error(ErrorCode::invalid_argument, "tokens.index is " + std::to_string(e.index) + "; content tokens are 1 to " + std::to_string(tokens_.content));
    if (e.action == "replace") {
      const TokenizedPrompt with = components.tokenizer->encode(e.replacement, components.max_text_tokens);
      if (with.content != 1) throw Error(ErrorCode::invalid_argument, "tokens.replacement '" + e.replacement + "' is not one token");
      tokens_.ids[static_cast<std::size_t>(e.index)] = with.ids[1];
    } else if (e.action == "drop") {
      tokens_.ids[static_cast<std::size_t>(e.index)] = components.tokenizer->pad_id();
    }
  }
}

at::Tensor RunState::encode_ids(const std::vector<std::vector<int64_t>>& ids) {
  std::vector<int64_t> flat;
  for (const auto& row : ids) flat.insert(flat.end(), row.begin(), row.end());
  const at::Tensor t = at::tensor(flat, at::kLong).view({static_cast<int64_t>(ids.size()), -1});
  return components.text->encode(t, {});
}

void RunState::encode_text() {
  if (options.progress) options.progress({.stage = "text"});
  const at::Tensor both = encode_ids({ids_of(negative_tokens_), ids_of(tokens_)});
  empty_text_ = both.slice(0, 0, 1);
  prompt_text_ = both.slice(0, 1, 2);
  for (const TokenEdit& e : change.tokens)
    if (e.action == "reweight") {
      prompt_text_ = prompt_text_.clone();
      const at::Tensor base = empty_text_.select(1, e.index), row = prompt_text_.select(1, e.index);
      row.copy_(base + e.weight * (row - base));
    }
  const int64_t n = request.count;
  const at::Tensor cond_text = prompt_text_.expand({n, -1, -1});
  conditioning.text = guided ? at::cat({empty_text_.expand({n, -1, -1}), cond_text}, 0) : cond_text;
  if (components.denoiser->guidance_embed_width() > 0) {
    const int64_t width = components.denoiser->guidance_embed_width();
    const at::Tensor w = at::full({n}, (*request.guidance - 1) * 1000.0, at::kFloat);
    const at::Tensor half = at::arange(width / 2, at::kFloat) * (-std::log(10000.0) / (static_cast<double>(width) / 2 - 1));
    const at::Tensor angle = w.unsqueeze(1) * half.exp().unsqueeze(0);
    conditioning.guidance_embed = at::cat({angle.sin(), angle.cos()}, 1);
  }
}

void RunState::draw_noise() {
  const int64_t n = request.count, channels = components.denoiser->latent_channels();
  noise_source_ = std::make_unique<TorchNoise>(request.seed, n);
  at::Tensor noise = noise_source_->draw({n, channels, latent_height_, latent_width_});
  if (change.sham && change.sham->size > 0) {
    const double size = change.sham->size;
    TorchNoise other(change.sham->seed + 0x5AFE, n);
    noise = std::sqrt(1 - size * size) * noise + size * other.draw(noise.sizes());
  }
  SolverInputs in;
  in.config = scheduler;
  in.steps = request.steps;
  in.eta = request.scheduler.eta;
  in.noise = noise;
  in.source = noise_source_.get();
  solver = make_solver(in);
  for (int i = 0; i <= solver->steps(); ++i) nodes_.push_back(solver->node(i));
}

void RunState::push_latents(int step) {
  if (step == pushed_step_) return;  // once a step, also for solvers that evaluate twice
  pushed_step_ = step;
  SolverState state = solver->state();
  // In units of the variance-preserving scale, so that a push means the same for every solver.
  const double scale = solver->node(step).alpha;
  std::vector<LatentPush> pushes = change.latents;
  const at::Tensor probe = solver->next()->model_input;
  const double ratio = probe.abs().sum().item<double>() > 0 ? state.x.abs().sum().item<double>() / probe.abs().sum().item<double>() : scale;
  for (LatentPush& p : pushes) p.amount *= ratio;
  state.x = pushed(state.x, pushes, step);
  solver->restore(state);
}

void RunState::decode() {
  if (options.progress) options.progress({.stage = "decode"});
  latents_ = solver->latent();
  if (change.latent_scale) latents_ = latents_ * *change.latent_scale;
  if (change.decoder && change.decoder->kind == "linear") {
    std::vector<float> matrix;
    for (const auto& row : components.latent_to_rgb) matrix.insert(matrix.end(), row.begin(), row.end());
    const int64_t channels = latents_.size(1);
    const at::Tensor m = at::tensor(matrix, at::kFloat).view({channels + 1, 3});
    const at::Tensor rgb = at::einsum("nchw,cd->ndhw", {latents_, m.slice(0, 0, channels)}) + m[channels].view({1, 3, 1, 1});
    pixels_ = at::upsample_nearest2d(rgb, {request.height, request.width});
    return;
  }
  const Autoencoder& decoder = options.other_decoder ? *options.other_decoder : *components.autoencoder;
  pixels_ = decoder.decode(latents_, {.observer = nullptr, .edit = edit.needed() ? &edit : nullptr});
}

Image RunState::to_image(const at::Tensor& pixels) const {
  const at::Tensor bytes = (pixels / 2 + 0.5).clamp(0, 1).mul(255).round().nan_to_num(0.0).to(at::kByte).permute({1, 2, 0}).contiguous();
  Image image{.width = static_cast<int>(bytes.size(1)), .height = static_cast<int>(bytes.size(0)), .channels = 3, .pixels = {}};
  image.pixels.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
  return image;
}

}  // namespace safelight
