// Decoder fidelity at no extra decode (P15): the decoded picture against the cheap linear decode of the same latent. Also the two places where
// nothing may happen: what the sampler left is what the decoder is given, and what it gives is what becomes the picture.
#include <cmath>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

double moved(std::span<const float> before, std::span<const float> after) {
  double difference = 0;
  for (std::size_t i = 0; i < before.size(); ++i) difference += (static_cast<double>(after[i]) - before[i]) * (static_cast<double>(after[i]) - before[i]);
  return std::sqrt(difference) / (norm(before) + 1e-12);
}

// after = gain * before + shift + rest, by least squares; sizes relative to `before`.
struct Handoff {
  double gain = 1, shift = 0, rest = 0;
};

Handoff handoff(std::span<const float> before, std::span<const float> after) {
  const Moments b = moments(before), a = moments(after);
  const double r = correlation(before, after);
  Handoff h{.gain = r * a.std / (b.std + 1e-12)};
  h.shift = a.mean - h.gain * b.mean;
  h.rest = std::sqrt(std::max(0.0, 1 - r * r) * static_cast<double>(before.size())) * a.std / (norm(before) + 1e-12);
  return h;
}

class Decoder final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    matrix_ = view.components.latent_to_rgb;
    trace.declare_map({"decoder.difference", 1, {view.request.height / view.components.autoencoder->downscale(),
                       view.request.width / view.components.autoencoder->downscale()}, {}, "decoded picture against the cheap decode"});
    trace.fact("decoder", "scaling_factor", view.components.autoencoder->scaling_factor());
  }

  void on_decoded(const DecodedView& d, TraceWriter& trace) override {
    handoffs(d, trace);
    const auto channels = static_cast<std::size_t>(d.latent.size(0));
    if (matrix_.size() != channels + 1) return;
    const int64_t h = d.latent.size(1), w = d.latent.size(2), factor = d.pixels.size(1) / h;
    const float *z = d.latent.data_ptr<float>(), *p = d.pixels.data_ptr<float>();
    const int64_t area = h * w, height = d.pixels.size(1), width = d.pixels.size(2);
    std::vector<float> cheap, full, map(static_cast<std::size_t>(area), 0.0f);
    for (std::size_t k = 0; k < 3; ++k)
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x) {
          double v = matrix_[channels][k];
          for (std::size_t c = 0; c < channels; ++c) v += matrix_[c][k] * z[static_cast<int64_t>(c) * area + y * w + x];
          double mean = 0;
          for (int64_t dy = 0; dy < factor; ++dy)
            for (int64_t dx = 0; dx < factor; ++dx)
              mean += p[static_cast<int64_t>(k) * height * width + (y * factor + dy) * width + x * factor + dx];
          mean /= static_cast<double>(factor * factor);
          cheap.push_back(static_cast<float>(v));
          full.push_back(static_cast<float>(mean));
          map[static_cast<std::size_t>(y * w + x)] += static_cast<float>(std::abs(v - mean) / 3);
        }
    double error = 0;
    for (std::size_t i = 0; i < cheap.size(); ++i) error += (cheap[i] - full[i]) * (cheap[i] - full[i]);
    error /= static_cast<double>(cheap.size());
    trace.map("decoder.difference", 0, map);
    const Moments mc = moments(cheap), mf = moments(full);
    trace.fact("decoder", "linear_psnr_db", 10 * std::log10(4.0 / (error + 1e-12)));
    trace.fact("decoder", "linear_correlation", correlation(cheap, full));
    trace.fact("decoder", "gain", mf.std / (mc.std + 1e-6));
    trace.fact("decoder", "offset", mf.mean - mc.mean);
    std::size_t beyond = 0;
    for (const float v : values_of(d.pixels)) beyond += std::abs(v) > 1.1f;
    trace.fact("decoder", "out_of_range", static_cast<double>(beyond) / static_cast<double>(d.pixels.numel()));
  }

 private:
  static void handoffs(const DecodedView& d, TraceWriter& trace) {
    if (!d.decoder_latent.defined()) return;
    if (d.decoder_latent.sizes() == d.latent.sizes()) {
      const Handoff h = handoff(values_of(d.latent), values_of(d.decoder_latent));
      trace.fact("decoder", "latent_moved", moved(values_of(d.latent), values_of(d.decoder_latent)));
      trace.fact("decoder", "latent_gain", h.gain);
      trace.fact("decoder", "latent_shift", h.shift);
      trace.fact("decoder", "latent_rest", h.rest);
    }
    if (d.decoder_pixels.sizes() == d.pixels.sizes())
      trace.fact("decoder", "pixels_moved", moved(values_of(d.decoder_pixels), values_of(d.pixels)));
  }

  std::vector<std::array<double, 3>> matrix_;
};

}  // namespace

ProbeEntry decoder() { return {"decoder", "agreement of the decoded picture with an independent cheap decode", make_probe<Decoder>}; }

}  // namespace safelight
