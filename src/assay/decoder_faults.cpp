// Faults of the decoder: healthy latents, a wrong picture.
#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "assay/decorators.h"

namespace safelight {
namespace {

const Truth kDecoder = {.subsystem = "decoder", .also = {}, .trigger = "decoder", .causes = {"decoder-mismatch"}};
// Where nothing is recorded between the decoder's last layer and the picture, the two cannot be told apart.
const Truth kPixels = {.subsystem = "decoder", .also = {"postprocess"}, .trigger = "decoder", .causes = {"decoder-mismatch"}};

void channels_permuted(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.latents = [share = s.dose, seed = s.seed](at::Tensor z) {
    SceneRandom random(seed, 1);
    return z.index_select(1, at::tensor(shuffled(z.size(1), share, random), at::kLong));
  }});
}

void latent_noise(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.latents = [dose = s.dose, seed = s.seed](at::Tensor z) { return z + dose * fault_noise(z.sizes(), seed); }});
}

void latent_spot(const FaultSite& s, Injection& i) {
  const double x = s.random.uniform(), y = s.random.uniform();
  damage_decoder(i, {.latents = [x, y, dose = s.dose](at::Tensor z) {
    z = z.clone();
    z.select(3, static_cast<int64_t>(x * static_cast<double>(z.size(3)))).select(2, static_cast<int64_t>(y * static_cast<double>(z.size(2)))).mul_(dose);
    return z;
  }});
}

void channel_lost(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.latents = [channels = static_cast<int64_t>(s.dose)](at::Tensor z) {
    z = z.clone();
    z.slice(1, 0, std::min(channels, z.size(1))).zero_();
    return z;
  }});
}

// Tiles that were decoded each for itself, with a tone of their own.
void tile_seams(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [dose = s.dose, seed = s.seed](at::Tensor p) {
    constexpr int64_t kTiles = 3;
    const at::Tensor tones = fault_noise({1, 3, kTiles, kTiles}, seed) * dose;
    return p + at::upsample_nearest2d(tones, {p.size(2), p.size(3)});
  }});
}

void blur(const FaultSite& s, Injection& i) {
  damage_decoder(i, {.pixels = [kernel = static_cast<int64_t>(s.dose)](at::Tensor p) {
    return at::avg_pool2d(p, {kernel, kernel}, {1, 1}, {kernel / 2, kernel / 2}, false, false);
  }});
}

void non_finite(const FaultSite&, Injection& i) {
  damage_decoder(i, {.pixels = [](at::Tensor p) {
    p = p.clone();
    p.slice(2, p.size(2) / 2).fill_(std::numeric_limits<float>::quiet_NaN());
    return p;
  }});
}

}  // namespace

std::vector<FaultEntry> decoder_faults() {
  return {
      {"decoder-channels-permuted", "the decoder belongs to latents with another order of channels", kDecoder, {0.3, 0.6, 1}, "share of the channels", false, channels_permuted},
      {"decoder-latent-noise", "noise reaches the decoder with the latents", kDecoder, {0.2, 0.5, 1}, "latent units", false, latent_noise},
      {"decoder-latent-spot", "one place of the latents is extreme when they are decoded", kDecoder, {4, 10, 25}, "factor", false, latent_spot},
      {"decoder-channels-lost", "channels of the latents are zero when they are decoded", kDecoder, {1, 2, 3}, "channels", true, channel_lost},
      {"tile-seams", "the picture is decoded in tiles that differ in tone", kPixels, {0.1, 0.25, 0.5}, "of half the range", false, tile_seams},
      {"decoder-blur", "the decoder loses detail", kPixels, {3, 5, 9}, "pixels", false, blur},
      {"decoder-non-finite", "the lower half of the decoded picture is NaN",
       {.subsystem = "decoder", .also = {}, .trigger = "decoder", .causes = {"non-finite"}, .module = "vae.decoder"}, {1}, "on", false, non_finite},
  };
}

}  // namespace safelight
