// Mistakes made with the pixels after they were decoded.
#include <ATen/ATen.h>

#include "assay/decorators.h"

namespace safelight {
namespace {

// They act on the decoder's output before it is recorded, where a run cannot tell them from a decoder that paints so.
const Truth kPost = {.subsystem = "postprocess", .also = {"decoder"}, .trigger = "postprocess"};

at::Tensor blurred(const at::Tensor& p) { return at::avg_pool2d(p, {3, 3}, {1, 1}, {1, 1}, false, false); }

void gamma(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [dose = s.dose](at::Tensor p) { return ((p + 1) / 2).clamp(0, 1).pow(dose) * 2 - 1; }});
}

void channels_swapped(const FaultSite&, Injection& i) {
  damage_decoder(i, {.pixels = [](at::Tensor p) { return p.flip({1}); }});
}

void clamped(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [dose = s.dose](at::Tensor p) { return p.clamp_min(dose - 1); }});
}

void banded(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [levels = s.dose](at::Tensor p) { return at::round((p.clamp(-1, 1) + 1) / 2 * (levels - 1)) / (levels - 1) * 2 - 1; }});
}

void sharpened(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [dose = s.dose](at::Tensor p) { return p + dose * (p - blurred(p)); }});
}

void shifted(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [share = s.dose](at::Tensor p) { return p.roll({static_cast<int64_t>(share * static_cast<double>(p.size(3)))}, {3}); }});
}

void tinted(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [dose = s.dose, channel = s.random.below(3)](at::Tensor p) {
    p = p.clone();
    p.select(1, channel).add_(dose);
    return p;
  }});
}

void contrast(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [factor = s.dose](at::Tensor p) { return p * factor; }});
}

void blocked(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [dose = s.dose](at::Tensor p) {
    const at::Tensor means = at::upsample_nearest2d(at::avg_pool2d(p, {8, 8}, {8, 8}, {0, 0}, true), {p.size(2), p.size(3)});
    return p + dose * (means - p);
  }});
}

}  // namespace

std::vector<FaultEntry> postprocess_faults() {
  return {
      {"gamma-twice", "a transfer curve is applied once too often", kPost, {1.3, 1.8, 2.4}, "exponent", false, gamma},
      {"colours-swapped", "red and blue are exchanged", kPost, {1}, "on", false, channels_swapped},
      {"clamped-range", "dark values are cut off, as where 0..1 is taken for -1..1", kPost, {0.4, 0.7, 1}, "of half the range", false, clamped},
      {"picture-shifted", "the picture is moved sideways and wraps round", kPost, {0.05, 0.2, 0.5}, "of the width", true, shifted},
      {"tinted", "one colour is too strong", kPost, {0.1, 0.25, 0.5}, "of half the range", true, tinted},
      {"contrast-changed", "the picture has too little or too much contrast", kPost, {0.7, 0.4, 2}, "factor", true, contrast},
      {"few-levels", "the picture has few levels of each colour", kPost, {12, 6, 3}, "levels", false, banded},
      {"over-sharpened", "edges are sharpened until they ring", kPost, {1, 2.5, 5}, "strength", false, sharpened},
      {"compression-blocks", "blocks of 8 x 8 pixels show, as after strong compression", kPost, {0.3, 0.6, 0.9}, "share", false, blocked},
  };
}

}  // namespace safelight
