// Artifact scores: how far a finished picture and its final latent lie outside what is healthy for the model. Computed
// from pixels and latents alone, so that the statistic that raised a suspicion never counts as its cure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/api/verdict.h"
#include "common/trace/trace.h"

namespace safelight {

struct Baseline;

std::vector<std::pair<std::string, double>> artifact_features(const TraceReader& run);

// One score per symptom and "overall" (their largest): 0 inside the healthy band, towards 1 outside:
// 1 - exp(-deviation in half widths). Empty without a baseline or a picture.
std::vector<SymptomScore> artifact_scores(const TraceReader& run, const Baseline& baseline);
double overall(const std::vector<SymptomScore>& scores);

// A picture with an overall score up to this is called healthy: a tenth of a half width beyond the widened band.
// Calibration measures the false-alarm rate that this gives and stores it with the baseline.
inline constexpr double kHealthyScore = 0.1;

}  // namespace safelight
