#include <fmt/format.h>

#include <fstream>

#include "apps/cli/context.h"
#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "insight/diagnosis/text.h"

namespace safelight::app {
namespace {

struct Arguments {
  GenerateRequest request;
  std::string out, from, interventions;
  double guidance = -1;
  bool guidance_given = false, diagnose = false;
  int counterfactuals = 25;
};

Json run_json(const FinishedRun& run) {
  Json images = Json::array(), stages = Json::array();
  for (std::size_t i = 0; i < run.result.images.size(); ++i) images.push_back((run.directory / ("image-" + std::to_string(i) + ".png")).string());
  for (const StageTime& s : run.result.stages) stages.push_back({{"name", s.name}, {"ms", s.ms}});
  return {{"run", run.directory.string()}, {"images", images}, {"resolved", run.result.resolved}, {"total_ms", run.result.total_ms},
          {"probe_ms", run.result.probe_ms}, {"probe_share", run.result.probe_ms / std::max(run.result.total_ms - run.result.probe_ms, 1e-9)},
          {"stages", stages}, {"unknown_words", run.result.unknown_words}, {"truncated", run.result.truncated}};
}

// One request; with --diagnose its verdict goes into run.json and the result.
Json generate_one(const Arguments& a, const GenerateRequest& request, const Interventions& change, Context& context,
                  const std::filesystem::path& directory) {
  ProgressBar bar(true);
  RunCalls calls{.progress = [&](const RunProgress& p) {
                   if (p.total > 0) bar.show("denoising", static_cast<double>(p.step) / p.total, p.seconds_left, fmt::format("step {} of {},", p.step, p.total));
                 },
                 .cancelled = stop_requested};
  Json json;
  try {
    json = run_json(context.engine().generate(request, change, directory, calls));
  } catch (const Error& e) {
    if (!a.diagnose || e.code() == ErrorCode::invalid_argument || e.code() == ErrorCode::cancelled) throw;
    return {{"run", nullptr}, {"refused", true}, {"error", {{"code", name(e.code())}, {"message", e.what()}}}, {"verdict", to_json(refusal(e))}};
  }
  if (a.diagnose) json["verdict"] = to_json(diagnose_run(context.engine(), directory, {.counterfactuals = a.counterfactuals}, [&](const std::string& what, double part) {
    bar.show("diagnosing", part, 0, what + ",");
  }));
  return json;
}

void tell(const Json& json) {
  if (json.contains("images"))
    for (const Json& image : json["images"]) print_line("image   " + image.get<std::string>());
  if (json.contains("run") && json["run"].is_string()) print_line("trace   " + json["run"].get<std::string>());
  if (json.contains("total_ms"))
    print_line(fmt::format("time    {:.0f} ms, probes {:.1f} % of it", json["total_ms"].get<double>(), 100 * json["probe_share"].get<double>()));
  for (const Json& word : json.value("unknown_words", Json::array()))
    note("the model does not know the word '" + word.get<std::string>() + "'; it had no effect");
  if (!json.value("truncated", Json::array()).empty()) note(fmt::format("the prompt is too long: {} tokens were cut off", json["truncated"].size()));
  if (json.contains("verdict")) print_line(verdict_text(verdict_from_json(json["verdict"])));
}

int generate_many(const Arguments& a, const Interventions& change, Context& context) {
  std::ifstream in(a.from);
  if (!in) throw Error(ErrorCode::not_found, "'" + a.from + "' cannot be read");
  const std::filesystem::path base = a.out.empty() ? context.new_run_directory() : std::filesystem::path(a.out);
  int failed = 0, number = 0;
  Json results = Json::array();
  for (std::string line; std::getline(in, line); ++number) {
    const auto directory = base / fmt::format("{:05}", number);
    if (line.empty()) continue;
    Json result;
    try {
      GenerateRequest request = a.request;
      if (line.front() == '{') {
        Json merged = to_json(a.request);
        merged.update(parse_json(line, a.from + " line " + std::to_string(number + 1)));
        request = request_from_json(merged);
      } else {
        request.prompt = line;
      }
      if (std::filesystem::exists(directory / "run.json") && read_json(directory / "run.json").value("status", "") == "finished") {
        result = {{"run", directory.string()}, {"skipped", "already finished"}};
      } else {
        std::filesystem::remove_all(directory);  // an unfinished attempt of this line
        result = generate_one(a, request, change, context, directory);
      }
    } catch (const Error& e) {
      if (e.code() == ErrorCode::cancelled) throw;
      ++failed;
      result = {{"line", number + 1}, {"error", {{"code", name(e.code())}, {"message", e.what()}}}};
      note(fmt::format("line {}: {}", number + 1, e.what()));
    }
    results.push_back(result);
  }
  if (context.common.json) print_json({{"runs", results}, {"failed", failed}});
  else print_line(fmt::format("{} prompts, {} failed; runs in {}", results.size(), failed, base.string()));
  return failed > 0 ? 1 : 0;
}

int generate(const Arguments& a, Context& context) {
  Interventions change;
  if (!a.interventions.empty()) {
    const bool file = a.interventions.front() != '{';
    change = interventions_from_json(file ? read_json(a.interventions) : parse_json(a.interventions, "--interventions"));
  }
  catch_interrupts();
  if (!a.from.empty()) return generate_many(a, change, context);
  require_no(check(a.request), "request");
  const Json json = generate_one(a, a.request, change, context, a.out.empty() ? context.new_run_directory() : std::filesystem::path(a.out));
  if (context.common.json) print_json(json);
  else tell(json);
  return json.contains("refused") ? 1 : 0;
}

}  // namespace

Command generate_command(CLI::App& app, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("generate", "Make a picture from a prompt, with a trace of every step");
  c->add_option("prompt", a->request.prompt, "what to paint");
  c->add_option("--model", a->request.model, "name of an embedded model, or path of a model directory");
  c->add_option("--scheduler", a->request.scheduler.solver, "solver; see `safelight list schedulers`");
  c->add_option("--spacing", a->request.scheduler.spacing, "leading, trailing, linspace or karras");
  c->add_option("--eta", [a](const CLI::results_t& r) { double v = 0; if (!CLI::detail::lexical_cast(r[0], v)) return false; a->request.scheduler.eta = v; return true; }, "fresh noise per step for ddim, 0 to 1");
  CLI::Option* steps = c->add_option("--steps", a->request.steps, "denoising steps, 1 to 1000")->check(CLI::Range(1, 1000));
  (void)steps;
  c->add_option("--guidance", [a](const CLI::results_t& r) { double v = 0; if (!CLI::detail::lexical_cast(r[0], v)) return false; a->request.guidance = v; return true; }, "guidance scale; 1 switches it off");
  c->add_option("--seed", a->request.seed, "seed of the initial noise");
  c->add_option("--negative", a->request.negative, "what to lead away from");
  c->add_option("--width", a->request.width, "pixels");
  c->add_option("--height", a->request.height, "pixels");
  c->add_option("--count", a->request.count, "images, with seeds seed, seed + 1, ...");
  c->add_option("--dtype", a->request.dtype, "float32 or bfloat16");
  c->add_option("--probes", a->request.probes, "none, summary or full");
  c->add_option("--out", a->out, "directory for the run");
  c->add_option("--from", a->from, "file with a prompt or a JSON request on each line; finished ones are skipped on a second call");
  c->add_option("--interventions", a->interventions, "JSON, or a file with it: what to change in the run");
  c->add_flag("--diagnose", a->diagnose, "say whether the picture is healthy, and if not what broke it");
  c->add_option("--counterfactuals", a->counterfactuals, "reruns that diagnosis may use")->check(CLI::Range(0, 1000));
  return {c, [a, &context] { return generate(*a, context); }};
}

}  // namespace safelight::app
