// What the pairs say: numbers with intervals, and a page with all pictures side by side.
#pragma once

#include "apps/cli/lab/flows_draw.h"

namespace safelight::app {

// Of every mode its time, scores and text accuracy; of the pairs their differences.
Json flows_json(const FlowPlan& plan, const std::map<std::size_t, FlowPair>& pairs);
// A few lines for the terminal.
std::vector<std::string> flows_table(const Json& json);
// Writes flows.json and flows.html. All pairs are on the page, in the order of the prompts.
void write_flows(const std::filesystem::path& out, const FlowPlan& plan, const std::map<std::size_t, FlowPair>& pairs, const Json& json);

}  // namespace safelight::app
