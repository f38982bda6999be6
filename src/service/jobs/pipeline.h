// A pipeline: stages in the order in which they run, each fed by one before it. Read from TOML. Plain data.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "common/base/problem.h"
#include "service/router/slo.h"

namespace safelight {

struct StageEntry;

struct StageSpec {
  std::string name;                  // unique in its pipeline; letters, digits, - and _
  std::string kind;                  // a name of stage_table()
  std::string input;                 // stage whose output it takes; left out in the file: the one before. Empty for a kind that takes nothing
  std::string on_failure = "fail";   // fail; skip: it and what depends on it are left out; use_previous: its input goes on in its place
  Json settings = Json::object();    // the other keys of its table, which the kind reads
};

struct Pipeline {
  std::string name;
  std::string prompt;
  Slo slo;
  std::vector<StageSpec> stages;
};

// Its files' texts, kept with a run so that editing the files does not change what is under way.
struct PipelineSource {
  std::string file;                  // for messages
  std::string toml, slo_toml;        // slo_toml empty: the promise "free", for free rows only
};

// Also the SLO file that it names, beside it. Throws Error(not_found, io, corrupt_file).
PipelineSource read_pipeline_source(const std::filesystem::path& file);

// Throws Error(corrupt_file) for what is no TOML, Error(invalid_argument) that lists every unknown key or kind, impossible value, missing
// input and edge between ports that do not fit.
Pipeline parse_pipeline(const PipelineSource& source);
Pipeline parse_pipeline(const PipelineSource& source, const std::vector<StageEntry>& injected);  // with kinds besides those of stage_table()

}  // namespace safelight
