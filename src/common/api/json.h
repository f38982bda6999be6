// JSON of the plain data that crosses rooms. Reading is strict: unknown keys and wrong types are listed, all at once.
#pragma once

#include "common/api/generate_request.h"
#include "common/api/interventions.h"
#include "common/api/verdict.h"
#include "common/base/json.h"

namespace safelight {

Json to_json(const GenerateRequest& request);
Json to_json(const Interventions& interventions);
Json to_json(const Verdict& verdict);
Json to_json(const Finding& finding);

// Throw Error(invalid_argument) listing every problem.
GenerateRequest request_from_json(const Json& json);
Interventions interventions_from_json(const Json& json);
Verdict verdict_from_json(const Json& json);

}  // namespace safelight
