#include "insight/sweeps/cell_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/api/verdict_fields.h"
#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/base/sha256.h"

namespace safelight {

template <class V>
void fields(V& v, Executed& e) {
  v("directory", e.directory);
  v("model_hash", e.model_hash);
  v("decoder", e.decoder);
  v("scheduler", e.scheduler);
  v("steps", e.steps);
  v("guidance", e.guidance);
  v("seed", e.seed);
}

template <class V>
void fields(V& v, CellRecord& r) {
  v("cell", r.cell);
  v("run", r.run);
  v("error_code", r.error_code);
  v("error", r.error);
  v("executed", r.executed);
  v("healthy", r.healthy);
  v("undetermined", r.undetermined);
  v("subsystem", r.subsystem);
  v("cause", r.cause);
  v("trigger", r.trigger);
  v("sentence", r.sentence);
  v("severity", r.severity);
  v("artifact", r.artifact);
  v("adherence", r.adherence);
  v("checks", r.checks);
  v("evaluations", r.evaluations);
  v("time_ms", r.time_ms);
  v("time_denoise_ms", r.time_denoise_ms);
}

Executed executed_of(const TraceReader& run) {
  try {
    const Json& r = run.run();
    const Json& resolved = r.at("resolved");
    std::string weights;
    for (const Json& w : r.at("weights")) weights += w.at("component").get<std::string>() + " " + w.at("sha256").get<std::string>() + "\n";
    std::string decoder = "own";
    if (const Json& change = r.at("interventions").at("decoder"); change.is_object()) decoder = change.at("kind").get<std::string>();
    else if (const auto vae = r.at("request").at("vae").get<std::string>(); !vae.empty()) decoder = vae;
    return {.directory = resolved.at("directory"), .model_hash = sha256_hex(weights), .decoder = decoder, .scheduler = resolved.at("solver"),
            .steps = run.steps_done(), .guidance = resolved.at("guidance"), .seed = resolved.at("seed")};
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, "'" + (run.directory() / "run.json").string() + "' does not say what was executed: " + e.what());
  }
}

void require_as_asked(const Executed& e, const OperatingPoint& p, std::uint64_t seed) {
  std::string differences;
  const auto compare = [&](const char* what, const auto& asked, const auto& done) {
    if (asked != done) differences += fmt::format("{}{} {} instead of {}", differences.empty() ? "" : ", ", what, done, asked);
  };
  compare("model", p.directory, e.directory);
  compare("decoder", p.decoder, e.decoder);
  compare("scheduler", p.scheduler, e.scheduler);
  compare("steps", p.steps, e.steps);
  compare("guidance", p.guidance, e.guidance);
  compare("seed", seed, e.seed);
  if (!differences.empty()) throw Error(ErrorCode::conflict, "the run executed something else than was asked: " + differences);
}

double CellRecord::loss() const {
  if (failed()) return 1;
  return 1 - (1 - artifact.value_or(healthy ? 0 : severity)) * adherence.value_or(1);
}

void take_verdict(CellRecord& r, const Verdict& v) {
  r.healthy = v.healthy;
  r.undetermined = v.undetermined;
  r.subsystem = v.subsystem;
  r.cause = v.cause;
  r.trigger = v.trigger;
  r.sentence = v.sentence;
  r.checks = v.checks;
  for (const SymptomScore& s : v.scores)
    if (s.symptom == "overall") r.artifact = s.score;
  if (v.healthy) return;
  if (v.undetermined) r.severity = r.artifact.value_or(0);
  for (const Finding& f : v.findings)
    if (f.subsystem == v.subsystem && f.cause == v.cause) r.severity = std::max(r.severity, 1 - std::exp(-std::max(f.severity, 0.0)));
}

Json to_json(const CellRecord& record) { return fields_to_json(record); }

CellRecord cell_record_from_json(const Json& json, const std::string& where) {
  try {
    return from_json<CellRecord>(json, where);
  } catch (const Error& e) {
    throw Error(ErrorCode::corrupt_file, e.what());
  }
}

}  // namespace safelight
