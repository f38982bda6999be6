// Ways to enlarge a picture: one file and one row of a table each. Large pictures go through in tiles.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/api/image.h"

namespace safelight {

struct UpscaleRequest {
  int factor = 2;               // of both sides, 2..16
  std::filesystem::path model;  // files of a model, for the ways that have one; empty otherwise
};

class Upscaler {
 public:
  virtual ~Upscaler() = default;
  // `factor` times as wide and high. The same input gives the same bytes.
  virtual Image enlarged(const Image& piece) const = 0;
  // How far a pixel reaches, in pixels of the small picture: a pixel of the result that lies further from where a piece was cut off is, to rounding, as
  // it would be had the piece not been cut.
  virtual int reach_px() const = 0;
};

struct UpscalerEntry {
  const char* name;      // of the method
  const char* summary;
  bool needs_model;
  // Throws Error(invalid_argument) for a factor that it cannot make, Error(not_found, corrupt_file) for the model's files.
  std::unique_ptr<Upscaler> (*make)(const UpscaleRequest&);
};

// Those that need no model. Which others there are is known to who may link them.
std::vector<UpscalerEntry> upscalers();

// Throws Error(invalid_argument) with the names there are; for a model given or left out against needs_model; and as `make` does.
std::unique_ptr<Upscaler> open_upscaler(const std::vector<UpscalerEntry>& table, const std::string& method, const UpscaleRequest& request);

struct TileOptions {
  int side_px = 512;                            // of a tile, in the small picture and without its overlap; 0: the picture in one piece
  std::function<void(int done, int all)> progress = {};
  std::function<bool()> cancelled = {};
};

// The picture enlarged tile by tile. Each tile is computed with reach_px more on every side, of which nothing is kept. Throws
// Error(invalid_argument) for an empty picture or a side_px that is neither 0 nor 16 at least, Error(unsupported) for more than 2^28 result pixels,
// Error(cancelled).
Image upscaled(const Upscaler& upscaler, int factor, const Image& image, const TileOptions& tiles = {});

}  // namespace safelight
