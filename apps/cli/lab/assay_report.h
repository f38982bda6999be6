// What `lab assay` tells: on the terminal, and as the page that is published.
#pragma once

#include <string>
#include <vector>

#include "common/base/json.h"

namespace safelight::app {

// report: score_report() with model, seed and counterfactuals (score.json).
std::vector<std::string> assay_lines(const Json& report);
// Markdown; shows confusion.svg, which lies beside it.
std::string assay_page(const Json& report);

}  // namespace safelight::app
