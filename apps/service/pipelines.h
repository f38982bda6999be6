// What the commands on pipelines share: the record in the directory of runs, and everything that a run works with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/service/commands.h"
#include "service/jobs/run_pipeline.h"

namespace safelight::app {

// Borrows the context; owns the rest.
class PipelineDesk {
 public:
  explicit PipelineDesk(const ServiceContext& context);
  ~PipelineDesk();

  JobStore& store();
  // "latest", or a run's id. Throws Error(not_found).
  RunRecord find(const std::string& run);
  // Records a new run of the file and gives its id.
  std::string add(const std::string& file, const std::string& folder, const std::vector<std::string>& catalogue, bool fresh);
  // Runs or resumes it, holding its lock. Prints progress to standard error and the report to standard output. The exit status.
  int go(const std::string& run, bool repeat_paid);
  // The report alone.
  void show(const RunRecord& run);

 private:
  const ServiceContext& context_;
  std::unique_ptr<JobStore> store_;
};

// `safelight run FILE --plan`: the plan of every stage that draws; sends nothing.
void plan_pipeline(const std::string& file, const std::vector<std::string>& catalogue, const ServiceContext& context);

}  // namespace safelight::app
