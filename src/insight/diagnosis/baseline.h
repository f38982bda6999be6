// What a model's runs look like when they are healthy: bands per series and stretch of the schedule, per fact of the
// finished run, and per feature of picture and latent. Made by calibration at the model's recommended setting.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/trace/trace.h"
#include "insight/diagnosis/joint.h"
#include "insight/diagnosis/known_answers.h"

namespace safelight {

// Healthy values lay within [low, high]; the ends are the extremes seen, widened by a quarter of their distance
// (less for features of the finished picture).
struct Band {
  double low = 0, median = 0, high = 0;
  // 0 inside; outside the distance to the nearer end in half widths. At least `floor` counts as half width.
  double deviation(double value, double floor = 1e-6) const;
  // The band of the values whose deviation is at most `most`.
  Band within(double most, double floor = 1e-6) const;
};

// series -> element (0 for scalars and per-word series) -> bin
using SeriesBands = std::map<std::string, std::vector<std::vector<std::optional<Band>>>>;

struct Baseline {
  static constexpr int kBins = 10;  // equal stretches of training time; for one schedule that is a binning of log-SNR
  SeriesBands series;
  std::map<std::string, Band> facts;      // "decoder.gain"
  std::map<std::string, Band> features;   // of picture and latent, for artifact scores
  JointBand joint;                        // of all features together
  std::optional<Band> small_edit;         // move of the final latent when the initial noise is turned by kSmallEdit
  std::vector<KnownAnswer> known_answers; // empty: the model was calibrated without
  std::vector<std::vector<double>> latent_to_rgb;  // the cheap decode, fitted over places of healthy latents. Rows: channels and one constant
  // What a unit more in all of one channel does to the mean colour, 0..255: derivatives of the decoder at healthy latents. Rows: channels. Unlike the fit
  // it holds for shifts that healthy latents never have. Empty: not measured.
  std::vector<std::vector<double>> channel_to_rgb;
  // Of healthy runs with a negative prompt. Guidance away from words is stronger than away from none, and their pictures are less like the others: they make
  // no bands but those of the guidance, which only such runs are held to, and the highest artifact score that is usual for them.
  SeriesBands guidance_with_negative;
  double score_with_negative = 0;
  int runs = 0;
  double false_alarm_rate = 0;            // measured on runs that took no part in making the bands
  int false_alarm_runs = 0;

  // What this run is held to: with a negative prompt the bands of guidance are those of such runs.
  Baseline for_run(const TraceReader& run) const;
  const Band* band(const std::string& series, std::size_t element, double timestep) const;
  static int bin_of(double timestep);
};

// The size of the edit of the latent-difference check: the noise becomes sqrt(1 - s^2) noise + s other noise.
inline constexpr double kSmallEdit = 0.05;

// Series whose length is the number of words are pooled over the words.
bool is_per_word(const std::string& series);

Band band_of(std::vector<double> values);
Baseline build_baseline(const std::vector<TraceReader>& runs);
bool has_negative(const TraceReader& run);
Json to_json(const Baseline& baseline);
// Throws Error(corrupt_file) naming `where`.
Baseline baseline_from_json(const Json& json, const std::string& where);
std::optional<Baseline> read_baseline(const std::filesystem::path& model_directory);

// {"series": {name: {"low": [[per element] per step], "high": ...}}} for plots of one run.
Json bands_for(const TraceReader& run, const Baseline& baseline);

}  // namespace safelight
