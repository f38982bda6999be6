#include "service/jobs/run_pipeline.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "common/base/sha256.h"

namespace safelight {
namespace {

// The prompt that reaches a stage: its own, or the pipeline's; a person's word at the approval right before it goes over both.
std::string prompt_for(const RunRecord& run, const Pipeline& pipeline, const StageSpec& spec) {
  for (const StageRecord& s : run.stages)
    if (s.stage == spec.input && s.state == StageState::done && s.facts.contains("prompt") && s.facts["prompt"].is_string()) return s.facts["prompt"].get<std::string>();
  const auto own = spec.settings.find("prompt");
  return own != spec.settings.end() && own->is_string() && !own->get<std::string>().empty() ? own->get<std::string>() : pipeline.prompt;
}

class Machine {
 public:
  Machine(const std::string& id, JobServices& services, const std::function<void(const StageProgress&)>& progress)
      : services_(services), progress_(progress), run_(services.store.run(id)), pipeline_(parse_pipeline(run_.source, services.stages)) {}

  std::string go() {
    for (std::size_t i = 0; i < pipeline_.stages.size(); ++i) {
      if (services_.cancel && *services_.cancel) return "interrupted";
      if (!advance(i)) break;
    }
    return state_of(run_, pipeline_.stages.size());
  }

 private:
  StageRecord& record(std::size_t i) {
    while (run_.stages.size() <= i) {
      const StageSpec& s = pipeline_.stages[run_.stages.size()];
      run_.stages.push_back({.stage = s.name, .kind = s.kind, .key = {}, .outputs = {}, .message = {}});
    }
    return run_.stages[i];
  }

  // The record of the stage that feeds this one; null: nothing does.
  const StageRecord* feeder(const StageSpec& spec) const {
    for (const StageRecord& s : run_.stages)
      if (s.stage == spec.input) return &s;
    return nullptr;
  }

  // True: the next stage may be looked at.
  bool advance(std::size_t i) {
    const StageSpec& spec = pipeline_.stages[i];
    const StageEntry& entry = *find_stage(spec.kind, services_.stages);
    StageRecord& r = record(i);
    const StageRecord* before = feeder(spec);
    if (before && before->state == StageState::skipped && before->outputs.empty()) {  // left out with what it depends on
      r.message = "stage '" + before->stage + "' before it was left out";
      return end(i, StageState::skipped), true;
    }
    StageCall call{.pipeline = pipeline_, .spec = spec, .prompt = prompt_for(run_, pipeline_, spec), .inputs = before ? before->outputs : std::vector<Picture>(),
                   .job = pipeline_.slo.name + "/" + run_.id + "/" + spec.name, .services = services_};
    const std::string key = key_of(call, entry);
    if ((r.state == StageState::done || r.state == StageState::skipped) && r.key == key && stands(r)) return tell(i), true;
    r = {.stage = spec.name, .kind = spec.kind, .key = key, .outputs = {}, .message = {}, .started_unix_ms = services_.clock.unix_ms()};
    if (entry.waits_for_person) return decide(i, call);
    if (entry.reusable && !run_.fresh && reuse(i)) return true;
    return work(i, entry, call);
  }

  bool stands(const StageRecord& r) const {
    return std::all_of(r.outputs.begin(), r.outputs.end(), [&](const Picture& p) { return services_.objects.holds(p.object); });
  }

  // What a stage's result depends on, and nothing else. Runs that take nothing from others have keys of their own.
  std::string key_of(const StageCall& call, const StageEntry& entry) const {
    Json content = {{"kind", entry.name}, {"version", entry.version}, {"settings", call.spec.settings}, {"prompt", call.prompt}, {"slo", sha256_hex(run_.source.slo_toml)}, {"inputs", Json::array()}};
    for (const Picture& p : call.inputs) content["inputs"].push_back(p.object);
    if (run_.fresh || !entry.reusable) content["run"] = run_.id, content["stage"] = call.spec.name;
    return sha256_hex(content.dump());
  }

  bool reuse(std::size_t i) {
    const auto found = services_.store.result(record(i).key);
    if (!found || !stands(*found)) return false;
    StageRecord& r = record(i);
    r.outputs = found->outputs, r.facts = found->facts, r.reused = true;
    return end(i, StageState::done), true;
  }

  bool decide(std::size_t i, const StageCall& call) {
    StageRecord& r = record(i);
    const auto decision = std::find_if(run_.approvals.begin(), run_.approvals.end(), [&](const Approval& a) { return a.stage == r.stage && a.shown == r.key; });
    if (decision == run_.approvals.end()) return end(i, StageState::waiting), false;
    r.facts = {{"decided_unix_ms", decision->at_unix_ms}};
    if (!decision->approved) {
      r.message = decision->reason;
      return end(i, StageState::rejected), false;
    }
    if (!decision->prompt.empty()) r.facts["prompt"] = decision->prompt;
    r.outputs = decision->picked.empty() ? call.inputs : std::vector<Picture>();
    for (const int index : decision->picked) r.outputs.push_back(call.inputs.at(static_cast<std::size_t>(index)));
    return end(i, StageState::done), true;
  }

