// The parts of a comparison; compare.cpp puts them together.
#pragma once

#include <utility>

#include "insight/comparison/comparison.h"

namespace safelight {

std::vector<ParameterDifference> parameter_differences(const Json& first, const Json& second);

// Two lists of words laid over one another: pairs of positions, -1 where a word has no partner. Words of the longest common
// subsequence are paired; between two of them words are paired in order, as far as both sides have some.
std::vector<std::pair<int, int>> aligned_words(const std::vector<std::string>& first, const std::vector<std::string>& second);

// Pairs steps by number where both schedules are the same, else by nearest timestep. `same` tells which.
std::vector<StepPair> paired_steps(const TraceReader& first, const TraceReader& second, bool& same);

// At noise levels that both schedules have. Notes go into `missing`.
void compare_latents(const TraceReader& first, const TraceReader& second, Comparison& out);
std::vector<SeriesDifference> series_differences(const TraceReader& first, const TraceReader& second, const std::vector<StepPair>& steps);
FirstDifference parting_of(const TraceReader& first, const Comparison& c);

void compare_pictures(const TraceReader& first, const TraceReader& second, Comparison& out);
void compare_words(const TraceReader& first, const TraceReader& second, Comparison& out);

// Reads parameters and final_distance of `c`.
Sensitivity sensitivity_of(const TraceReader& first, const TraceReader& second, const Comparison& c, const Baseline* baseline);

// What counts as equal: relative differences up to this are rounding, which differs between machines and thread counts.
inline constexpr double kRounding = 1e-4;

}  // namespace safelight
