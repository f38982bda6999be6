// What a ControlNet adds: the size of its residuals, and its share of the middle block that it is added to.
#include <cmath>
#include <string_view>

#include "engine/probes/table.h"

namespace safelight {
namespace {

class Control final : public Probe {
 public:
  ProbeNeeds needs() const override { return {.attention = false, .blocks = true}; }

  void on_start(const RunView& view, TraceWriter& trace) override {
    const auto names = view.components.denoiser->block_names();
    residuals_ = 0;
    while (residuals_ < names.size() && std::string_view(names[residuals_]).starts_with("controlnet.")) ++residuals_;
    middle_ = names.size();
    for (std::size_t i = residuals_; i < names.size(); ++i)
      if (std::string_view(names[i]).starts_with("mid_block")) middle_ = i;
    if (residuals_ == 0) return;
    trace.declare({"control.residual_rms", "", {}, "control", "root mean square of the ControlNet's residuals, mean over the skips", {}});
    trace.declare({"control.share", "", {}, "control", "the middle residual against the middle block's output", {}});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    if (residuals_ == 0 || !s.blocks || s.blocks->size() < residuals_) return;
    double sum = 0;
    for (std::size_t i = 0; i < residuals_; ++i) sum += (*s.blocks)[i].rms;
    trace.series("control.residual_rms", sum / static_cast<double>(residuals_));
    if (middle_ < s.blocks->size()) trace.series("control.share", (*s.blocks)[residuals_ - 1].rms / ((*s.blocks)[middle_].rms + 1e-12));
  }

 private:
  std::size_t residuals_ = 0, middle_ = 0;
};

}  // namespace

ProbeEntry control() { return {"control", "strength of a ControlNet's residuals", make_probe<Control>}; }

}  // namespace safelight
