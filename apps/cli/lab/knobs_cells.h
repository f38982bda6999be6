// What was measured so far, in a file that survives a kill: one line a finished cell, only ever added to.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/cli/lab/knobs_plan.h"
#include "common/base/json_lines.h"

namespace safelight::app {

// Not thread-safe; one process at a time has the file.
class CellFile {
 public:
  // Makes the file where there is none. A last line that a kill cut off is dropped. Throws Error(corrupt_file) for any other line that
  // is none of ours, Error(conflict) while another process has the file, Error(io).
  explicit CellFile(const std::filesystem::path& file);

  const Json* find(const Json& key) const;           // null: not finished yet
  void add(const Json& key, Json result);            // on the disk when it returns; throws Error(io)

 private:
  JsonLines lines_;
  std::map<std::string, Json> results_;              // by the key as written
};

// One prompt under one setting: what is drawn at once and finished or not.
struct KnobCell {
  Setting setting;
  EvalPrompt prompt;
  int seeds = 1;            // pictures, of the seeds 0, 1, ...
  bool attention = false;   // with their attention maps, one at a time
};

// Everything that its result depends on.
Json key_of(const KnobCell& cell, const KnobPlan& plan);
Json cost_key(const Subject& subject, const KnobPlan& plan, int threads);
Json codec_key(const Codec& codec, const KnobPlan& plan, int threads);
// Scenes that every autoencoder is shown.
int codec_scenes(const KnobPlan& plan);

// The cells that one value of a section needs: every prompt of its tasks under the setting. None for costs.
std::vector<KnobCell> cells_of(const KnobSection& section, const Setting& setting, const Measure& measure, const KnobPlan& plan);
// All of them, every one once: first the sections in which steps are timed, all of them prompt by prompt, so that what is compared is drawn by turns;
// then section by section.
std::vector<KnobCell> cells_of(const KnobPlan& plan);

}  // namespace safelight::app
