#include "apps/service/pipelines.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <random>
#include <thread>

#include "apps/service/catalogue_files.h"
#include "apps/service/route_flags.h"
#include "common/base/error.h"
#include "service/providers/curl_transport.h"

namespace safelight::app {
namespace {

std::string new_run_id(const std::string& name) {
  std::random_device random;
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("{:%Y%m%d-%H%M%S}-{}-{:06x}", fmt::gmtime(now), name, random() & 0xFFFFFF);
}

// Turns an interrupt (Ctrl-C) into the flag that providers and stages look at.
class CancelOnInterrupt {
 public:
  CancelOnInterrupt() : watcher_([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        if (stop_requested()) cancelled_ = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }) {
    catch_interrupts();
  }
  const std::atomic<bool>* flag() const { return &cancelled_; }

 private:
  std::atomic<bool> cancelled_ = false;
  std::jthread watcher_;
};

std::string duration(std::int64_t ms) { return ms < 1000 ? fmt::format("{} ms", ms) : fmt::format("{:.1f} s", static_cast<double>(ms) / 1e3); }

void print_report(const RunRecord& run, const Pipeline& pipeline, bool json) {
  const Json report = report_of(run, pipeline.stages.size());
  if (json) return print_json(report);
  const std::string state = report["state"].get<std::string>();
  print_line(printable(fmt::format("run {}: {} ({}, {:.4f} USD{})", run.id, state, duration(report["ms"].get<std::int64_t>()), report["usd"].get<double>(),
                                   report["possible_usd"].get<double>() > 0 ? fmt::format(", perhaps {:.4f} more", report["possible_usd"].get<double>()) : "")));
  for (const Json& s : report["stages"]) {
    std::string line = fmt::format("  {:<20} {:<10} {:<10} {:>9} {:>8.4f} USD", s["stage"].get<std::string>(), s["kind"].get<std::string>(), s["state"].get<std::string>(),
                                   duration(s["ms"].get<std::int64_t>()), s["usd"].get<double>());
    if (s["reused"].get<bool>()) line += "  (done by an earlier run)";
    if (const std::string why = s["message"].get<std::string>(); !why.empty()) line += "  " + why;
    print_line(printable(line));
    for (const Json& p : s["outputs"])
      if (p["facts"].contains("label")) print_line(printable("      " + p["facts"]["label"].get<std::string>()));
    if (s["facts"].contains("files"))
      for (const Json& file : s["facts"]["files"]) print_line(printable("      " + file.get<std::string>()));
  }
  print_line(printable("  pictures, attempts and plan on one page: `safelight report " + run.id + "`"));
  if (state == "waiting") print_line(printable("look with `safelight approve " + run.id + " --show`; then `safelight approve " + run.id + "`, or with --reject WHY, --pick N, --prompt TEXT"));
  if (state == "interrupted" || state == "failed") print_line(printable("go on with `safelight run --resume " + run.id + "`"));
}

}  // namespace

PipelineDesk::PipelineDesk(const ServiceContext& context) : context_(context) {}
PipelineDesk::~PipelineDesk() = default;

JobStore& PipelineDesk::store() {
  if (!store_) {
    std::filesystem::create_directories(context_.runs_dir);
    store_ = std::make_unique<JobStore>(context_.runs_dir / "pipelines.sqlite");
  }
  return *store_;
}

RunRecord PipelineDesk::find(const std::string& run) {
  if (run != "latest") return store().run(run);
  const auto ids = store().run_ids();
  if (ids.empty()) throw Error(ErrorCode::not_found, "'" + context_.runs_dir.string() + "' holds no run of a pipeline yet");
  return store().run(ids.back());
}

std::string PipelineDesk::add(const std::string& file, const std::string& folder, const std::vector<std::string>& catalogue, bool fresh) {
  RunRecord run{.source = read_pipeline_source(file), .catalogue = {}, .folder = {}, .fresh = fresh, .stages = {}, .approvals = {}};
  const Pipeline pipeline = parse_pipeline(run.source, context_.stages);
  run.id = new_run_id(pipeline.name);
  run.created_unix_ms = SystemClock().unix_ms();
  for (const std::string& path : catalogue) run.catalogue.push_back(std::filesystem::absolute(path).string());
  open_catalogue(run.catalogue);  // refuses a bad one before anything is recorded
  run.folder = std::filesystem::absolute(folder.empty() ? context_.runs_dir / run.id : std::filesystem::path(folder)).string();
  store().add(run);
  return run.id;
}

int PipelineDesk::go(const std::string& id, bool repeat_paid) {
  const RunRecord run = find(id);
  const RunLock lock(context_.runs_dir / "locks", run.id);
  const Pipeline pipeline = parse_pipeline(run.source, context_.stages);
  const Catalogue catalogue = open_catalogue(run.catalogue);
  std::vector<std::string> warnings;
  SqliteLedger ledger(context_.runs_dir / "ledger.sqlite");
  const auto router = informed_router(catalogue, pipeline.slo, context_.runs_dir, warnings);
  for (const std::string& w : warnings) note(printable(w));
  ObjectStore objects(context_.runs_dir / "objects");
  CurlTransport transport;
  SystemClock clock;
  const CancelOnInterrupt interrupt;
  JobServices services{.catalogue = catalogue, .router = *router, .ledger = ledger, .store = store(), .objects = objects, .transport = transport, .clock = clock, .credentials = {}};
  services.credentials = keys_from_environment();
  services.injected = context_.injected;
  services.stages = context_.stages;
  services.judge = context_.judge;
  services.folder = run.folder;
  services.cancel = interrupt.flag();
  services.repeat_paid = repeat_paid;
  const std::string state = run_pipeline(run.id, services, [](const StageProgress& p) {
    note(printable(fmt::format("[{}/{}] {}: {}{}", p.number + 1, p.of, p.stage, name(p.state), p.reused ? ", by an earlier run" : "")));
  });
  print_report(store().run(run.id), pipeline, context_.common.json);
  return state == "done" || state == "waiting" ? 0 : 1;
}

void PipelineDesk::show(const RunRecord& run) { print_report(run, parse_pipeline(run.source, context_.stages), context_.common.json); }

void plan_pipeline(const std::string& file, const std::vector<std::string>& catalogue_files, const ServiceContext& context) {
  const PipelineSource source = read_pipeline_source(file);
  const Pipeline pipeline = parse_pipeline(source, context.stages);
  const Catalogue catalogue = open_catalogue(catalogue_files);
  std::vector<std::string> warnings;
  const auto router = informed_router(catalogue, pipeline.slo, context.runs_dir, warnings);
  const auto closed = unreachable_rows(catalogue, context.injected, keys_from_environment());
  Json stages = Json::array(), first;
  for (const StageSpec& spec : pipeline.stages) {
    const StageEntry& entry = *find_stage(spec.kind, context.stages);
    Json stage = {{"stage", spec.name}, {"kind", spec.kind}, {"input", spec.input}, {"on_failure", spec.on_failure}, {"waits_for_person", entry.waits_for_person}};
    if (entry.plan) {
      const RoutePlan plan = entry.plan(pipeline, spec, *router, closed, moment_now());
      if (!context.common.json) print_line(printable("Stage " + spec.name + " (" + spec.kind + ")")), print_plan(plan, {}, false);
      stage["route"] = to_json(plan);
      if (first.is_null()) first = stage["route"];
    } else if (!context.common.json) {
      print_line(printable("Stage " + spec.name + " (" + spec.kind + "): " + entry.summary));
    }
    stages.push_back(std::move(stage));
  }
  for (const std::string& w : warnings) note(printable(w));
  if (!context.common.json) return;
  Json out = {{"pipeline", pipeline.name}, {"stages", stages}, {"warnings", warnings}};
  if (!first.is_null()) out.update(first);  // "plan" and "dropped" of the first stage that draws, where a single request has them
  print_json(out);
}

}  // namespace safelight::app
