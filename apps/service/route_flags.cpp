#include "apps/console/seed_option.h"
#include "apps/service/route_flags.h"

#include <fmt/format.h>

#include <map>

#include "apps/service/catalogue_files.h"
#include "common/base/error.h"
#include "service/providers/sqlite_ledger.h"
#include "service/router/memory.h"

namespace safelight::app {
namespace {

constexpr std::int64_t kDay_ms = 24 * 3'600'000;

const std::map<std::string, UnsupportedPolicy>& unsupported_policies() {
  static const std::map<std::string, UnsupportedPolicy> words = {{"strict", UnsupportedPolicy::strict}, {"drop", UnsupportedPolicy::drop}, {"emulate", UnsupportedPolicy::emulate}};
  return words;
}

std::vector<std::string> mode_names() {
  std::vector<std::string> out;
  for (const ModeTraits& t : mode_table()) out.emplace_back(t.name);
  return out;
}

}  // namespace

void add_route_flags(CLI::App& c, RouteFlags& f) {
  ImageRequest& r = f.image;
  c.add_option("--prompt", r.prompt, "what the picture is to show");
  c.add_option("--slo", f.slo, "TOML file with the promise (docs/slo-examples); without it only free models are used");
  c.add_option("--mode", f.mode, "kind of work, in place of the SLO's own")->check(CLI::IsMember(mode_names()));
  c.add_option("--model", r.model, "row of the catalogue that must be the first choice");
  c.add_option("--negative", r.negative, "what it is not to show");
  c.add_option("--width", r.width_px, "pixels; with --height")->check(CLI::Range(1, 16384));
  c.add_option("--height", r.height_px, "pixels; with --width")->check(CLI::Range(1, 16384));
  c.add_option("--count", r.count, "pictures")->check(CLI::Range(1, 64));
  c.add_option("--seed", r.seed, "of the first picture")->check(is_seed());
  c.add_option("--steps", r.steps, "denoising steps")->check(CLI::Range(1, 1000));
  c.add_option("--guidance", r.guidance, "guidance scale")->check(CLI::Range(0.0, 100.0));
  c.add_option("--quality", r.quality, "tier")->check(CLI::IsMember({"draft", "standard", "high", "max"}));
  c.add_option("--style", r.style, "style, in the model's own words");
  c.add_option("--unsupported", f.unsupported, "what happens to a parameter that a model lacks")->check(CLI::IsMember({"strict", "drop", "emulate"}));
  c.add_option("--max-usd", r.max_usd, "for the whole request; 0: what the SLO allows")->check(CLI::NonNegativeNumber);
  c.add_option("--deadline-ms", r.deadline_ms, "where it is nearer than the SLO's")->check(CLI::NonNegativeNumber);
  add_catalogue_flag(c, f.catalogue);
}

Slo slo_of(const std::string& file, const std::string& mode) {
  Slo slo;
  if (file.empty()) slo.name = "free";
  else slo = read_slo(file);
  if (!mode.empty()) slo.mode = mode;
  return slo;
}

std::unique_ptr<Router> informed_router(const Catalogue& catalogue, const Slo& slo, const std::filesystem::path& runs_dir, std::vector<std::string>& warnings) {
  auto router = std::make_unique<Router>(catalogue, RoutePolicy{.explore = 0});  // one command at a time learns too little to explore
  router->declare(slo);
  take_score_boards(*router, catalogue, warnings);
  const std::filesystem::path ledger = runs_dir / "ledger.sqlite";
  if (std::filesystem::exists(ledger)) {
    const Moment now = moment_now();
    remember(*router, catalogue, slo.name, SqliteLedger(ledger).attempts(now.unix_ms - kDay_ms), now);
  }
  return router;
}

Moment moment_now() {
  SystemClock clock;
  const std::int64_t unix_ms = clock.unix_ms();
  return {unix_ms, unix_ms};
}

RoutePlan plan_route(const RouteFlags& flags, const ServiceContext& context, std::vector<std::string>& warnings) {
  if (flags.image.prompt.empty()) throw Error(ErrorCode::invalid_argument, "a plan needs a request: give --prompt, or a pipeline file");
  const Catalogue catalogue = open_catalogue(flags.catalogue);
  const Slo slo = slo_of(flags.slo, flags.mode);
  RouteRequest request{.id = flags.job, .image = flags.image, .profile = {}, .queue_ms = {}, .closed = {}};
  request.image.unsupported = unsupported_policies().at(flags.unsupported);
  ImageRequest checked = request.image;
  if (checked.model.empty()) checked.model = "any";  // the router's choice
  require_no(check(checked), "the request");
  request.profile = task_profile(request.image, route_mode(slo.mode));
  request.closed = unreachable_rows(catalogue, context.injected, keys_from_environment());
  const auto router = informed_router(catalogue, slo, context.runs_dir, warnings);
  return router->plan(request, slo.name, moment_now());
}

void print_plan(const RoutePlan& plan, const std::vector<std::string>& warnings, bool json) {
  if (json) {
    Json out = to_json(plan);
    out["warnings"] = warnings;
    return print_json(out);
  }
  for (const std::string& w : warnings) note(printable(w));
  const TaskProfile& p = plan.profile;
  print_line(fmt::format("SLO {}, mode {}, task {}{}", printable(plan.slo), name(p.mode), p.task, p.quoted.empty() ? "" : fmt::format(", {} letters to write", p.letters)));
  print_line(printable(plan.why));
  print_line(plan.steps.empty() ? "Plan: refused" : "Plan:");
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const RouteStep& s = plan.steps[i];
    print_line(printable(fmt::format("  {}. {:<28} {}", i + 1, s.option, s.why)));
  }
  if (!plan.dropped.empty()) print_line("Dropped:");
  for (const DroppedRow& d : plan.dropped) print_line(printable(fmt::format("     {:<28} {:<24} {}", d.row, d.code, d.reason)));
}

}  // namespace safelight::app
