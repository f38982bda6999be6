// Networks that see a whole picture at once (normalisation over all of it, global attention) made to work on large ones in tiles that overlap. Between
// neighbours their results are cross-faded, so that there is no step, though no pixel is exactly as in one piece.
#pragma once

#include <functional>
#include <memory>

#include "engine/pipelines/components.h"

namespace safelight::app {

struct Tiling {
  int64_t side = 0;                         // of a tile without its overlap, in cells of the tensor that is cut; 0: never cut
  int64_t overlap = 0;                      // cells that a tile sees of its neighbours, and over which it fades
  int64_t grid = 1;                         // tiles begin at multiples of it
  std::function<void()> done = {};          // after every tile; may throw Error(cancelled)
};

// How many tiles a map of that size is cut into.
int64_t tiles_of(int64_t height, int64_t width, const Tiling& tiling);

// Every estimate is made tile by tile over one latent and one noise, as in MultiDiffusion (Bar-Tal et al., arXiv:2302.08113). `tiling` in cells of the latent.
std::shared_ptr<const Denoiser> tiled(std::shared_ptr<const Denoiser> inner, const Tiling& tiling);
// `tiling` in cells of the latent, for both directions.
std::shared_ptr<const Autoencoder> tiled(std::shared_ptr<const Autoencoder> inner, const Tiling& tiling);

}  // namespace safelight::app
