// Output of every block of the denoiser (P23): size, tails, outliers; the first block that leaves its band localises
// damage inside the network.
#include "engine/probes/table.h"

namespace safelight {
namespace {

class Activations final : public Probe {
 public:
  ProbeNeeds needs() const override { return {.attention = false, .blocks = true}; }

  void on_start(const RunView& view, TraceWriter& trace) override {
    const auto names = view.components.denoiser->block_names();
    const auto n = static_cast<int64_t>(names.size());
    trace.declare({"activations.rms", "", {n}, "activations", "root mean square of each block's output", names});
    trace.declare({"activations.kurtosis", "", {n}, "activations", "kurtosis about zero of each block's output (3: Gaussian)", names});
    trace.declare({"activations.outliers", "", {n}, "activations", "share of values above six times the RMS", names});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    if (!s.blocks) return;
    std::vector<double> rms, kurtosis, outliers;
    for (const BlockSummary& b : *s.blocks) {
      rms.push_back(b.rms);
      kurtosis.push_back(b.kurtosis);
      outliers.push_back(b.outliers);
    }
    trace.series("activations.rms", rms);
    trace.series("activations.kurtosis", kurtosis);
    trace.series("activations.outliers", outliers);
  }
};

}  // namespace

ProbeEntry activations() { return {"activations", "RMS, kurtosis and outliers of every block of the denoiser", make_probe<Activations>}; }

}  // namespace safelight
