#include "insight/sweeps/sweep_plan.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <tuple>

#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/base/io.h"
#include "common/base/toml_read.h"

namespace safelight {
namespace {

struct Axes {
  std::vector<std::string> models, decoders, schedulers;
  std::vector<int> steps;
  std::vector<double> guidance;
  std::vector<std::uint64_t> seeds;
  int counterfactuals = 0;
};

template <class V>
void fields(V& v, Axes& a) {
  v("models", a.models);
  v("decoders", a.decoders);
  v("schedulers", a.schedulers);
  v("steps", a.steps);
  v("guidance", a.guidance);
  v("seeds", a.seeds);
  v("counterfactuals", a.counterfactuals);
}

template <class T>
void check_axis(std::vector<Problem>& problems, const char* name, const std::vector<T>& values) {
  if (std::set<T>(values.begin(), values.end()).size() != values.size()) problems.push_back({name, "holds a value twice", "give each once"});
}

void check(const SweepSpec& s) {
  std::vector<Problem> problems = check(s.request);
  const GenerateRequest& r = s.request;
  if (!r.model.empty() || !r.vae.empty() || !r.scheduler.solver.empty() || r.steps != 0 || r.guidance || r.seed != 0)
    problems.push_back({"request", "sets what the sweep varies", "use models, decoders, schedulers, steps, guidance and seeds"});
  if (r.count != 1) problems.push_back({"request.count", "is " + std::to_string(r.count), "use seeds"});
  if (r.probes == "none") problems.push_back({"request.probes", "is none", "use summary or full: every cell is checked"});
  check_axis(problems, "models", s.models);
  check_axis(problems, "decoders", s.decoders);
  check_axis(problems, "schedulers", s.schedulers);
  check_axis(problems, "steps", s.steps);
  check_axis(problems, "guidance", s.guidance);
  check_axis(problems, "seeds", s.seeds);
  for (const int n : s.steps)
    if (n < 1 || n > 1000) problems.push_back({"steps", "holds " + std::to_string(n), "use 1 to 1000"});
  for (const double g : s.guidance)
    if (!(g >= 0 && g <= 100)) problems.push_back({"guidance", fmt::format("holds {}", g), "use 0 to 100"});
  if (s.counterfactuals < 0 || s.counterfactuals > 1000)
    problems.push_back({"counterfactuals", fmt::format("is {}", s.counterfactuals), "use 0 to 1000"});
  double cells = 1;
  for (const std::size_t n : {s.models.size(), s.decoders.size(), s.schedulers.size(), s.steps.size(), s.guidance.size(), s.seeds.size()})
    cells *= std::max<double>(1, static_cast<double>(n));
  if (cells > kMostCells) problems.push_back({"the sweep", fmt::format("has {:.0f} cells", cells), fmt::format("use at most {}", kMostCells)});
  require_no(problems, "sweep");
}

template <class T>
std::vector<T> or_one(const std::vector<T>& values, T one) {
  return values.empty() ? std::vector<T>{one} : values;
}

}  // namespace

Json to_json(const SweepSpec& s) {
  Json json = fields_to_json(Axes{s.models, s.decoders, s.schedulers, s.steps, s.guidance, s.seeds, s.counterfactuals});
  json["request"] = to_json(s.request);
  return json;
}

SweepSpec sweep_spec_from_json(const Json& json) {
  if (!json.is_object()) throw Error(ErrorCode::invalid_argument, "sweep: is not a table of settings");
  Json axes = json, request = Json::object();
  if (axes.contains("request")) request = axes["request"];
  axes.erase("request");
  Axes a;
  std::vector<Problem> problems;
  fields_from_json(a, axes, "", problems);
  for (Problem& p : problems)
    if (p.what == "is unknown") p.remedy += ", request";
  require_no(problems, "sweep");
  if (a.seeds.empty()) a.seeds = {0, 1, 2, 3, 4, 5, 6, 7};
  SweepSpec spec{request_from_json(request), a.models, a.decoders, a.schedulers, a.steps, a.guidance, a.seeds, a.counterfactuals};
  check(spec);
  return spec;
}

SweepSpec read_sweep_file(const std::string& file) {
  const std::string where = "'" + file + "'";
  return sweep_spec_from_json(json_of(parse_toml(read_file(file, std::uint64_t{1} << 20), where), where));
}

Json to_json(const OperatingPoint& p) {
  return {{"model", p.model}, {"decoder", p.decoder}, {"scheduler", p.scheduler}, {"steps", p.steps}, {"guidance", p.guidance}};
}

std::string name_of(const OperatingPoint& p) {
  return fmt::format("{}, {}, {} steps, guidance {}{}", p.model, p.scheduler, p.steps, p.guidance, p.decoder == "own" ? "" : ", decoder " + p.decoder);
}

std::vector<OperatingPoint> points_asked(const SweepSpec& s) {
  std::vector<OperatingPoint> out;
  for (const auto& model : or_one<std::string>(s.models, ""))
    for (const auto& scheduler : or_one<std::string>(s.schedulers, ""))
      for (const int steps : or_one(s.steps, 0))
        for (const double guidance : or_one(s.guidance, std::nan("")))
          for (const auto& decoder : or_one<std::string>(s.decoders, "own")) out.push_back({model, "", decoder, scheduler, steps, guidance});
  return out;
}

SweepPlan plan_of(std::vector<OperatingPoint> settled, const std::vector<std::uint64_t>& seeds) {
  SweepPlan plan{.points = std::move(settled), .cells = {}};
  const auto key = [](const OperatingPoint& p) { return std::tuple(p.directory, p.decoder, p.scheduler, p.steps, p.guidance); };
  std::set<decltype(key(plan.points.front()))> seen;
  for (const OperatingPoint& p : plan.points)
    if (!seen.insert(key(p)).second) throw Error(ErrorCode::invalid_argument, "sweep: two settings come to the same: " + name_of(p) + "; leave one out");
  for (std::size_t begin = 0, end = 0; begin < plan.points.size(); begin = end) {
    while (end < plan.points.size() && plan.points[end].directory == plan.points[begin].directory) ++end;
    for (const std::uint64_t seed : seeds)
      for (std::size_t p = begin; p < end; ++p) plan.cells.push_back({static_cast<int>(plan.cells.size()), p, seed});
  }
  return plan;
}

Json sharing(const SweepPlan& plan) {
  std::set<std::string> models;
  std::set<std::uint64_t> seeds;
  std::set<std::tuple<std::string, std::string, int, double, std::uint64_t>> latents;
  for (const Cell& c : plan.cells) {
    const OperatingPoint& p = plan.points[c.point];
    models.insert(p.directory);
    seeds.insert(c.seed);
    latents.insert({p.directory, p.scheduler, p.steps, p.guidance, c.seed});
  }
  const auto row = [&](const char* what, std::size_t times) { return Json{{"what", what}, {"times", times}, {"instead_of", plan.cells.size()}}; };
  return Json::array({row("a model and its baseline are opened, with the libraries under them", models.size()),
                      row("different initial noise: cells of one seed start from the same, so that settings are compared in pairs", seeds.size()),
                      row("small-edit rerun for the latent-difference check: cells that differ in the decoder alone share it", latents.size())});
}

}  // namespace safelight
