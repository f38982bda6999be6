// JSON of attempts, for ledgers and reports.
#pragma once

#include "common/base/json.h"
#include "service/providers/request.h"

namespace safelight {

Json to_json(const AttemptRecord& attempt);
// Throws Error(invalid_argument) that lists every problem.
AttemptRecord attempt_from_json(const Json& json);

}  // namespace safelight
