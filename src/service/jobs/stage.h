// A kind of stage: what it takes, what it gives, and what it does. Each kind is one file of stages/ and one line of its table.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "service/jobs/pipeline.h"
#include "service/router/router.h"

namespace safelight {

struct JobServices;

enum class Port { none, pictures };
std::string_view name(Port port);

// A picture between stages, by its content.
struct Picture {
  std::string object;                // SHA-256 of its bytes, in the object store
  std::string mime;
  int width_px = 0, height_px = 0;
  Json facts = Json::object();       // where it comes from: seed, model, label of what was served
};

struct StageCall {
  const Pipeline& pipeline;
  const StageSpec& spec;
  std::string prompt;                // the pipeline's, or as a person changed it at an approval before
  std::vector<Picture> inputs;
  std::string job;                   // id of this work: the same when it is resumed
  JobServices& services;
};

struct StageOutcome {
  std::vector<Picture> outputs;
  Json facts = Json::object();       // for the record: attempts, what was served and why
  double usd = 0, possible_usd = 0;
  std::string failure;               // why it gave nothing; empty: it worked
  bool uncertain = false;            // a failure after which something may have been paid for, so that it is not repeated by itself
  bool repeatable = true;            // as good as asked for: a later run with the same content may take it instead of working again
};

struct StageEntry {
  std::string name;                  // "upscale"
  std::string summary;               // one sentence for lists
  Port in = Port::none, out = Port::none;
  int version = 1;                   // raised when the same content would give other bytes
  bool draws = false;                // needs a prompt
  bool waits_for_person = false;     // it is an approval: nothing runs
  bool reusable = true;              // another run with the same content may take its result
  // Of a kind that draws: what the route would be. Sends nothing.
  std::function<RoutePlan(const Pipeline&, const StageSpec&, const Router&, const std::map<std::string, Ineligible>& closed, const Moment&)> plan = {};
  std::function<std::vector<Problem>(const Json& settings)> check;
  std::function<StageOutcome(const StageCall&)> run;  // throws Error for what ends the whole run (disk full)
};

// The kinds that need nothing but service/.
const std::vector<StageEntry>& stage_table();
const StageEntry* find_stage(std::string_view name, const std::vector<StageEntry>& injected);  // null: there is none
std::string known_stages(const std::vector<StageEntry>& injected);                             // for messages

}  // namespace safelight
