// Known answers: what every stage of a model's pipeline gave for a few fixed requests when the model was calibrated. Asked again, the first
// stage whose answer departs from the known one is where a component no longer does what it did; everything before it is cleared. This finds
// what is wrong with the model, whatever a run's own request; what is wrong with the request is left to the other detectors.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "common/api/interventions.h"
#include "common/base/json.h"
#include "common/trace/trace.h"

namespace safelight {

class Experiment;

// In the order in which a run meets them; those from `entered` to `left` once per step.
enum class Stage { tokens, text, empty_text, schedule, entered, block, attention, without, with, channels, guided, left, latent, decoded, pixels };
const char* name(Stage stage);

// What one stage gave, as far as a trace at level full keeps it.
struct Checkpoint {
  Stage stage = Stage::tokens;
  int step = -1;               // -1: not one of the steps'
  std::string module;          // of `block`
  std::vector<double> values;  // ids, sketches, or statistics; see checkpoints_of
};
std::vector<Checkpoint> checkpoints_of(const TraceReader& run);

struct KnownAnswer {
  std::string prompt;
  std::uint64_t seed = 0;
  int steps = 0;               // 0: as the model recommends
  std::vector<NodeInfo> nodes;
  std::vector<Checkpoint> with_attention, without_attention;  // as it is, and with every cross-attention logit times 0; the latter may be empty
};
GenerateRequest request_of(const KnownAnswer& answer);
Interventions attention_switched_off();
KnownAnswer known_answer(const KnownAnswer& asked, const TraceReader& run, const TraceReader* run_without_attention);

// The first checkpoint that differs, and how.
struct Parting {
  Stage stage = Stage::tokens;
  int step = -1;
  std::string module;
  double distance = 0;         // relative; infinite where only one side has a value
};
std::optional<Parting> first_parting(const std::vector<Checkpoint>& known, const std::vector<Checkpoint>& now, double tolerance);

// What came of asking.
struct AnswerCheck {
  bool asked = false;
  std::optional<Parting> parted;
  double timestep = -1;            // of the step at which they parted
  std::string run;                 // directory of the rerun that parted
  double tolerance = 0;
  bool through_attention = false;  // with cross-attention switched off on both sides, nothing parts, or its logits are not all alike
  double spread = 1;               // of the cross-attention logits at the parting, now / known
  // The guidance delta (with - without) at the parting is `delta_factor` times the known one; NaN where it points elsewhere.
  double delta_factor = 1;
  bool halves_swapped = false;     // "with" is the known "without" and the other way round
  int channel = -1;                // the one latent channel of the estimate that moved; -1: none stands out
};

// Asks until an answer parts from the known one, or all are given. Reruns are the experiment's; throws what it throws.
AnswerCheck ask_known_answers(const TraceReader& trace, const std::vector<KnownAnswer>& known, Experiment& experiment);

Json to_json(const KnownAnswer& answer);
// Throws Json::exception or std::invalid_argument on another shape.
KnownAnswer known_answer_from_json(const Json& json);

// Up to `count` of the prompts, which together have the most different words.
std::vector<std::string> covering_prompts(const std::vector<std::string>& prompts, std::size_t count);

}  // namespace safelight
