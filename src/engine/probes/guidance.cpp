// The guidance delta g = c - u (P07): its weight, direction and effect on the estimate.
#include <algorithm>
#include <cmath>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

class Guidance final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    trace.declare({"guidance.scale", "", {}, "guidance", "guidance scale in force", {}});
    trace.declare({"guidance.delta_ratio", "", {}, "guidance", "size of the scaled guidance delta against the unconditional estimate", {}});
    trace.declare({"guidance.cosine", "", {}, "guidance", "cosine of conditional and unconditional estimate", {}});
    trace.declare({"guidance.std_ratio", "", {}, "guidance", "spread after guidance / before (above 1.3: risk of burn)", {}});
    trace.declare({"guidance.parallel_share", "", {}, "guidance", "share of the delta along the conditional estimate", {}});
    trace.declare({"guidance.out_of_range", "", {}, "guidance", "share of the denoised estimate beyond four standard deviations of clean latents", {}});
    trace.declare_map({"guidance.delta", static_cast<int64_t>(view.nodes.size()) - 1,
                       {view.components.denoiser->latent_channels() > 0 ? view.request.height / view.components.autoencoder->downscale() : 0,
                        view.request.width / view.components.autoencoder->downscale()},
                       {}, "size of the guidance delta over the picture"});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    const auto x0 = values_of(s.x0);
    std::size_t beyond = 0;
    for (const float v : x0) beyond += std::abs(v) > 4.0f;
    trace.series("guidance.out_of_range", static_cast<double>(beyond) / static_cast<double>(x0.size()));
    trace.series("guidance.scale", s.guidance);
    if (!s.uncond.defined()) return;
    const auto c = values_of(s.cond), u = values_of(s.uncond), w = values_of(s.guided);
    std::vector<float> g(c.size());
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = c[i] - u[i];
    const double gg = dot(g, g), cc = dot(c, c), uu = dot(u, u), gc = dot(g, c);
    trace.series("guidance.delta_ratio", s.guidance * std::sqrt(gg / (uu + 1e-12)));
    trace.series("guidance.cosine", dot(c, u) / (std::sqrt(cc * uu) + 1e-12));
    trace.series("guidance.std_ratio", moments(w).std / (moments(c).std + 1e-12));
    trace.series("guidance.parallel_share", gc * gc / (gg * cc + 1e-12));
    const auto channels = static_cast<std::size_t>(s.cond.size(0));
    const std::size_t area = g.size() / channels;
    std::vector<float> map(area, 0.0f);
    for (std::size_t k = 0; k < channels; ++k)
      for (std::size_t i = 0; i < area; ++i) map[i] += g[k * area + i] * g[k * area + i];
    for (float& v : map) v = std::sqrt(v);
    trace.map("guidance.delta", s.index, map);
  }
};

}  // namespace

ProbeEntry guidance() { return {"guidance", "size, direction and effect of the guidance delta", make_probe<Guidance>}; }

}  // namespace safelight
