// A folder that a run was asked into before.
#pragma once

#include <filesystem>

#include "common/api/generate_request.h"

namespace safelight::app {

// Whether the directory holds this request's finished run. An unfinished run of ours is taken away; anything else is somebody's and stays.
// Throws Error(conflict).
bool holds_finished_run(const std::filesystem::path& directory, const GenerateRequest& request);

}  // namespace safelight::app
