// Two runs against each other: what was set differently, from which step on they part, in what they differ, and where in the picture.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/trace/trace.h"
#include "insight/diagnosis/baseline.h"

namespace safelight {

// A value in which the two records differ. What differs in any two runs (ids, times, directories) is left out.
struct ParameterDifference {
  std::string path;            // "resolved.guidance", "facts.text.tokens[2].text"
  Json first, second;          // null where a record does not have it
  bool measured = false;       // a result (facts), not something that was set
};

// A step of each run at the same noise level.
struct StepPair {
  int first = 0, second = 0;   // numbers of the steps, from 0
  double timestep = 0;
};

// The latents of the first image after some steps; where both runs hold a restart point at the same noise level, and at the end.
struct LatentDifference {
  int steps_first = 0, steps_second = 0;   // done
  double distance = 0;         // L2 of the difference / L2 of the first run's latent; see Comparison::latents_scaled
};

// One series at the paired steps.
struct SeriesDifference {
  std::string name, unit, meaning;
  bool scalar = true;          // else the root mean square over the elements
  std::vector<double> difference;   // per pair: second - first for a scalar, RMS for others; NaN where a run has no value
  double relative = 0;         // RMS of the differences / RMS of the values of both, 0..2
  int first_pair = -1;         // the first pair that differs by more than rounding; -1: none
  int largest_pair = -1;
};

struct PictureDifference {
  int index = 0;               // of the image in both runs
  int width = 0, height = 0;   // pixels that were compared
  bool resized = false;        // the larger one was brought to the size of the smaller
  double mean = 0;             // mean absolute difference of the samples, 0..255
  double psnr_db = 0;
  double changed = 0;          // share of pixels with a channel that differs by more than kVisibleChange
  std::array<int, 4> box{};    // x, y, width, height round the changed pixels; zeros when there are none
  int columns = 0, rows = 0;   // of the grid
  std::vector<double> grid;    // mean absolute difference in each part of the picture, row by row, 0..255
};
inline constexpr int kVisibleChange = 8;

// One word's cross-attention map in both runs.
struct WordDifference {
  std::string first, second;   // texts; empty where the run does not have it
  int index_first = -1, index_second = -1;   // among the words of the run's map
  std::string match;           // same, replaced (another word in its place), only-first, only-second
  std::vector<double> moved;   // per pair: share of the word's attention that lies elsewhere, 0..1; empty for a word without a partner
  double moved_mean = 0, moved_most = 0;
  int most_pair = -1;
  double share_first = 0, share_second = 0;  // mean share of a pixel's attention over the pairs
  double shift_x = 0, shift_y = 0;           // of the centre, in widths and heights of the picture, mean over the pairs
};

// From which step on the runs differ by more than rounding.
struct FirstDifference {
  int step = -1;               // number of the first run's step; -1: they do not part
  double timestep = 0;
  std::string by;              // what differs first: "initial noise", or the series that differs most there
  int half_steps = -1;         // steps done when half of the final latents' distance was reached; -1: not known
};

// Whether a small edit of the conditioning moves the result further than a healthy model's does when its noise is edited.
struct Sensitivity {
  std::vector<std::string> edited;           // paths of the settings that differ
  int words_changed = 0, words = 0;          // of prompt and negative prompt together
  std::optional<double> move;                // of the final latent, relative
  std::optional<double> low, median, high;   // the baseline's band for a small edit of the noise (kSmallEdit)
  std::optional<double> own_edit;            // the move under that edit measured for the first run itself, where its verdict has it
  std::string brittle = "unknown";           // yes, no, unknown
  std::string why;                           // one sentence
};

struct RunLabel {
  std::string id, directory, prompt, status;
  int steps = 0;               // done
};

struct Comparison {
  RunLabel first, second;
  std::vector<ParameterDifference> parameters;   // settings in the order of the record, then measured ones, the largest first
  bool same_schedule = false;                    // steps are paired by number; else by timestep
  std::vector<StepPair> steps;
  bool latents_scaled = false;                   // solvers keep latents in scales of their own: both were brought to length 1, 0..2
  std::vector<LatentDifference> latents;
  std::optional<double> final_distance;          // of the final latents, relative to the first
  std::vector<SeriesDifference> series;          // those that both have, the largest relative difference first
  std::vector<PictureDifference> pictures;
  bool same_bytes = false;                       // every picture file is the same
  std::vector<WordDifference> words;             // those that moved most first
  FirstDifference parting;
  Sensitivity sensitivity;
  std::vector<std::string> missing;              // what could not be compared, and why
};

// `baseline` of the first run's model; may be null. Compares what both have and says in `missing` what they have not. Throws Error
// (corrupt_file) for files that break their format.
Comparison compare_runs(const TraceReader& first, const TraceReader& second, const Baseline* baseline);

Json to_json(const Comparison& comparison);
// Several lines for the terminal.
std::string comparison_text(const Comparison& comparison);

}  // namespace safelight
