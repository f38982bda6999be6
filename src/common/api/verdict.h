// What diagnosis says about a run. Plain data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/api/interventions.h"

namespace safelight {

// Subsystem names, the vocabulary of every verdict, in pipeline order.
inline constexpr const char* kSubsystems[] = {"configuration", "prompt",  "text-encoder", "cross-attention", "guidance",
                                              "scheduler",     "denoiser", "decoder",     "postprocess",     "provider"};

// What a person may say that is wrong with a picture; the artifact scores have names of their own beside these.
inline constexpr const char* kSymptoms[] = {"text", "banding", "colour", "contrast", "blur", "noise", "seams", "duplicated", "detached", "missing", "merged", "layout"};

struct Evidence {
  std::string statistic;            // series or check, for example "snr.drift_db"
  double value = 0.0;
  std::optional<double> low, high;  // the healthy band it was compared with
  int step = -1;                    // -1: of the whole run
  std::string note;
};

// One thing that deviates.
struct Finding {
  std::string detector;
  std::string subsystem;
  std::string cause;                // key of the cause table
  int first_step = -1, last_step = -1;
  double severity = 0.0;            // deviation in units of the healthy band's half width; >= 1 is outside
  std::string module;               // where known
  std::string what;                 // one sentence
  std::vector<Evidence> evidence;
};

struct SanityCheck {                // the three that are always shown
  std::string name;                 // "attention", "latent-difference", "decoder"
  std::optional<double> value, low, high;
  std::string state = "unknown";    // pass, fail, unknown
  std::string what;
};

struct SymptomScore {
  std::string symptom;              // colour, blur, noise, banding, contrast, latent, ..., overall
  double score = 0.0;               // 0 healthy .. 1 worst
};

// One rerun with exactly one thing changed, on several seeds, beside a sham of the same size.
struct Counterfactual {
  std::string change;               // "guidance 4"
  std::string subsystem;            // whose hypothesis it tests
  std::string trigger;
  Interventions interventions;
  std::vector<std::string> runs, sham_runs;     // run directories
  std::vector<double> before, after, sham;      // overall artifact scores per seed
  bool cures = false;
  double p_value = 1.0;             // Fisher's exact test: treated runs against those as they were and under the sham
  std::vector<double> predicted_shift, measured_shift;  // mean colour r, g, b, -255..255: from latents, in pixels; may be empty
  double cost_ratio = 1.0;          // time of the changed run / time of the original
};

struct WordOverRegion {
  std::string word;
  double times = 1.0;               // its attention there, over that of a region of this size on average
};

// What a person pointed at, measured there and compared with pictures of the same prompt at the model's recommended settings.
struct SeenSymptom {
  std::string symptom;              // of kSymptoms
  int x = 0, y = 0, width = 0, height = 0;  // pixels; the whole picture when no region was named
  std::optional<double> score;      // 0 as there in those pictures .. 1; absent: there was nothing to compare with
  int references = 0;               // pictures that it was compared with
  std::vector<Evidence> evidence;   // the measures of this symptom
  std::vector<WordOverRegion> words;  // those that reach the region most, the strongest first
};

struct RankedSubsystem {
  std::string subsystem;
  double weight = 0.0;              // 0..1, sums to 1 over the ranking
};

struct Verdict {
  bool healthy = false;
  bool undetermined = false;
  std::string stage = "base";       // stage of a cascade
  std::string subsystem;            // where it broke; empty when healthy or undetermined
  std::string module;
  std::string trigger;              // what set it off; may be another subsystem
  std::string cause;
  int step = -1;                    // first bad step, -1: before or after the steps
  double timestep = -1;
  double confidence = 0.0;          // 0..1
  std::string sentence;             // one sentence, only with what was measured
  std::string remedy;
  std::vector<RankedSubsystem> ranking;
  std::vector<SanityCheck> checks;
  std::vector<SymptomScore> scores;
  std::optional<SeenSymptom> looks; // where a person pointed at something
  std::vector<Finding> findings;
  std::vector<Counterfactual> counterfactuals;
  std::vector<std::string> signatures;          // ids of matching known failures
  std::vector<std::string> notes;               // what could not be known, thin baseline, changed files
};

}  // namespace safelight
