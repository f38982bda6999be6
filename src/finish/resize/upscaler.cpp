#include "finish/resize/upscaler.h"

#include <algorithm>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr int kSmallestTile_px = 16, kMostFactor = 16;
constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 28;

std::string names_of(const std::vector<UpscalerEntry>& table) {
  std::string out;
  for (const UpscalerEntry& e : table) out += (out.empty() ? "" : ", ") + std::string(e.name);
  return out;
}

// Columns x0.. of rows y0.., which lie within the picture.
Image part(const Image& image, int x0, int y0, int width, int height) {
  Image out{width, height, image.channels, {}};
  const auto row_bytes = static_cast<std::ptrdiff_t>(width) * image.channels;
  for (int y = y0; y < y0 + height; ++y) {
    const auto row = image.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * image.width + x0) * image.channels;
    out.pixels.insert(out.pixels.end(), row, row + row_bytes);
  }
  return out;
}

Image made(const Upscaler& upscaler, int factor, const Image& piece) {
  Image out = upscaler.enlarged(piece);
  if (out.width != piece.width * factor || out.height != piece.height * factor || out.channels != piece.channels)
    throw Error(ErrorCode::internal, "the upscaler made " + std::to_string(out.width) + "x" + std::to_string(out.height) + " pixels of " + std::to_string(piece.width) + "x" + std::to_string(piece.height));
  return out;
}

void check_arguments(int factor, const Image& image, const TileOptions& tiles) {
  if (image.width < 1 || image.height < 1 || (image.channels != 1 && image.channels != 3) || image.pixels.size() != static_cast<std::size_t>(image.width) * image.height * image.channels)
    throw Error(ErrorCode::invalid_argument, "the picture to enlarge is empty or its size does not match its pixels");
  if (tiles.side_px != 0 && tiles.side_px < kSmallestTile_px) throw Error(ErrorCode::invalid_argument, "a tile must have " + std::to_string(kSmallestTile_px) + " pixels a side at least, or 0 for one piece, not " + std::to_string(tiles.side_px));
  if (static_cast<std::uint64_t>(image.width) * image.height * factor * factor > kMostPixels) throw Error(ErrorCode::unsupported, "the enlarged picture would have more than 2^28 pixels; use a smaller factor");
}

}  // namespace

std::unique_ptr<Upscaler> open_upscaler(const std::vector<UpscalerEntry>& table, const std::string& method, const UpscaleRequest& request) {
  const auto entry = std::find_if(table.begin(), table.end(), [&](const UpscalerEntry& e) { return method == e.name; });
  if (entry == table.end()) throw Error(ErrorCode::invalid_argument, "unknown method '" + method + "'; known: " + names_of(table));
  if (request.factor < 2 || request.factor > kMostFactor) throw Error(ErrorCode::invalid_argument, "the factor must be 2 to " + std::to_string(kMostFactor) + ", not " + std::to_string(request.factor));
  if (entry->needs_model && request.model.empty()) throw Error(ErrorCode::invalid_argument, "the method '" + method + "' needs the files of a model; name them with --model");
  if (!entry->needs_model && !request.model.empty()) throw Error(ErrorCode::invalid_argument, "the method '" + method + "' has no model; leave --model out");
  return entry->make(request);
}

Image upscaled(const Upscaler& upscaler, int factor, const Image& image, const TileOptions& tiles) {
  check_arguments(factor, image, tiles);
  const int side = tiles.side_px == 0 ? std::max(image.width, image.height) : tiles.side_px, reach = upscaler.reach_px();
  const int columns = (image.width + side - 1) / side, rows = (image.height + side - 1) / side;
  Image out{image.width * factor, image.height * factor, image.channels, {}};
  out.pixels.resize(static_cast<std::size_t>(out.width) * out.height * out.channels);
  for (int i = 0; i < rows * columns; ++i) {
    if (tiles.cancelled && tiles.cancelled()) throw Error(ErrorCode::cancelled, "stopped after " + std::to_string(i) + " of " + std::to_string(rows * columns) + " tiles");
    const int x0 = i % columns * side, y0 = i / columns * side, x1 = std::min(x0 + side, image.width), y1 = std::min(y0 + side, image.height);
    const int left = std::max(0, x0 - reach), top = std::max(0, y0 - reach), right = std::min(image.width, x1 + reach), bottom = std::min(image.height, y1 + reach);
    const Image large = made(upscaler, factor, part(image, left, top, right - left, bottom - top));
    const auto bytes = static_cast<std::ptrdiff_t>(x1 - x0) * factor * image.channels;
    for (int y = y0 * factor; y < y1 * factor; ++y) {
      const auto from = large.pixels.begin() + (static_cast<std::ptrdiff_t>(y - top * factor) * large.width + static_cast<std::ptrdiff_t>(x0 - left) * factor) * image.channels;
      std::copy(from, from + bytes, out.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * out.width + static_cast<std::ptrdiff_t>(x0) * factor) * image.channels);
    }
    if (tiles.progress) tiles.progress(i + 1, rows * columns);
  }
  return out;
}

}  // namespace safelight
