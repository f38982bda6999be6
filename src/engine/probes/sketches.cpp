// Sketches of every tensor that one step hands to the next (at `full` alone): another run of the same request can be compared with this one
// stage by stage, without keeping the tensors.
#include "common/measure/sketch.h"
#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

class Sketches final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    wanted_ = view.level == ProbeLevel::full;
    if (!wanted_) return;
    const auto n = static_cast<int64_t>(kSketch);
    trace.declare({"sketch.entered", "", {n}, "sketches", "the latents at the start of the step", {}});
    trace.declare({"sketch.without", "", {n}, "sketches", "the network's output without the prompt", {}});
    trace.declare({"sketch.with", "", {n}, "sketches", "the network's output with the prompt", {}});
    trace.declare({"sketch.guided", "", {n}, "sketches", "the output after guidance", {}});
    trace.declare({"sketch.left", "", {n}, "sketches", "the latents after the step", {}});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    if (!wanted_) return;
    const auto write = [&](const char* name, const at::Tensor& t) {
      if (t.defined()) trace.series(name, sketch(values_of(t)));
    };
    write("sketch.entered", s.entered);
    write("sketch.without", s.uncond);
    write("sketch.with", s.cond);
    write("sketch.guided", s.guided);
    write("sketch.left", s.x_next);
  }

  void on_decoded(const DecodedView& d, TraceWriter& trace) override {
    if (!wanted_) return;
    trace.fact("sketch", "latent", sketch(values_of(d.latent)));
    if (d.decoder_pixels.defined()) trace.fact("sketch", "decoded", sketch(values_of(d.decoder_pixels)));
    trace.fact("sketch", "pixels", sketch(values_of(d.pixels)));
  }

 private:
  bool wanted_ = false;
};

}  // namespace

ProbeEntry sketches() { return {"sketches", "random projections of what each stage hands to the next, at level full", make_probe<Sketches>}; }

}  // namespace safelight
