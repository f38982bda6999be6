#include "apps/cli/lab/evidence_runs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "apps/cli/lab/eval_attention.h"
#include "bridge/diagnosis.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/formats/png.h"
#include "engine/training/recipe.h"
#include "engine/training/scenes/captions.h"
#include "engine/training/scenes/scene_render.h"
#include "insight/diagnosis/colour_shift.h"
#include "insight/diagnosis/detector.h"

namespace safelight::app {
namespace {

constexpr std::array kFactors = {0.7, 0.5, 0.35, 0.2, 0.1, 0.0};
constexpr std::array kAmounts = {-0.1, -0.05, -0.02, 0.02, 0.05, 0.1};   // each at every step of the last third
constexpr std::array kStepCounts = {40, 20, 12, 8, 5, 3};
constexpr double kStrength = 0.8;   // of image-to-image: the scene's layout stays, its look is painted anew

struct Sample {
  std::string prompt;
  Image image;
  std::vector<NounMask> nouns;
};

// The index-th scene of one or two objects whose caption the model understands.
Sample sample_of(const SceneOptions& world, const Components& model, std::uint64_t seed, int index) {
  SceneOptions options = world;
  options.share = {1, 1, 0, 0, 0, 0};
  for (std::uint64_t i = 0;; ++i) {
    const std::uint64_t number = static_cast<std::uint64_t>(index) * 64 + i;
    const Scene scene = make_scene(options, seed, number);
    const Caption said = caption(scene, number);
    if (!understands(model, said.text) && i < 63) continue;
    Sample s{.prompt = said.text, .image = {.width = options.image_px, .height = options.image_px, .channels = 3, .pixels = {}}, .nouns = {}};
    s.image.pixels.resize(static_cast<std::size_t>(3 * options.image_px * options.image_px));
    render_scene(scene, options.image_px, s.image.pixels.data());
    for (const Mention& m : said.mentions) {
      NounMask noun{said.text.substr(m.begin, m.end - m.begin), {}};
      for (const int object : m.objects) {
        const std::vector<std::uint8_t> mask = object_mask(scene.objects[static_cast<std::size_t>(object)], options.image_px);
        noun.mask.resize(mask.size());
        for (std::size_t k = 0; k < mask.size(); ++k) noun.mask[k] = noun.mask[k] || mask[k] > 127;
      }
      s.nouns.push_back(std::move(noun));
    }
    return s;
  }
}

double mean_from(const std::vector<double>& values, int step) {
  double sum = 0;
  int n = 0;
  for (std::size_t i = static_cast<std::size_t>(step); i < values.size(); ++i)
    if (std::isfinite(values[i])) sum += values[i], ++n;
  return n > 0 ? sum / n : std::nan("");
}

double mean(const std::vector<double>& values) { return values.empty() ? std::nan("") : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

// Of the picture, that the masks cover: the share of an attention that is alike everywhere.
double mean_cover(const std::vector<NounMask>& nouns) {
  std::vector<double> covers;
  for (const NounMask& n : nouns) covers.push_back(static_cast<double>(std::count(n.mask.begin(), n.mask.end(), 1)) / static_cast<double>(std::max<std::size_t>(n.mask.size(), 1)));
  return mean(covers);
}

double lowest_drift(const TraceReader& run, int channel, int step) {
  double low = HUGE_VAL;
  const auto& rows = run.values("snr.drift_db");
  for (std::size_t i = static_cast<std::size_t>(step); i < rows.size(); ++i) low = std::min(low, rows[i][static_cast<std::size_t>(channel)]);
  return low;
}

}  // namespace

EvidenceRuns::EvidenceRuns(Context& context, const EvidencePlan& plan, std::filesystem::path scratch, std::function<void(const std::string&, double)> progress)
    : context_(context), plan_(plan), scratch_(std::move(scratch)), progress_(std::move(progress)) {
  std::filesystem::create_directories(scratch_);
  const auto channels = static_cast<int>(context.engine().open(plan.model, "float32")->denoiser->latent_channels());
  total_ = plan.scenes * (1 + static_cast<int>(kFactors.size()) + 1 + channels * static_cast<int>(kAmounts.size()) +
                          static_cast<int>(kStepCounts.size()) * (1 + static_cast<int>(plan.compared.size())));
}

TraceReader EvidenceRuns::run(GenerateRequest request, const Interventions& change) {
  const auto directory = scratch_ / std::to_string(runs_++);
  std::filesystem::remove_all(directory);
  context_.engine().generate(request, change, directory, {});
  return TraceReader(directory);
}

void EvidenceRuns::advance(const std::string& what) {
  ++done_;
  if (progress_) progress_(what, static_cast<double>(done_) / total_);
}

std::vector<CollapsePoint> EvidenceRuns::collapses() {
  const auto model = context_.engine().open(plan_.model, "float32");
  const SceneOptions world = world_of(context_.engine().find_model(plan_.model));
  std::vector<CollapsePoint> out;
  for (int scene = 0; scene < plan_.scenes; ++scene) {
    const Sample sample = sample_of(world, *model, plan_.seed, scene);
    const auto picture = scratch_ / "scene.png";
    write_file_atomic(picture, encode_png(sample.image, {}));
    GenerateRequest request;
    request.model = plan_.model;
    request.prompt = sample.prompt;
    request.picture.file = picture.string();
    request.picture.strength = kStrength;
    request.seed = plan_.seed + static_cast<std::uint64_t>(scene);
    const TraceReader alone = run(request, {});
    const int from = alone.steps_done() / 3;
    const double entropy = mean_from(alone.scalar("attention.routing_entropy"), from), agreement = mean(noun_shares(alone, world.image_px, sample.nouns, from));
    advance("attention left alone");
    for (const double factor : kFactors) {
      Interventions change;
      change.attention.push_back({.steps = {from, -1}, .factor = factor, .layers = "", .cross = true, .token = -1});
      const TraceReader flat = run(request, change);
      out.push_back({.scene = scene, .factor = factor, .entropy_spike = mean_from(flat.scalar("attention.routing_entropy"), from) - entropy, .held = agreement - mean_cover(sample.nouns),
                     .agreement_lost = agreement - mean(noun_shares(flat, world.image_px, sample.nouns, from))});
      advance("attention flattened");
    }
  }
  std::erase_if(out, [](const CollapsePoint& p) { return !std::isfinite(p.entropy_spike) || !std::isfinite(p.agreement_lost); });
  return out;
}

std::vector<PushPoint> EvidenceRuns::pushes() {
  const auto model = context_.engine().open(plan_.model, "float32");
  const SceneOptions world = world_of(context_.engine().find_model(plan_.model));
  const auto baseline = read_baseline(context_.engine().find_model(plan_.model));
  if (!baseline || baseline->channel_to_rgb.empty())
    throw Error(ErrorCode::unsupported, "'" + plan_.model + "' has no measured colours of its latent channels; run `safelight lab calibrate " + plan_.model + "` first");
  std::vector<PushPoint> out;
  for (int scene = 0; scene < plan_.scenes; ++scene) {
    GenerateRequest request;
    request.model = plan_.model;
    request.prompt = sample_of(world, *model, plan_.seed, scene).prompt;
    request.seed = plan_.seed + static_cast<std::uint64_t>(scene);
    const TraceReader alone = run(request, {});
    const int from = alone.steps_done() * 2 / 3;
    advance("latents left alone");
    for (int channel = 0; channel < static_cast<int>(model->denoiser->latent_channels()); ++channel)
      for (const double amount : kAmounts) {
        Interventions change;
        change.latents.push_back({.steps = {from, -1}, .channel = channel, .amount = amount});
        const TraceReader pushed = run(request, change);
        PushPoint p{.scene = scene, .channel = channel, .amount = amount, .drift_db = lowest_drift(pushed, channel, from) - lowest_drift(alone, channel, from), .predicted = {}, .measured = {}};
        if (const auto shift = colour_shift(alone, pushed, baseline->channel_to_rgb)) {
          p.predicted.assign(shift->predicted.begin(), shift->predicted.end());
          p.measured.assign(shift->measured.begin(), shift->measured.end());
          out.push_back(std::move(p));
        }
        advance("latent channel pushed");
      }
  }
  return out;
}

std::vector<QueuePoint> EvidenceRuns::queues() {
  std::vector<QueuePoint> out;
  std::vector<std::string> models = {plan_.model};
  models.insert(models.end(), plan_.compared.begin(), plan_.compared.end());
  const auto own = context_.engine().open(plan_.model, "float32");
  const SceneOptions world = world_of(context_.engine().find_model(plan_.model));
  for (const std::string& model : models)
    for (int scene = 0; scene < plan_.scenes; ++scene) {
      const std::string prompt = sample_of(world, *own, plan_.seed, scene).prompt;
      for (const int steps : kStepCounts) {
        GenerateRequest request;
        request.model = model;
        request.prompt = prompt;
        request.seed = plan_.seed + static_cast<std::uint64_t>(scene);
        request.steps = steps;
        const double queued = fact(run(request, {}), "detail", "queued");
        if (std::isfinite(queued)) out.push_back({scene, steps, model, queued});
        advance("detail queue");
      }
    }
  return out;
}

}  // namespace safelight::app
