#include "bridge/diagnosis.h"

#include <ATen/ATen.h>

#include "bridge/read_words.h"
#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "insight/signatures/match.h"

namespace safelight {

GenerateRequest stored_request(const TraceReader& run) {
  GenerateRequest request = request_from_json(run.run().at("request"));
  const Json& resolved = run.run().contains("resolved") ? run.run()["resolved"] : Json::object();
  request.model = resolved.value("directory", request.model);
  if (request.model.find('/') == std::string::npos && std::filesystem::exists(request.model)) request.model = "./" + request.model;
  return request;
}

Experiment::Outcome EngineExperiment::rerun(const TraceReader& base, const Interventions& change) {
  GenerateRequest request = stored_request(base);
  request.probes = "summary";
  request.count = 1;
  return run(std::move(request), change);
}

Experiment::Outcome EngineExperiment::ask(const TraceReader& base, const GenerateRequest& asked, const Interventions& change) {
  GenerateRequest request = asked;
  const GenerateRequest own = stored_request(base);
  request.model = own.model;
  request.base = own.base;
  request.vae = own.vae;
  request.unpack = own.unpack;
  request.dtype = own.dtype;
  return run(std::move(request), change);
}

Experiment::Outcome EngineExperiment::run(GenerateRequest request, const Interventions& change) {
  int number = 0;
  while (std::filesystem::exists(directory_ / std::to_string(number) / "run.json")) ++number;
  const FinishedRun finished = engine_.generate(request, change, directory_ / std::to_string(number), {});
  return {finished.directory, finished.result.total_ms};
}

std::optional<Reading> EngineExperiment::read(const TraceReader& run) {
  const StoredTensor latent = run.final_latent();
  if (latent.shape.size() != 3) return {};
  GenerateRequest request = stored_request(run);
  request.scheduler = {};   // readings of runs are compared, so all are made at the model's own noise levels
  const auto components = engine_.open(request);
  return read_words(*components, resolved_request(*components, request, {}), at::tensor(latent.values, at::kFloat).view(latent.shape));
}

void store_verdict(const TraceReader& trace, const Verdict& verdict) {
  Json run = trace.run();
  run["verdict"] = to_json(verdict);
  write_file_atomic(trace.directory() / "run.json", run.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

namespace {

// The run that this one went on from, and what this one is in the cascade. An empty directory: it stands alone.
struct EarlierStage {
  std::filesystem::path run;
  std::string own_name;   // of the later stage: refiner or upscaler
};

EarlierStage earlier_stage(const TraceReader& trace) {
  const Json request = trace.run().value("request", Json::object()), part = request.value("part", Json::object()), picture = request.value("picture", Json::object());
  if (const auto from = part.value("from", std::string()); !from.empty()) return {from, "refiner"};
  const std::filesystem::path file = picture.value("file", std::string());
  if (file.empty() || !std::filesystem::exists(file.parent_path() / "run.json")) return {};
  const auto width = [](const Json& run) { return run.value("resolved", Json::object()).value("width", 0); };
  return {file.parent_path(), width(trace.run()) > width(TraceReader(file.parent_path()).run()) ? "upscaler" : "refiner"};
}

// Of one stage by itself.
Verdict diagnose_stage(Engine& engine, const TraceReader& trace, const DiagnoseOptions& options, const DiagnoseProgress& progress) {
  const std::string model = trace.run().contains("resolved") ? trace.run()["resolved"].value("directory", std::string()) : std::string();
  const auto baseline = model.empty() ? std::nullopt : read_baseline(model);
  EngineExperiment experiment(engine, trace.directory() / "counterfactuals");
  return diagnose(trace, baseline ? &*baseline : nullptr, std::filesystem::exists(model) ? &experiment : nullptr, options, progress);
}

}  // namespace

// What an earlier stage spoiled no later one can be blamed for, so stages are looked at in their order.
Verdict diagnose_run(Engine& engine, const std::filesystem::path& directory, const DiagnoseOptions& options, const DiagnoseProgress& progress) {
  const TraceReader trace(directory);
  const EarlierStage earlier = earlier_stage(trace);
  Verdict verdict;
  bool settled = false;
  std::string note;
  if (!earlier.run.empty() && std::filesystem::exists(earlier.run / "run.json")) {
    DiagnoseOptions alone = options;
    alone.looks.reset();   // what a person sees is the last picture
    verdict = diagnose_stage(engine, TraceReader(earlier.run), alone, progress);
    settled = !verdict.healthy && !verdict.undetermined;
    if (settled) verdict.notes.push_back("it broke in the first stage ('" + earlier.run.string() + "'); the " + earlier.own_name + " worked on what that left");
    else note = "the first stage ('" + earlier.run.string() + "') is " + (verdict.healthy ? "healthy" : "undetermined");
  } else if (!earlier.run.empty()) {
    note = "the first stage's run ('" + earlier.run.string() + "') is gone; only the " + earlier.own_name + " was looked at";
  }
  if (!settled) {
    verdict = diagnose_stage(engine, trace, options, progress);
    if (!earlier.run.empty()) verdict.stage = earlier.own_name;
    if (!note.empty()) verdict.notes.push_back(note);
  }
  static const SignatureLibrary known;   // the built-in entries: read once a process
  for (const SignatureMatch& m : match_signatures(known, verdict)) verdict.signatures.push_back(m.signature->id);
  store_verdict(trace, verdict);
  return verdict;
}

namespace {

// The cheap decode, fitted: least squares from latents to the mean colour of the pixels that each stands for.
std::vector<std::vector<double>> fit_latent_to_rgb(Engine& engine, const GenerateRequest& base, const std::vector<std::string>& prompts, int runs) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> inputs, outputs;
  for (int i = 0; i < runs; ++i) {
    GenerateRequest request = base;
    request.prompt = prompts[static_cast<std::size_t>(i) % prompts.size()];
    request.seed = 70'000 + static_cast<std::uint64_t>(i);
    request.probes = "none";
    const GenerateResult r = engine.generate(request, {}, {}, {}).result;
    const Image& image = r.images.front();
    const at::Tensor z = r.latents[0].to(at::kDouble);
    at::Tensor pixels = at::tensor(at::ArrayRef<std::uint8_t>(image.pixels), at::kByte).view({image.height, image.width, 3}).permute({2, 0, 1}).to(at::kDouble);
    pixels = at::adaptive_avg_pool2d(pixels / 127.5 - 1, {z.size(1), z.size(2)});
    inputs.push_back(at::cat({z.flatten(1), at::ones({1, z.size(1) * z.size(2)}, at::kDouble)}, 0).t());
    outputs.push_back(pixels.flatten(1).t());
  }
  const at::Tensor a = at::cat(inputs, 0), b = at::cat(outputs, 0), at_a = a.t().matmul(a) + 1e-3 * at::eye(a.size(1), at::kDouble);
  const at::Tensor m = std::get<0>(at::linalg_lstsq(at_a, a.t().matmul(b)));
  std::vector<std::vector<double>> rows;
  for (int64_t i = 0; i < m.size(0); ++i) rows.push_back({m[i][0].item<double>(), m[i][1].item<double>(), m[i][2].item<double>()});
  return rows;
}

// Central differences of the mean colour at healthy latents [C,h,w] each.
std::vector<std::vector<double>> channel_derivatives(const Autoencoder& autoencoder, const std::vector<at::Tensor>& latents) {
  constexpr double kStep = 0.1;   // in units of the latent: small against their spread of about one, large against rounding
  at::NoGradGuard no_grad;
  std::vector<std::vector<double>> out;
  if (latents.empty()) return out;
  const auto mean_colour = [&](const at::Tensor& z) { return autoencoder.decode(z.unsqueeze(0), {}).clamp(-1, 1).mean({0, 2, 3}).to(at::kDouble); };
  for (int64_t c = 0; c < latents.front().size(0); ++c) {
    at::Tensor sum = at::zeros({3}, at::kDouble);
    for (const at::Tensor& z : latents) {
      at::Tensor more = z.clone(), less = z.clone();
      more[c] += kStep;
      less[c] -= kStep;
      sum += (mean_colour(more) - mean_colour(less)) * (127.5 / (2 * kStep * static_cast<double>(latents.size())));
    }
    out.push_back({sum[0].item<double>(), sum[1].item<double>(), sum[2].item<double>()});
  }
  return out;
}

constexpr int kFitRuns = 40, kEditRuns = 100, kDerivativeRuns = 20;
// People write negative prompts, and guidance away from words is stronger than away from none: bands that never saw one would call them burnt. One run in
// eleven has one, the prompt of the seventh run after it.
constexpr int kPlainRuns = 10, kNegativeFrom = 7;

// The first is asked at the recommended setting, with and without cross-attention; the others, for their words, in few steps.
std::vector<KnownAnswer> record_known_answers(Engine& engine, const GenerateRequest& base, const std::filesystem::path& scratch, const std::vector<std::string>& prompts) {
  constexpr std::size_t kAnswers = 4;
  constexpr int kFewSteps = 3;
  constexpr std::uint64_t kSeed = 8'000;
  std::vector<KnownAnswer> out;
  for (const std::string& prompt : covering_prompts(prompts, kAnswers)) {
    const KnownAnswer asked{.prompt = prompt, .seed = kSeed + out.size(), .steps = out.empty() ? 0 : kFewSteps, .nodes = {}, .with_attention = {}, .without_attention = {}};
    GenerateRequest request = request_of(asked);
    request.model = base.model;
    const auto answer = [&](const char* name, const Interventions& change) {
      const auto directory = scratch / (name + std::to_string(out.size()));
      std::filesystem::remove_all(directory);
      engine.generate(request, change, directory, {});
      return TraceReader(directory);
    };
    const TraceReader run = answer("known-", {});
    const auto off = out.empty() ? std::optional(answer("known-without-attention-", attention_switched_off())) : std::nullopt;
    out.push_back(known_answer(asked, run, off ? &*off : nullptr));
  }
  return out;
}

}  // namespace

bool understands(const Components& model, const std::string& prompt) {
  for (const TokenizedPrompt& t : model.prompt->tokenise({.text = prompt}, 0))
    if (!t.unknown_words.empty() || !t.truncated.empty()) return false;
  return true;
}

Baseline calibrate(Engine& engine, const std::string& model, const std::filesystem::path& scratch, std::vector<std::string> prompts,
                   const CalibrateOptions& options) {
  auto components = engine.open(model, "float32");
  std::erase_if(prompts, [&](const std::string& p) { return !understands(*components, p); });
  if (prompts.empty()) throw Error(ErrorCode::invalid_argument, "'" + model + "' understands none of the prompts that it is to be calibrated with");
  GenerateRequest base;
  base.model = components->directory.string();
  if (base.model.find('/') == std::string::npos) base.model = "./" + base.model;
  Baseline empty;
  empty.latent_to_rgb = fit_latent_to_rgb(engine, base, prompts, kFitRuns);
  write_file_atomic(components->directory / "baseline.json", to_json(empty).dump() + "\n");
  engine.close(base.model);  // the runs below record with the fitted decode
  components = engine.open(base.model, "float32");
  std::vector<TraceReader> healthy;
  const int with_negative = options.runs / kPlainRuns, total = options.runs + with_negative + options.held_out_runs;
  const auto one = [&](int i, bool negative) {
    GenerateRequest request = base;
    request.prompt = prompts[static_cast<std::size_t>(i) % prompts.size()];
    request.seed = 9'000 + static_cast<std::uint64_t>(i);
    if (negative) request.negative = prompts[static_cast<std::size_t>(i + kNegativeFrom) % prompts.size()];
    const auto directory = scratch / std::to_string(i);
    std::filesystem::remove_all(directory);
    engine.generate(request, {}, directory, {});
    if (options.progress) options.progress("calibrating", static_cast<double>(i + 1) / total);
    if (options.stop && options.stop()) throw Error(ErrorCode::cancelled, "cancelled on request");
    return TraceReader(directory);
  };
  for (int i = 0; i < options.runs + with_negative; ++i) healthy.push_back(one(i, i >= options.runs));
  Baseline b = build_baseline(healthy);
  for (const auto& row : components->latent_to_rgb) b.latent_to_rgb.push_back({row[0], row[1], row[2]});
  std::vector<at::Tensor> latents;
  for (std::size_t i = 0; i < std::min<std::size_t>(healthy.size(), kDerivativeRuns); ++i) {
    const StoredTensor z = healthy[i].final_latent();
    if (!z.values.empty()) latents.push_back(at::tensor(z.values, at::kFloat).view(z.shape));
  }
  b.channel_to_rgb = channel_derivatives(*components->autoencoder, latents);
  b.known_answers = record_known_answers(engine, base, scratch, prompts);
  EngineExperiment experiment(engine, scratch / "edits");
  std::vector<double> moves;
  for (std::size_t i = 0; i < std::min<std::size_t>(healthy.size(), kEditRuns); ++i)
    moves.push_back(latent_move(healthy[i], TraceReader(experiment.rerun(healthy[i], sham_of({}, kSmallEdit)).run)));
  b.small_edit = band_of(moves);
  int alarms = 0;
  for (int i = 0; i < options.held_out_runs; ++i) {
    const TraceReader run = one(options.runs + with_negative + i, i % (kPlainRuns + 1) == kPlainRuns);
    alarms += !diagnose(run, &b, nullptr, {.counterfactuals = 0}, {}).healthy;
  }
  engine.close(base.model);
  b.false_alarm_runs = options.held_out_runs;
  b.false_alarm_rate = options.held_out_runs > 0 ? static_cast<double>(alarms) / options.held_out_runs : 0;
  write_file_atomic(components->directory / "baseline.json", to_json(b).dump() + "\n");
  return b;
}

}  // namespace safelight
