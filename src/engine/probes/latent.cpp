// The denoised estimate from step to step: how much it still changes, and how large it gets (P06).
#include <algorithm>
#include <cmath>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

class Latent final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    trace.fact("latents", "height", view.request.height / view.components.autoencoder->downscale());
    trace.fact("latents", "width", view.request.width / view.components.autoencoder->downscale());
    trace.declare({"latents.change", "", {}, "latent", "change of the denoised estimate since the last step", {}});
    trace.declare({"latents.max_abs", "", {}, "latent", "largest value of the denoised estimate", {}});
    trace.declare({"latents.rms", "", {}, "latent", "size of the denoised estimate", {}});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    const auto x0 = values_of(s.x0);
    float largest = 0;
    for (const float v : x0) largest = std::max(largest, std::abs(v));
    const double size = norm(x0);
    trace.series("latents.max_abs", largest);
    trace.series("latents.rms", size / std::sqrt(static_cast<double>(x0.size())));
    if (previous_.size() == x0.size()) {
      const double d = sum_over(x0.size(), [&](std::size_t i) { return (x0[i] - previous_[i]) * (x0[i] - previous_[i]); });
      trace.series("latents.change", std::sqrt(d) / (size + 1e-12));
    }
    previous_.assign(x0.begin(), x0.end());
  }

 private:
  std::vector<float> previous_;
};

}  // namespace

ProbeEntry latent() { return {"latent", "change and size of the denoised estimate", make_probe<Latent>}; }

}  // namespace safelight
