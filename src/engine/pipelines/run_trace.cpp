// The part of a run that writes: probes, restart points, previews, the record.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "common/api/json.h"
#include "common/base/error.h"
#include "engine/pipelines/run_state.h"

namespace safelight {
namespace {

StoredTensor stored(const at::Tensor& t) {
  const at::Tensor c = t.to(at::kCPU, at::kFloat).contiguous();
  StoredTensor out{.shape = c.sizes().vec(), .values = {}};
  out.values.assign(c.data_ptr<float>(), c.data_ptr<float>() + c.numel());
  return out;
}

at::Tensor unstored(const StoredTensor& t) { return at::tensor(t.values, at::kFloat).view(t.shape); }

at::Tensor view_of(const at::Tensor& batch) { return batch.defined() ? batch[0].to(at::kFloat).contiguous() : at::Tensor(); }

constexpr int kHistoryRows = 6;  // the longest history in the table of solvers
// At `summary`, parts of the run after which a restart point and a preview are kept: to make files and touch their pages is most of what a trace costs.
constexpr int kSummaryParts = 5;

}  // namespace

template <class F>
void RunState::timed_probe(F&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  probe_ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

Json RunState::resolved_json() const {
  Json out = {{"model", components.name}, {"directory", components.directory.string()}, {"family", components.family},
          {"prompt", request.prompt}, {"negative", request.negative}, {"width", request.width}, {"height", request.height},
          {"steps", request.steps}, {"guidance", *request.guidance}, {"seed", request.seed}, {"count", request.count},
          {"solver", request.scheduler.solver}, {"spacing", scheduler.sigmas.empty() ? scheduler.spacing : scheduler.sigmas},
          {"prediction", name(scheduler.prediction)}, {"dtype", components.dtype}, {"probes", request.probes}};
  if (request.shortcuts.any()) out["shortcuts"] = to_json(request)["shortcuts"];
  return out;
}

TraceFile::RestartLayout RunState::restart_layout() const {
  const at::Tensor x = solver->latent();
  const std::vector<int64_t> shape = x.sizes().vec();
  TraceFile::RestartLayout layout;
  layout.rows = 0;
  for (int i = 0; i < solver->steps(); ++i) layout.rows += keeps_restart(i);
  layout.tensors.emplace_back("latent", shape);
  for (int i = 0; i < kHistoryRows; ++i) layout.tensors.emplace_back("history." + std::to_string(i), shape);
  layout.tensors.emplace_back("final", std::vector<int64_t>(shape.begin() + 1, shape.end()));
  return layout;
}

bool RunState::keeps_restart(int steps_done) const {
  if (steps_done == 0) return true;
  // Where a run goes on, its cache is empty: only where the whole network is due anyway does that give the same bytes.
  if (request.shortcuts.cache_threshold > 0 || steps_done % request.shortcuts.cache_interval != 0) return false;
  return ends_part(steps_done);
}

bool RunState::ends_part(int steps_done) const {
  return request.probes == "full" || steps_done == solver->steps() || steps_done % std::max(1, solver->steps() / kSummaryParts) == 0;
}

void RunState::begin_trace() {
  if (!options.trace) return;
  timed_probe([&] {
    options.trace->run()["request"] = to_json(request);
    options.trace->run()["resolved"] = resolved_json();
    const RunView view{.components = components, .request = request,
                       .level = request.probes == "full" ? ProbeLevel::full : ProbeLevel::summary, .tokens = tokens_.front(),
                       .text = prompt_.text[0].to(at::kFloat), .empty_text = negative_.text[0].to(at::kFloat), .nodes = nodes_,
                       .scheduler = scheduler, .latent_height = watch ? watch->plan().height : latent_height_,
                       .latent_width = watch ? watch->plan().width : latent_width_};
    for (const auto& probe : options.probes) probe->on_start(view, *options.trace);
    options.trace->start_steps(request.probes == "none" ? TraceFile::RestartLayout{} : restart_layout());
  });
}

void RunState::start_restart() {
  steps_start_ = std::chrono::steady_clock::now();
  if (change.restart) {
    const TraceReader source(change.restart->run);
    const StoredRestart r = source.restart(change.restart->step);
    SolverState state;
    for (const auto& [name, tensor] : r.tensors)
      if (tensor.values.empty()) throw Error(ErrorCode::corrupt_file, "the restart point's tensor '" + name + "' is missing");
    const auto latent = r.tensors.find("latent");
    if (latent == r.tensors.end() || latent->second.shape != solver->latent().sizes().vec())
      throw Error(ErrorCode::conflict, "the restart point has another size than this request");
    state.x = unstored(latent->second);
    for (int i = 0; r.tensors.contains("history." + std::to_string(i)); ++i)
      state.history.push_back(unstored(r.tensors.at("history." + std::to_string(i))));
    state.scalars = r.scalars;
    solver->restore(state);
    noise_source_->skip_to(r.draws, solver->latent().sizes());
  }
  first_step_ = solver->step();
  store_restart_point(first_step_);
  if (options.trace) timed_probe([&] { options.trace->update(); });  // from here on a killed run can be opened and restarted
  step_x_ = solver->next() ? solver->next()->model_input : solver->latent();
}

void RunState::store_restart_point(int steps_done) {
  if (!options.trace || request.probes == "none" || !keeps_restart(steps_done) || steps_done >= solver->steps()) return;
  if (steps_done != 0 && steps_done == first_step_) return;  // it lies in the run that this one continues
  timed_probe([&] {
    const SolverState state = solver->state();
    StoredRestart r{.steps_done = steps_done, .tensors = {}, .scalars = state.scalars, .draws = noise_source_->draws()};
    r.tensors["latent"] = stored(state.x);
    for (std::size_t i = 0; i < state.history.size(); ++i) r.tensors["history." + std::to_string(i)] = stored(state.history[i]);
    options.trace->store_restart(r);
  });
}

void RunState::write_preview(int step) {
  if (components.latent_to_rgb.empty()) return;
  const at::Tensor x0 = view_of(estimate.x0);
  const int64_t channels = x0.size(0), area = x0.size(1) * x0.size(2);
  Image image{.width = static_cast<int>(x0.size(2)), .height = static_cast<int>(x0.size(1)), .channels = 3, .pixels = {}};
  image.pixels.resize(static_cast<std::size_t>(area * 3));
  const float* p = x0.data_ptr<float>();
  for (int64_t i = 0; i < area; ++i)
    for (std::size_t k = 0; k < 3; ++k) {
      double v = components.latent_to_rgb[static_cast<std::size_t>(channels)][k];
      for (int64_t c = 0; c < channels; ++c) v += components.latent_to_rgb[static_cast<std::size_t>(c)][k] * p[c * area + i];
      image.pixels[static_cast<std::size_t>(3 * i) + k] = static_cast<std::uint8_t>(std::clamp(v * 127.5 + 127.5, 0.0, 255.0));
    }
  options.trace->preview(step, image);
}

void RunState::finish_step(int step) {
  const Node node = nodes_[static_cast<std::size_t>(step)], next = nodes_[static_cast<std::size_t>(step) + 1];
  if (options.trace) {
    const auto wanted = solver->next();
    const at::Tensor after = wanted ? wanted->model_input : solver->latent();
    timed_probe([&] {
      if (!options.probes.empty()) {
        StepView view{.index = step, .node = node, .next = next, .guidance = guidance_at(step), .entered = view_of(entered), .x = view_of(input),
                      .x_next = view_of(after), .cond = view_of(cond), .uncond = view_of(uncond), .guided = view_of(estimate.raw),
                      .x0 = view_of(estimate.x0), .eps = view_of(estimate.eps)};
        if (watch) {
          view.misled = watch->misled();
          view.self_entropy = watch->self_entropy();
          view.attention = watch->attention();
          view.blocks = watch->blocks();
        }
        for (const auto& probe : options.probes) probe->on_step(view, *options.trace);
        if (ends_part(step + 1)) write_preview(step);
      }
    });
    store_restart_point(step + 1);
    timed_probe([&] { options.trace->end_step(step, {node.alpha, node.sigma, node.timestep}); });
  }
  if (options.progress) {
    const int done = step + 1 - first_step_, left = solver->steps() - step - 1;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - steps_start_).count();
    options.progress({.stage = "denoise", .step = step + 1, .total = solver->steps(), .seconds_left = seconds / done * left});
  }
}

void RunState::check_images() {
  for (int64_t n = 0; n < request.count; ++n) images_.push_back(to_image(pixels_[n]));
  if (!options.trace) return;
  if (partial_.defined()) options.trace->partial_latents(stored(partial_));
  const int64_t bad = pixels_.numel() - at::isfinite(pixels_).sum().item<int64_t>();
  options.trace->fact("numerics", "nonfinite_pixels", bad);
  options.trace->fact("numerics", "nonfinite_latents", latents_.numel() - at::isfinite(latents_).sum().item<int64_t>());
  timed_probe([&] {
    const DecodedView view{.latent = view_of(latents_), .pixels = view_of(pixels_), .decoder_latent = decode_watch_.latents,
                           .decoder_pixels = decode_watch_.pixels, .image = images_.front()};
    for (const auto& probe : options.probes) probe->on_decoded(view, *options.trace);
    if (request.probes != "none") options.trace->final_latent(stored(latents_[0]));
  });
}

GenerateResult RunState::close() {
  GenerateResult result;
  if (options.trace) {
    for (std::size_t n = 0; n < images_.size(); ++n) {
      Json one = resolved_json();
      one["seed"] = request.seed + n;
      options.trace->image(static_cast<int>(n), images_[n], parameters_text(one), request.seed + n);
    }
    stage("write_images");
  }
  result.images = std::move(images_);
  result.latents = latents_;
  result.partial = partial_;
  result.pixels = pixels_;
  result.resolved = resolved_json();
  result.unknown_words = tokens_.front().unknown_words;
  result.split_words = tokens_.front().split_words;
  for (const TokenSpan& t : tokens_.front().truncated) result.truncated.push_back(t.text);
  result.total_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  result.probe_ms = probe_ms_ + (watch ? watch->spent_ms() : 0.0);
  result.stages = stages_;
  if (options.trace) {
    Json& run = options.trace->run();
    run["stages"] = Json::array();
    for (const StageTime& s : stages_) run["stages"].push_back({{"name", s.name}, {"ms", s.ms}});
    const double rest = std::max(result.total_ms - result.probe_ms, 1e-9);
    run["total_ms"] = result.total_ms;
    if (cache) run["partial_passes"] = cache->reused();
    run["probe_cost"] = {{"level", request.probes}, {"ms", result.probe_ms}, {"share", result.probe_ms / rest}, {"bytes", options.trace->bytes()}};
    options.trace->finish("finished");
  }
  return result;
}

}  // namespace safelight
