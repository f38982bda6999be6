// Signal and noise per latent channel against what the schedule expects (P21), and channel moments (P03).
#include <cmath>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

class Snr final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    const int64_t channels = view.components.denoiser->latent_channels();
    const auto labels = numbered("channel ", static_cast<std::size_t>(channels));
    trace.declare({"snr.measured_db", "dB", {channels}, "snr", "signal-to-noise ratio of each channel", labels});
    trace.declare({"snr.expected_db", "dB", {channels}, "snr", "what the schedule expects for unit-variance latents", labels});
    trace.declare({"snr.drift_db", "dB", {channels}, "snr", "measured minus expected: positive is cleaner", labels});
    trace.declare({"latents.mean", "", {channels}, "snr", "mean of the denoised estimate", labels});
    trace.declare({"latents.std", "", {channels}, "snr", "standard deviation of the denoised estimate", labels});
    trace.declare({"snr.handoff", "", {channels}, "snr", "change of the mean between steps, in standard deviations: 0 unless something moved the latents", labels});
    trace.declare({"latents.noise_mean", "", {channels}, "snr", "mean of the noise estimate: 0 when a channel is not pushed", labels});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    const auto channels = static_cast<std::size_t>(s.x.size(0));
    const auto x = values_of(s.x), x0 = values_of(s.x0);
    const std::size_t area = x.size() / channels;
    std::vector<double> measured, expected, drift, mean, deviation, noise_mean;
    for (std::size_t c = 0; c < channels; ++c) {
      const auto clean = x0.subspan(c * area, area), noisy = x.subspan(c * area, area);
      const Moments m = moments(clean);
      const auto left = [&](std::size_t i) { return noisy[i] - s.node.alpha * clean[i]; };
      const double noise = sum_over(area, [&](std::size_t i) { return left(i) * left(i); }) / static_cast<double>(area), average = sum_over(area, left);
      const double signal = s.node.alpha * m.std * s.node.alpha * m.std;
      measured.push_back(10 * std::log10((signal + 1e-12) / (noise + 1e-12)));
      expected.push_back(10 * std::log10((s.node.alpha * s.node.alpha + 1e-12) / (s.node.sigma * s.node.sigma + 1e-12)));
      drift.push_back(measured.back() - expected.back());
      mean.push_back(m.mean);
      deviation.push_back(m.std);
      noise_mean.push_back(average / static_cast<double>(area) / (s.node.sigma + 1e-6));
    }
    trace.series("snr.measured_db", measured);
    trace.series("snr.expected_db", expected);
    trace.series("snr.drift_db", drift);
    trace.series("latents.mean", mean);
    trace.series("latents.std", deviation);
    trace.series("latents.noise_mean", noise_mean);
    handoff(s, channels, trace);
  }

 private:
  // Between two steps nothing may touch the latents: what a step left is what the next one starts from.
  void handoff(const StepView& s, std::size_t channels, TraceWriter& trace) {
    const auto entered = values_of(s.entered), left = values_of(s.x_next);
    if (left_.size() == entered.size()) {
      const std::size_t area = entered.size() / channels;
      std::vector<double> moved;
      for (std::size_t c = 0; c < channels; ++c) {
        const Moments now = moments(entered.subspan(c * area, area)), was = moments(std::span<const float>(left_).subspan(c * area, area));
        moved.push_back((now.mean - was.mean) / (was.std + 1e-6));
      }
      trace.series("snr.handoff", moved);
    }
    left_.assign(left.begin(), left.end());
  }

  std::vector<float> left_;  // the latents as the last step left them
};

}  // namespace

ProbeEntry snr() { return {"snr", "signal-to-noise ratio per latent channel against the schedule's, dB; channel moments", make_probe<Snr>}; }

}  // namespace safelight
