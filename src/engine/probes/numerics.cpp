// Values that are not finite, and where they start (P01); headroom to half precision's maximum (P02).
#include <algorithm>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

constexpr double kHalfMax = 65504.0;

class Numerics final : public Probe {
 public:
  ProbeNeeds needs() const override { return {.attention = false, .blocks = true}; }

  void on_start(const RunView& view, TraceWriter& trace) override {
    modules_ = view.components.denoiser->block_names();
    trace.declare({"numerics.nonfinite", "", {}, "numerics", "values that are NaN or infinite, over blocks and latents", {}});
    trace.declare({"numerics.headroom", "", {}, "numerics", "largest activation / half precision's maximum", {}});
    trace.fact("numerics", "first_nonfinite", nullptr);
    const auto text = view.text.contiguous();
    for (const float v : values_of(text))
      if (!std::isfinite(v)) return found("text_encoder", -1, trace);
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    int64_t bad = 0;
    double largest = 0;
    for (std::size_t i = 0; s.blocks && i < s.blocks->size(); ++i) {
      const BlockSummary& b = (*s.blocks)[i];
      bad += b.non_finite;
      largest = std::max(largest, b.max_abs);
      if (b.non_finite > 0) found(i < modules_.size() ? "unet." + modules_[i] : "unet", s.index, trace);
    }
    const auto count = [&](const at::Tensor& t, const char* where) {
      int64_t n = 0;
      for (const float v : values_of(t)) n += !std::isfinite(v);
      if (n > 0) found(where, s.index, trace);
      bad += n;
    };
    count(s.guided, "unet");
    count(s.x_next, "scheduler");
    trace.series("numerics.nonfinite", static_cast<double>(bad));
    trace.series("numerics.headroom", largest / kHalfMax);
  }

  void on_decoded(const DecodedView& d, TraceWriter& trace) override {
    for (const float v : values_of(d.pixels))
      if (!std::isfinite(v)) return found("vae.decoder", -1, trace);
  }

 private:
  void found(const std::string& module, int step, TraceWriter& trace) {
    if (seen_) return;
    seen_ = true;
    trace.fact("numerics", "first_nonfinite", {{"module", module}, {"step", step}});
  }
  std::vector<std::string> modules_;
  bool seen_ = false;
};

}  // namespace

ProbeEntry numerics() { return {"numerics", "non-finite values and where they start; headroom of half precision", make_probe<Numerics>}; }

}  // namespace safelight
