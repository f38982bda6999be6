// What a run.json of ours looks like from outside.
#pragma once

#include "common/base/json.h"

namespace safelight {

// Whether this is the record of a run in the format that this version reads; anything may be asked.
bool is_run_record(const Json& record);

}  // namespace safelight
