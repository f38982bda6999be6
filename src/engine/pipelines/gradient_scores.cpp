#include "engine/pipelines/gradient_scores.h"

#include <ATen/ATen.h>

namespace safelight {
namespace {

at::Tensor clipping(const GradientView& v) { return (v.pixels.abs() - 1).clamp_min(0).mean(); }

at::Tensor saturation(const GradientView& v) { return (v.pixels.amax(1) - v.pixels.amin(1)).mean() / 2; }

at::Tensor contrast(const GradientView& v) { return v.pixels.std(false); }

at::Tensor brightness(const GradientView& v) { return v.pixels.mean(); }

// Root of the mean square of what a pixel differs by from its four neighbours.
at::Tensor grain(const GradientView& v) {
  const at::Tensor& p = v.pixels;
  const int64_t h = p.size(2) - 2, w = p.size(3) - 2;
  const auto at = [&](int64_t y, int64_t x) { return p.narrow(2, y, h).narrow(3, x, w); };
  return (at(1, 1) - (at(0, 1) + at(2, 1) + at(1, 0) + at(1, 2)) / 4).square().mean().sqrt();
}

at::Tensor guidance_push(const GradientView& v) {
  return v.uncond.defined() ? (v.cond - v.uncond).square().mean().sqrt() / v.uncond.square().mean().sqrt() : at::Tensor();
}

at::Tensor latent_spread(const GradientView& v) { return v.x0.std(false); }

at::Tensor word_attention(const GradientView& v) {
  at::Tensor sum;
  for (const at::Tensor& layer : v.attention)
    for (const int64_t token : v.word) {
      const at::Tensor share = layer.select(2, token).mean();
      sum = sum.defined() ? sum + share : share;
    }
  return sum.defined() ? sum / static_cast<double>(v.attention.size()) : sum;
}

}  // namespace

const std::vector<GradientScoreRow>& gradient_score_table() {
  static const std::vector<GradientScoreRow> kTable = {
      {{"clipping", "mean distance of pixels beyond what a picture can show, in half ranges"}, true, false, clipping},
      {{"saturation", "mean of the largest less the smallest channel, in full ranges"}, true, false, saturation},
      {{"contrast", "standard deviation of the pixels, in half ranges"}, true, false, contrast},
      {{"brightness", "mean of the pixels, -1 black to 1 white"}, true, false, brightness},
      {{"grain", "root mean square of what pixels differ by from their neighbours' mean, in half ranges"}, true, false, grain},
      {{"guidance-push", "norm of what guidance adds for each unit of scale, over that of the unconditional output"}, false, false, guidance_push},
      {{"latent-spread", "standard deviation of the estimated clean latent"}, false, false, latent_spread},
      {{"word-attention", "share of the cross-attention that goes to a word, mean over layers, heads and places; of networks with cross-attention", true}, false, true, word_attention}};
  return kTable;
}

const std::vector<GradientScore>& gradient_scores() {
  static const std::vector<GradientScore> kScores = [] {
    std::vector<GradientScore> out;
    for (const GradientScoreRow& row : gradient_score_table()) out.push_back(row.about);
    return out;
  }();
  return kScores;
}

}  // namespace safelight
