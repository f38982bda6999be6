#include "bridge/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/api/json.h"
#include "engine/training/checker/scene_checker.h"

namespace safelight {
namespace {

GenerateRequest request_of(const GenerateRequest& shared, const OperatingPoint& p) {
  GenerateRequest request = shared;
  request.model = p.directory;
  request.scheduler.solver = p.scheduler;
  request.steps = p.steps;
  if (std::isfinite(p.guidance)) request.guidance = p.guidance;
  if (p.decoder.find('/') != std::string::npos) request.vae = p.decoder;
  return request;
}

Interventions change_of(const OperatingPoint& p) {
  Interventions change;
  if (p.decoder == "float32" || p.decoder == "linear") change.decoder = DecoderChange{.kind = p.decoder, .path = {}};
  return change;
}

// Answers the small edit of a cell whose latents another cell's share, and what is asked of a model for the second time, without running it again.
class SharedEdits final : public Experiment {
 public:
  SharedEdits(EngineExperiment& experiment, std::map<std::string, Outcome>& known, std::string key)
      : experiment_(experiment), known_(known), key_(std::move(key)) {}

  Outcome ask(const TraceReader& base, const GenerateRequest& request, const Interventions& change) override {
    const GenerateRequest own = stored_request(base);
    return once(own.model + own.vae + to_json(request).dump() + to_json(change).dump(), [&] { return experiment_.ask(base, request, change); });
  }

  Outcome rerun(const TraceReader& base, const Interventions& change) override {
    const Interventions own = interventions_from_json(base.run().value("interventions", Json::object()));
    if (to_json(change) != to_json(sham_of(own, kSmallEdit))) return experiment_.rerun(base, change);
    return once(key_, [&] { return experiment_.rerun(base, change); });
  }

 private:
  template <class Run>
  Outcome once(const std::string& key, Run run) {
    const auto found = known_.find(key);
    if (found != known_.end() && std::filesystem::exists(found->second.run / "run.json")) return found->second;
    return known_[key] = run();
  }

  EngineExperiment& experiment_;
  std::map<std::string, Outcome>& known_;
  std::string key_;
};

// The share of the prompt's claims that a picture of the closed world keeps. Nothing for other models, and for prompts that make
// no claim that can be checked.
std::optional<double> adherence_of(const std::filesystem::path& model, const std::string& prompt, const Image& image) {
  if (!std::filesystem::exists(model / "safelight.json") || image.width != image.height || image.channels != 3) return std::nullopt;
  const PromptClaims claims = parse_prompt(prompt);
  if (!claims.unknown.empty()) return std::nullopt;
  const CheckResult check = check_image(image.pixels.data(), image.width, claims);
  if (check.claims.empty()) return std::nullopt;
  const auto right = std::count_if(check.claims.begin(), check.claims.end(), [](const ClaimResult& c) { return c.right; });
  return static_cast<double>(right) / static_cast<double>(check.claims.size());
}

}  // namespace

void EngineCellRunner::hold(const std::string& directory) {
  if (held_ == directory) return;
  if (!held_.empty()) engine_.close(held_);
  small_edits_.clear();
  baseline_ = read_baseline(directory);
  held_ = directory;
}

OperatingPoint EngineCellRunner::settle(const GenerateRequest& shared, const OperatingPoint& asked) {
  const std::string& d = asked.decoder;
  if (d != "own" && d != "float32" && d != "linear" && (d.find('/') == std::string::npos || !std::filesystem::is_directory(d)))
    throw Error(ErrorCode::invalid_argument, "decoder '" + d + "' is unknown; known: own, float32, linear, or the path of an autoencoder's folder (with a slash)");
  OperatingPoint p = asked;
  p.directory = std::filesystem::absolute(engine_.find_model(asked.model)).lexically_normal().string();
  hold(p.directory);
  const auto components = engine_.open(request_of(shared, p));
  const GenerateRequest resolved = resolved_request(*components, request_of(shared, p), {});
  if (p.model.empty()) p.model = components->name;
  p.scheduler = resolved.scheduler.solver;
  p.steps = resolved.steps;
  p.guidance = *resolved.guidance;
  return p;
}

CellRunner::Outcome EngineCellRunner::run(const GenerateRequest& shared, const OperatingPoint& point, std::uint64_t seed, const std::filesystem::path& directory) {
  hold(point.directory);
  GenerateRequest request = request_of(shared, point);
  request.seed = seed;
  std::int64_t evaluations = 0;
  const RunCalls calls{.progress = {}, .cancelled = [&] { return ++evaluations, options_.cancelled && options_.cancelled(); }};
  const FinishedRun run = engine_.generate(request, change_of(point), directory, calls);
  if (engine_.open(request)->denoiser->guidance() == GuidanceKind::classifier_free && point.guidance > 1) evaluations *= 2;  // both halves
  EngineExperiment experiment(engine_, directory / "counterfactuals");
  SharedEdits shared_edits(experiment, small_edits_, fmt::format("{}|{}|{}|{}|{}", point.directory, point.scheduler, point.steps, point.guidance, seed));
  if (options_.cancelled && options_.cancelled()) throw Error(ErrorCode::cancelled, "cancelled on request");
  // The latent-difference check takes one rerun, whatever is left for counterfactuals.
  const TraceReader trace(directory);
  Outcome out{.verdict = diagnose(trace, baseline_ ? &*baseline_ : nullptr, &shared_edits, {.counterfactuals = 1 + options_.counterfactuals}, {}),
              .adherence = adherence_of(point.directory, request.prompt, run.result.images.front()), .evaluations = evaluations};
  store_verdict(trace, out.verdict);
  return out;
}

}  // namespace safelight
