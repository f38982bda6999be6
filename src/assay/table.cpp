// Every kind of fault there is, by subsystem in pipeline order. Adding one: a row in the file of its subsystem.
#include "assay/fault.h"
#include "common/base/error.h"

namespace safelight {

std::vector<FaultEntry> configuration_faults();
std::vector<FaultEntry> prompt_faults();
std::vector<FaultEntry> text_encoder_faults();
std::vector<FaultEntry> attention_faults();
std::vector<FaultEntry> guidance_faults();
std::vector<FaultEntry> scheduler_faults();
std::vector<FaultEntry> denoiser_faults();
std::vector<FaultEntry> weight_faults();
std::vector<FaultEntry> decoder_faults();
std::vector<FaultEntry> postprocess_faults();

const std::vector<FaultEntry>& fault_table() {
  static const std::vector<FaultEntry> table = [] {
    std::vector<FaultEntry> all;
    for (const auto make : {configuration_faults, prompt_faults, text_encoder_faults, attention_faults, guidance_faults, scheduler_faults,
                            denoiser_faults, weight_faults, decoder_faults, postprocess_faults})
      for (FaultEntry& fault : make()) all.push_back(std::move(fault));
    return all;
  }();
  return table;
}

const FaultEntry& fault_named(const std::string& name) {
  std::string known;
  for (const FaultEntry& fault : fault_table()) {
    if (fault.name == name) return fault;
    known += (known.empty() ? "" : ", ") + fault.name;
  }
  throw Error(ErrorCode::invalid_argument, "fault '" + name + "' is unknown; known: " + known);
}

Injection inject(const FaultEntry& fault, std::size_t dose, const Components& healthy, const GenerateRequest& request, std::uint64_t seed) {
  Injection injection{.truth = fault.truth, .request = request, .damage = {}};
  SceneRandom random(seed, 0);
  fault.inject({.healthy = healthy, .dose = fault.doses.at(dose), .seed = seed, .random = random}, injection);
  return injection;
}

}  // namespace safelight
