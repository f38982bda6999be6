// Every probe there is. Adding one: its file, a declaration here and a line in the list.
#include "engine/probes/table.h"

namespace safelight {

ProbeEntry text();
ProbeEntry attention();
ProbeEntry snr();
ProbeEntry detail_queue();
ProbeEntry activations();
ProbeEntry control();
ProbeEntry guidance();
ProbeEntry scheduler();
ProbeEntry latent();
ProbeEntry numerics();
ProbeEntry decoder();
ProbeEntry image();
ProbeEntry sketches();

const std::vector<ProbeEntry>& probe_table() {
  static const std::vector<ProbeEntry> table = {text(),     attention(), snr(),      detail_queue(), activations(), control(), guidance(),
                                                scheduler(), latent(),    numerics(), decoder(),      image(),        sketches()};
  return table;
}

std::vector<std::unique_ptr<Probe>> make_probes() {
  std::vector<std::unique_ptr<Probe>> out;
  for (const ProbeEntry& entry : probe_table()) out.push_back(entry.make());
  return out;
}

}  // namespace safelight
