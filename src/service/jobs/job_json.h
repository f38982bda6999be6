// JSON of what a job store keeps.
#pragma once

#include "service/jobs/job_store.h"

namespace safelight {

Json to_json(const Approval& approval);
Json to_json(const RunRecord& run);  // without stages and approvals
// Throw Error(invalid_argument) that lists every problem.
Picture picture_from_json(const Json& json);
StageRecord stage_from_json(const Json& json);
Approval approval_from_json(const Json& json);
RunRecord run_from_json(const Json& json);

}  // namespace safelight
