// Records cases of our own engine in the format of the reference's record, so that a later build can be held against this one.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "apps/console/seed_option.h"
#include "apps/lab/golden.h"
#include "apps/lab/lab.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "engine/families/family.h"
#include "engine/pipelines/run.h"
#include "engine/weights/weight_file.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string out, prompt = "a red circle left of a blue square", negative;
  std::vector<std::string> models, schedulers;
  int steps = 6;
  double guidance = 5;
  std::uint64_t seed = 7;
  double tolerance = 1e-5;
};

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

// The generator's draws, kept in order: the first is the start of the run.
class Recording final : public NoiseSource {
 public:
  Recording(std::uint64_t seed, Tensors& into) : noise_(seed, 1), into_(into) {}
  at::Tensor draw(at::IntArrayRef shape) override {
    const at::Tensor t = noise_.draw(shape);
    into_.emplace_back(draws_ == 0 ? "in/latents" : fmt::format("noise/{:03}", draws_ - 1), t);
    ++draws_;
    return t;
  }

 private:
  TorchNoise noise_;
  Tensors& into_;
  int draws_ = 0;
};

Json record_case(const Arguments& a, Components components, const std::string& model, const SolverEntry& solver, const std::filesystem::path& out) {
  components.scheduler_config["_class_name"] = solver.class_name;
  components.recommended.solver.clear();
  Tensors tensors;
  Recording noise(a.seed, tensors);
  GenerateRequest r;
  r.prompt = a.prompt;
  r.negative = a.negative;
  r.steps = a.steps;
  r.guidance = a.guidance;
  r.probes = "none";
  std::vector<at::Tensor> steps;
  RunOptions options;
  options.noise = &noise;
  options.evaluated = [&](const Solver& s) { const auto next = s.next(); steps.push_back(recorded_form(*components.denoiser, next ? next->x : s.latent()).clone()); };
  const GenerateResult result = run(components, r, std::move(options));
  tensors.emplace_back("steps/prev_sample", at::stack(steps));
  tensors.emplace_back("out/latents", recorded_form(*components.denoiser, result.latents));
  tensors.emplace_back("vae/decode_out", result.pixels);
  const std::string name = fmt::format("{}_{}", components.name, solver.name), file = "pipelines/" + name + ".safetensors";
  std::filesystem::create_directories(out / "pipelines");
  write_tensors(out / file, tensors, {});
  return {{"family", "pipelines"}, {"kind", "pipeline"}, {"name", name}, {"name_unique", "pipelines/" + name}, {"checkpoint", std::filesystem::absolute(model).string()},
          {"files", {{"tensors", file}}}, {"sha256", sha256_file(out / file)}, {"tolerance", {{"metric", "rel_l2"}, {"value", a.tolerance}}}, {"produced_by", "safelight"},
          {"config", {{"pipeline", components.family}, {"scheduler_config", components.scheduler_config},
                      {"call", {{"prompt", a.prompt}, {"negative_prompt", a.negative}, {"num_inference_steps", a.steps}, {"guidance_scale", a.guidance}}}}}};
}

int record(const Arguments& a, const Common& common) {
  if (!std::isfinite(a.tolerance)) throw Error(ErrorCode::invalid_argument, "--tolerance must be a number from 0 to 1");
  for (const std::string& asked : a.schedulers) solver_named(asked);   // which knows the names
  if (std::filesystem::exists(std::filesystem::path(a.out) / "manifest.json"))
    throw Error(ErrorCode::conflict, "'" + a.out + "' holds a record already; choose another folder");
  Json cases = Json::array();
  ProgressBar bar(true);
  for (const std::string& model : a.models) {
    const Components components = open_model(model, {});
    const Frame frame = frame_of(components.scheduler_config.value("_class_name", std::string()));
    for (const SolverEntry& solver : solver_table()) {
      const bool asked = a.schedulers.empty() || std::find(a.schedulers.begin(), a.schedulers.end(), solver.name) != a.schedulers.end();
      if (!asked || frame_of(solver.class_name) != frame || solver.adjust || a.steps < solver.min_steps) continue;
      bar.show("recording", static_cast<double>(cases.size()) / static_cast<double>(solver_table().size() * a.models.size()), 0, solver.name + ",");
      cases.push_back(record_case(a, components, model, solver, a.out));
    }
  }
  if (cases.empty()) throw Error(ErrorCode::invalid_argument, "no scheduler of the list fits the models");
  write_file_atomic(std::filesystem::path(a.out) / "manifest.json", Json{{"format_version", 1}, {"half", "own"}, {"cases", cases}}.dump(1) + "\n");
  if (common.json) print_json({{"manifest", (std::filesystem::path(a.out) / "manifest.json").string()}, {"cases", cases.size()}});
  else print_line(fmt::format("{} cases in {}", cases.size(), a.out));
  return 0;
}

}  // namespace

Command lab_record(CLI::App& parent, const Common& common) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = parent.add_subcommand("record", "Record runs of this build, for `lab verify` by a later one");
  c->add_option("out", a->out, "folder for manifest.json and the tensors")->required();
  c->add_option("--model", a->models, "model directories")->required();
  c->add_option("--scheduler", a->schedulers, "schedulers; all that fit when absent");
  c->add_option("--prompt", a->prompt, "what to paint");
  c->add_option("--negative", a->negative, "what to lead away from");
  c->add_option("--steps", a->steps, "denoising steps")->check(CLI::Range(1, 1000));
  c->add_option("--guidance", a->guidance, "guidance scale");
  c->add_option("--seed", a->seed, "seed of the noise")->check(is_seed());
  c->add_option("--tolerance", a->tolerance, "relative L2 that a later build may differ by")->check(CLI::Range(0.0, 1.0));
  return {c, [a, &common] { return record(*a, common); }};
}

}  // namespace safelight::app
