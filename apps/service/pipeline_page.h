// The page of a pipeline's run: every stage with what went in and what came out, where every second and cent went, who was asked and who was not, and
// who approved what.
#pragma once

#include <filesystem>
#include <string>

#include "apps/service/commands.h"
#include "service/jobs/run_pipeline.h"
#include "service/providers/request.h"

namespace safelight::app {

// `ledger`: the attempts under the run's jobs, for stages that had not ended when they were asked. Pictures lie within the page, large ones made smaller.
std::string pipeline_page(const RunRecord& run, const Pipeline& pipeline, const std::vector<StageEntry>& kinds, const ObjectStore& objects, const std::vector<AttemptRecord>& ledger);

// Whether `name` is the id of a recorded run of a pipeline. Makes nothing.
bool is_pipeline_run(const std::string& name, const std::filesystem::path& runs_dir);

// Writes the page of the run (its id, or latest) to `out`; empty: report.html in its folder. Returns the file. Throws Error(not_found).
std::filesystem::path write_pipeline_page(const std::string& run, const std::filesystem::path& out, const ServiceContext& context);

}  // namespace safelight::app
