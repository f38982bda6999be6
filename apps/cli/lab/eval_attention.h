// Does each noun look where its object is? Overlap of cross-attention maps with what was seen in the picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/trace/trace.h"
#include "engine/training/checker/scene_checker.h"

namespace safelight::app {

// A noun and where its objects are: side * side, nothing but 0 where they are not.
struct NounMask {
  std::string noun;
  std::vector<std::uint8_t> mask;
};

// One overlap (intersection over union, 0 .. 1) per noun that stands in the run's prompt, in its order: the noun's map, averaged over the steps
// from `from_step` on, and the mask, brought to the map's resolution, are both cut at the area of the mask. Empty without maps.
std::vector<double> noun_overlaps(const TraceReader& run, int side, std::vector<NounMask> nouns, int from_step = 0);

// The share (0 .. 1) of each noun's attention that falls on its mask, as above. Unlike the overlap it falls when a map only becomes flatter.
std::vector<double> noun_shares(const TraceReader& run, int side, std::vector<NounMask> nouns, int from_step = 0);

// The same as noun_overlaps for what was seen in the picture: per noun of the prompt for which something was seen.
std::vector<double> attention_overlaps(const TraceReader& run, const SeenScene& scene, const PromptClaims& claims, const CheckResult& check);

}  // namespace safelight::app
