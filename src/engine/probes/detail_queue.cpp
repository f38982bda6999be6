// When detail arrives (P22): power of the denoised estimate in four bands, coarse to fine, by a pyramid of 2x2 means
// (the bands of a Haar transform; no Fourier transform is needed at latent sizes).
#include <algorithm>
#include <array>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

constexpr std::size_t kBands = 4;

class DetailQueue final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    steps_ = view.nodes.size() - 1;
    trace.declare({"detail.band_power", "", {static_cast<int64_t>(kBands)}, "detail-queue", "power of the denoised estimate by band",
                   {"coarsest", "coarse", "fine", "finest"}});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    history_.push_back(powers(s.x0));
    trace.series("detail.band_power", std::vector<double>(history_.back().begin(), history_.back().end()));
    if (history_.size() == steps_) summary(trace);
  }

 private:
  static std::array<double, kBands> powers(const at::Tensor& x0) {
    std::array<double, kBands> out{};
    const int64_t channels = x0.size(0);
    for (int64_t c = 0; c < channels; ++c) {
      int64_t h = x0.size(1), w = x0.size(2);
      const float* p = x0.data_ptr<float>() + c * h * w;
      std::vector<double> level(p, p + h * w), next;
      for (std::size_t band = kBands; band-- > 0;) {
        if (band == 0 || h < 2 || w < 2) {
          double mean = 0, square = 0;
          for (const double v : level) mean += v / static_cast<double>(level.size()), square += v * v / static_cast<double>(level.size());
          out[band] += (square - mean * mean) / static_cast<double>(channels);
          break;
        }
        next.assign(static_cast<std::size_t>((h / 2) * (w / 2)), 0.0);
        double detail = 0;
        for (int64_t y = 0; y + 1 < h; y += 2)
          for (int64_t x = 0; x + 1 < w; x += 2) {
            const double a = level[static_cast<std::size_t>(y * w + x)], b = level[static_cast<std::size_t>(y * w + x + 1)];
            const double d = level[static_cast<std::size_t>((y + 1) * w + x)], e = level[static_cast<std::size_t>((y + 1) * w + x + 1)];
            const double mean = 0.25 * (a + b + d + e);
            next[static_cast<std::size_t>((y / 2) * (w / 2) + x / 2)] = mean;
            detail += (a * a + b * b + d * d + e * e) - 4 * mean * mean;
          }
        out[band] += detail / static_cast<double>(h * w) / static_cast<double>(channels);
        level = next;
        h /= 2;
        w /= 2;
      }
    }
    return out;
  }

  void summary(TraceWriter& trace) const {
    Json arrival = Json::array();
    for (std::size_t b = 0; b < kBands; ++b) {
      std::size_t first = 0;
      while (first + 1 < history_.size() && history_[first][b] < 0.9 * history_.back()[b]) ++first;
      arrival.push_back(first);
    }
    const std::size_t late = history_.size() - 1 - std::max<std::size_t>(1, history_.size() / 5);
    const double before = history_.size() > 1 ? history_[std::min(late, history_.size() - 2)][kBands - 1] : 0.0;
    trace.fact("detail", "arrival", arrival);
    trace.fact("detail", "queued", (history_.back()[kBands - 1] - before) / (history_.back()[kBands - 1] + 1e-12));
  }

  std::size_t steps_ = 0;
  std::vector<std::array<double, kBands>> history_;
};

}  // namespace

ProbeEntry detail_queue() { return {"detail-queue", "when each band of detail arrives, and how much still waits at the end", make_probe<DetailQueue>}; }

}  // namespace safelight