  bool work(std::size_t i, const StageEntry& entry, const StageCall& call) {
    begin(i);
    StageOutcome outcome = entry.run(call);
    StageRecord& r = record(i);
    r.outputs = std::move(outcome.outputs), r.facts = std::move(outcome.facts), r.usd = outcome.usd, r.possible_usd = outcome.possible_usd;
    if (outcome.failure.empty()) return end(i, StageState::done, entry.reusable && !run_.fresh && outcome.repeatable), true;
    if (services_.cancel && *services_.cancel) return false;  // it stands as running, and begins anew when resumed
    r.message = outcome.failure;
    if (outcome.uncertain) return end(i, StageState::uncertain), false;
    if (call.spec.on_failure == "fail") return end(i, StageState::failed), false;
    r.outputs = call.spec.on_failure == "use_previous" ? call.inputs : std::vector<Picture>();
    return end(i, StageState::skipped), true;
  }

  void begin(std::size_t i) {
    record(i).state = StageState::running;
    services_.store.set_stage(run_.id, i, record(i), false);
    tell(i);
  }

  void end(std::size_t i, StageState state, bool result = false) {
    StageRecord& r = record(i);
    r.state = state;
    r.ended_unix_ms = services_.clock.unix_ms();
    services_.store.set_stage(run_.id, i, r, result);
    tell(i);
  }

  void tell(std::size_t i) {
    const StageRecord& r = record(i);
    if (progress_) progress_({.stage = r.stage, .kind = r.kind, .state = r.state, .number = i, .of = pipeline_.stages.size(), .reused = r.reused});
  }

  JobServices& services_;
  const std::function<void(const StageProgress&)>& progress_;
  RunRecord run_;
  Pipeline pipeline_;
};

}  // namespace

RunLock::RunLock(const std::filesystem::path& folder, const std::string& run) {
  std::filesystem::create_directories(folder);
  const std::filesystem::path file = folder / (run + ".lock");
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw Error(ErrorCode::io, "'" + file.string() + "' cannot be opened: " + std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(descriptor_);
  throw Error(ErrorCode::conflict, "another process works on run '" + run + "': wait for it or stop it");
}

RunLock::~RunLock() { ::close(descriptor_); }

std::string run_pipeline(const std::string& run, JobServices& services, const std::function<void(const StageProgress&)>& progress) {
  return Machine(run, services, progress).go();
}

Question open_question(const RunRecord& run, const Pipeline& pipeline, const std::vector<StageEntry>& injected) {
  for (std::size_t i = 0; i < run.stages.size() && i < pipeline.stages.size(); ++i) {
    const StageRecord& r = run.stages[i];
    if (r.state != StageState::waiting) continue;
    const StageSpec& spec = pipeline.stages[i];
    Question out{.stage = r.stage, .shown = r.key, .text = spec.settings.value("question", ""), .pictures = {}, .next_prompt = {}};
    for (const StageRecord& s : run.stages)
      if (s.stage == spec.input) out.pictures = s.outputs;
    for (const StageSpec& next : pipeline.stages)
      if (const StageEntry* kind = find_stage(next.kind, injected); kind && kind->draws && next.input == spec.name) out.next_prompt = prompt_for(run, pipeline, next);
    return out;
  }
  throw Error(ErrorCode::conflict, "run '" + run.id + "' waits for nobody: it is " + state_of(run, pipeline.stages.size()));
}

Json report_of(const RunRecord& run, std::size_t stages) {
  Json out = {{"run", run.id}, {"state", state_of(run, stages)}, {"created_unix_ms", run.created_unix_ms}, {"folder", run.folder}, {"stages", Json::array()}, {"approvals", Json::array()}};
  double usd = 0, possible_usd = 0;
  std::int64_t ms = 0;
  for (const StageRecord& s : run.stages) {
    Json stage = to_json(s);
    stage["ms"] = std::max<std::int64_t>(0, s.ended_unix_ms - s.started_unix_ms);
    if (!s.reused) usd += s.usd, possible_usd += s.possible_usd;
    ms += stage["ms"].get<std::int64_t>();
    out["stages"].push_back(std::move(stage));
  }
  for (const Approval& a : run.approvals)
    out["approvals"].push_back({{"stage", a.stage}, {"shown", a.shown}, {"approved", a.approved}, {"picked", a.picked}, {"reason", a.reason}, {"prompt", a.prompt}, {"by", a.by}, {"at_unix_ms", a.at_unix_ms}});
  out["usd"] = usd, out["possible_usd"] = possible_usd, out["ms"] = ms;
  return out;
}

}  // namespace safelight
