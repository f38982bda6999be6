// Does each noun look where its object is? Overlap of cross-attention maps with what was seen in the picture.
#pragma once

#include <vector>

#include "common/trace/trace.h"
#include "engine/training/checker/scene_checker.h"

namespace safelight::app {

// One overlap (intersection over union, 0 .. 1) per noun of the prompt for which something was seen: the noun's map, averaged
// over steps, and the mask of its objects, brought to the map's resolution, are both cut at the area of the mask. Empty when the
// run stored no maps.
std::vector<double> attention_overlaps(const TraceReader& run, const SeenScene& scene, const PromptClaims& claims, const CheckResult& check);

}  // namespace safelight::app
