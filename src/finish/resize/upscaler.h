// Ways to enlarge a picture: one file and one row of a table each. Large pictures go through in tiles.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/api/image.h"

namespace safelight {

// What is opened.
struct UpscaleRequest {
  std::optional<int> factor = {};   // of both sides, 2..16; absent: what the way makes by itself
  std::string model = {};           // directory or name of a model, for the ways that have one; empty otherwise
  std::optional<int> steps = {};    // ways that draw: of denoising; absent: as the model recommends
  std::optional<int> noise_level = {};  // ways that draw: noise on the small picture, in training steps; absent: a little
};

// How one picture is enlarged.
struct UpscaleOptions {
  static constexpr int kUsual = -1;
  int side_px = kUsual;             // of a tile, in the small picture and without its overlap; 0: the picture in one piece; kUsual: what suits the upscaler
  int overlap_px = kUsual;          // what a tile sees of its neighbours at most; kUsual: as far as the upscaler needs, less is faster and may show
  std::string prompt = {};          // what is to be seen; only ways that draw read it
  std::uint64_t seed = 0;           // of what such a way adds
  std::function<void(int done, int all)> progress = {};
  std::function<bool()> cancelled = {};
};

class Upscaler {
 public:
  virtual ~Upscaler() = default;
  virtual int factor() const = 0;   // of both sides
  // factor() times as wide and high, gray or RGB as it was. The same input gives the same bytes. Called by upscaled(), which has looked at the arguments.
  virtual Image enlarged(const Image& image, const UpscaleOptions& options) const = 0;
};

// A way in which every pixel depends on its surroundings alone, so that a picture may be cut: each tile is computed with reach_px() more on every side,
// of which nothing is kept.
class PieceUpscaler : public Upscaler {
 public:
  Image enlarged(const Image& image, const UpscaleOptions& options) const final;

 protected:
  virtual Image piece_enlarged(const Image& piece) const = 0;
  // How far a pixel reaches, in pixels of the small picture: a pixel of the result that lies further from where a piece was cut off is, to rounding, as
  // it would be had the piece not been cut.
  virtual int reach_px() const = 0;
  virtual int grid_px() const { return 1; }    // pieces begin at multiples of it: the side of windows, for ways that have them
  virtual int tile_px() const { return 512; }  // the usual side of a tile
};

struct UpscalerEntry {
  std::string name;                 // of the method
  std::string summary;
  bool needs_model = false;
  // Whether the model's files are of this kind, from a look at their descriptions. Empty for ways without a model.
  std::function<bool(const std::string& model)> knows = {};
  std::string files = {};           // what such a model looks like, for errors
  // Throws Error(invalid_argument) for a factor that it cannot make, Error(not_found, corrupt_file, unsupported, conflict) for the model's files.
  std::function<std::unique_ptr<Upscaler>(const UpscaleRequest&)> make;
};

// Those that need no model. Which others there are is known to who may link them.
std::vector<UpscalerEntry> upscalers();

// `method` empty: the one that knows the model's files, or without a model the first that needs none. Throws Error(invalid_argument) with the names
// there are, for a model given or left out against needs_model, and for a factor that is not made; Error(unsupported) for a model that is no upscaler;
// and as `make` does.
std::unique_ptr<Upscaler> open_upscaler(const std::vector<UpscalerEntry>& table, const std::string& method, const UpscaleRequest& request);
// The row that open_upscaler() takes.
const UpscalerEntry& upscaler_entry(const std::vector<UpscalerEntry>& table, const std::string& method, const UpscaleRequest& request);

// The picture enlarged. Throws Error(invalid_argument) for an empty picture, a side_px of 1 to 15 or a negative overlap, Error(unsupported) for more than
// 2^28 result pixels, Error(cancelled), and what the upscaler throws.
Image upscaled(const Upscaler& upscaler, const Image& image, const UpscaleOptions& options = {});

}  // namespace safelight
