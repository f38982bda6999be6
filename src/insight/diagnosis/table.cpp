// Every detector there is, in pipeline order. Adding one: its file, a declaration here and a line in the list.
#include "insight/diagnosis/detector.h"

namespace safelight {

DetectorEntry non_finite();
DetectorEntry prediction_type();
DetectorEntry latent_scale();
DetectorEntry truncated_prompt();
DetectorEntry unknown_words();
DetectorEntry attention_collapse();
DetectorEntry guidance_burn();
DetectorEntry too_few_steps();
DetectorEntry channel_drift();
DetectorEntry activations_detector();
DetectorEntry decoder_mismatch();
DetectorEntry known_answers();
DetectorEntry changed_tokens();
DetectorEntry misled_timestep();
DetectorEntry decoder_handoff();
DetectorEntry guidance_weak();
DetectorEntry untrained_size();
DetectorEntry negative_repeats();
DetectorEntry shortcuts();

const std::vector<DetectorEntry>& detector_table() {
  static const std::vector<DetectorEntry> table = {
      non_finite(),       prediction_type(), latent_scale(),  untrained_size(), changed_tokens(),       truncated_prompt(), unknown_words(),   negative_repeats(), attention_collapse(),
      guidance_burn(),    guidance_weak(),   too_few_steps(), misled_timestep(), channel_drift(),       activations_detector(), decoder_mismatch(), decoder_handoff(), known_answers(), shortcuts()};
  return table;
}

std::vector<Finding> detect_all(const DetectorInput& input) {
  std::vector<Finding> out;
  for (const DetectorEntry& d : detector_table())
    for (Finding& f : d.detect(input)) {
      f.detector = d.name;
      out.push_back(std::move(f));
    }
  return out;
}

}  // namespace safelight
