#include "service/jobs/stage.h"

namespace safelight {

StageEntry stage_approve();
StageEntry stage_check();
StageEntry stage_deliver();
StageEntry stage_generate();
StageEntry stage_refine();
StageEntry stage_upscale();

const std::vector<StageEntry>& stage_table() {
  static const std::vector<StageEntry> table = {stage_approve(), stage_check(), stage_deliver(), stage_generate(), stage_refine(), stage_upscale()};
  return table;
}

const StageEntry* find_stage(std::string_view name, const std::vector<StageEntry>& injected) {
  for (const auto* table : {&injected, &stage_table()})
    for (const StageEntry& e : *table)
      if (e.name == name) return &e;
  return nullptr;
}

std::string known_stages(const std::vector<StageEntry>& injected) {
  std::string out;
  for (const auto* table : {&injected, &stage_table()})
    for (const StageEntry& e : *table) out += (out.empty() ? "" : ", ") + e.name;
  return out;
}

std::string_view name(Port port) { return port == Port::none ? "nothing" : "pictures"; }

}  // namespace safelight
