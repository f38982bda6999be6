// The verdict as the viewer shows it.
#pragma once

#include <filesystem>

#include "common/trace/trace.h"

namespace safelight {

// The stored verdict, and for every counterfactual the pictures of its runs and where their own pages lie, as seen from a page in
// `page_directory`: "before_runs", "after_runs" and "sham_runs", each a list of {"run", "picture", "page"} with null for what is not
// there. Null when the run has no verdict.
Json verdict_page(const TraceReader& run, const std::filesystem::path& page_directory);

// The runs that the verdict's counterfactuals name and that are still there.
std::vector<std::filesystem::path> cited_runs(const TraceReader& run);

}  // namespace safelight
