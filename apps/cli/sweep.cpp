#include <fmt/format.h>

#include "apps/cli/context.h"
#include "apps/cli/pages.h"
#include "apps/console/seed_option.h"
#include "bridge/shared_texts.h"
#include "bridge/sweep.h"
#include "common/api/json.h"
#include "common/base/error.h"
#include "insight/sweeps/sweep_report.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string prompt, negative, file, out, resume, seeds;
  std::vector<std::string> models, decoders, schedulers;
  std::vector<int> steps;
  std::vector<double> guidance;
  int width = 0, height = 0;
  std::optional<int> counterfactuals;
};

// "0..7", or "1,5,9".
std::vector<std::uint64_t> seeds_of(const std::string& text) {
  const auto number = [&](const std::string& part) {
    const auto seed = seed_of(part);
    if (!seed) throw Error(ErrorCode::invalid_argument, "--seeds '" + text + "': give numbers with commas, or a range such as 0..7");
    return *seed;
  };
  std::vector<std::uint64_t> out;
  for (const std::string& part : CLI::detail::split(text, ',')) {
    const std::size_t dots = part.find("..");
    const std::uint64_t first = number(part.substr(0, dots)), last = dots == std::string::npos ? first : number(part.substr(dots + 2));
    if (last < first || last - first >= kMostCells) throw Error(ErrorCode::invalid_argument, fmt::format("--seeds '{}': a range goes up, over at most {} seeds", text, kMostCells));
    for (std::uint64_t seed = first; seed <= last && seed >= first; ++seed) out.push_back(seed);
  }
  return out;
}

// The file's settings, with what the command line gives in their place.
SweepSpec spec_of(const Arguments& a) {
  if (!a.resume.empty()) {
    const bool more = !a.models.empty() || !a.decoders.empty() || !a.schedulers.empty() || !a.steps.empty() || !a.guidance.empty() || !a.seeds.empty() || !a.negative.empty() || a.width > 0 || a.height > 0;
    if (more || !a.prompt.empty() || !a.file.empty() || !a.out.empty() || a.counterfactuals) throw Error(ErrorCode::invalid_argument, "--resume goes on with a sweep as it was asked; leave every other setting out");
    return stored_sweep(a.resume);
  }
  Json json = a.file.empty() ? Json::object() : to_json(read_sweep_file(a.file));
  const auto put = [&](const char* key, const auto& values) {
    if (!values.empty()) json[key] = values;
  };
  put("models", a.models);
  put("decoders", a.decoders);
  put("schedulers", a.schedulers);
  put("steps", a.steps);
  put("guidance", a.guidance);
  if (!a.seeds.empty()) json["seeds"] = seeds_of(a.seeds);
  if (a.counterfactuals) json["counterfactuals"] = *a.counterfactuals;
  Json request = json.value("request", Json::object());
  if (!a.prompt.empty()) request["prompt"] = a.prompt;
  if (!a.negative.empty()) request["negative"] = a.negative;
  if (a.width > 0) request["width"] = a.width;
  if (a.height > 0) request["height"] = a.height;
  if (request.value("prompt", "").empty()) throw Error(ErrorCode::invalid_argument, "sweep: there is no prompt; give it as the first argument, or in the file's [request]");
  json["request"] = request;
  return sweep_spec_from_json(json);
}

int sweep(const Arguments& a, Context& context) {
  const SweepSpec spec = spec_of(a);
  std::filesystem::path directory = !a.resume.empty() ? a.resume : a.out;
  if (directory.empty()) directory = context.new_run_directory().string() + "-sweep";
  catch_interrupts();
  Engine engine(with_shared_texts(context.engine().settings()));   // cells have their texts in common
  EngineCellRunner runner(engine, {.counterfactuals = spec.counterfactuals, .cancelled = stop_requested});
  ProgressBar bar(true);
  int failed = 0;
  const Json report = run_sweep(spec, directory, runner, {.progress = [&](const SweepProgress& p) {
                                                            failed = p.failed;
                                                            bar.show("sweeping", static_cast<double>(p.done) / p.total, p.seconds_left, fmt::format("cell {} of {},", p.done, p.total));
                                                          },
                                                          .complain = [](const std::string& what) { note(printable(what)); }});
  const auto page = directory / "report.html";
  write_sweep_page(directory, page, [&](double part) { bar.show("writing pages", part, 0); });
  if (context.common.json) print_json({{"sweep", directory.string()}, {"failed", failed}, {"page", page.string()}, {"report", report}});
  else print_line(sweep_text(report) + "\nsweep    " + directory.string() + "\npage     " + page.string());
  return failed > 0 ? 1 : 0;
}

}  // namespace

Command sweep_command(CLI::App& app, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("sweep", "Run a grid of settings over seeds, diagnose every cell, and say what to use and what goes wrong where");
  c->add_option("prompt", a->prompt, "what to paint");
  c->add_option("--file", a->file, "TOML file with the settings; what the command line gives comes in their place");
  c->add_option("--models", a->models, "names or directories, comma separated")->delimiter(',');
  c->add_option("--decoders", a->decoders, "own, float32, linear, or folders of autoencoders, comma separated")->delimiter(',');
  c->add_option("--schedulers", a->schedulers, "comma separated; see `safelight list schedulers`")->delimiter(',');
  c->add_option("--steps", a->steps, "comma separated")->delimiter(',');
  c->add_option("--guidance", a->guidance, "scales, comma separated")->delimiter(',');
  c->add_option("--seeds", a->seeds, "1,5,9 or a range such as 0..7, which is used without it");
  c->add_option("--negative", a->negative, "what to lead away from");
  c->add_option("--width", a->width, "pixels")->check(CLI::Range(1, kMaxSide_px));
  c->add_option("--height", a->height, "pixels")->check(CLI::Range(1, kMaxSide_px));
  c->add_option_function<int>("--counterfactuals", [a](const int& n) { a->counterfactuals = n; }, "reruns that each cell's diagnosis may spend; 0: observe only")->check(CLI::Range(0, 1000));
  c->add_option("--out", a->out, "directory for the sweep; one that was stopped goes on");
  c->add_option("--resume", a->resume, "directory of a sweep that was stopped: goes on with its settings");
  return {c, [a, &context] { return sweep(*a, context); }};
}

}  // namespace safelight::app
