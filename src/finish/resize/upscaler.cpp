#include "finish/resize/upscaler.h"

#include <algorithm>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr int kSmallestTile_px = 16, kMostFactor = 16;
constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 28;

std::string names_of(const std::vector<UpscalerEntry>& table) {
  std::string out;
  for (const UpscalerEntry& e : table) out += (out.empty() ? "" : ", ") + e.name;
  return out;
}

int whole(int px, int grid) { return (px + grid - 1) / grid * grid; }

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

void require_size(const Image& made, const Image& of, int factor) {
  if (made.width == of.width * factor && made.height == of.height * factor && made.channels == of.channels) return;
  throw Error(ErrorCode::internal, "the upscaler made " + std::to_string(made.width) + "x" + std::to_string(made.height) + " pixels of " + std::to_string(of.width) + "x" + std::to_string(of.height));
}

void check_arguments(int factor, const Image& image, const UpscaleOptions& o) {
  if (image.width < 1 || image.height < 1 || (image.channels != 1 && image.channels != 3) || image.pixels.size() != static_cast<std::size_t>(image.width) * image.height * image.channels)
    throw Error(ErrorCode::invalid_argument, "the picture to enlarge is empty or its size does not match its pixels");
  if (o.side_px != 0 && o.side_px != UpscaleOptions::kUsual && o.side_px < kSmallestTile_px)
    throw Error(ErrorCode::invalid_argument, "a tile must have " + std::to_string(kSmallestTile_px) + " pixels a side at least, or 0 for one piece, not " + std::to_string(o.side_px));
  if (o.overlap_px < UpscaleOptions::kUsual) throw Error(ErrorCode::invalid_argument, "the overlap of tiles must be 0 pixels or more, not " + std::to_string(o.overlap_px));
  if (static_cast<std::uint64_t>(image.width) * image.height * factor * factor > kMostPixels) throw Error(ErrorCode::unsupported, "the enlarged picture would have more than 2^28 pixels; use a smaller factor");
}

// The row whose kind the model's files are of.
const UpscalerEntry& that_knows(const std::vector<UpscalerEntry>& table, const std::string& model) {
  std::string looked_for;
  for (const UpscalerEntry& e : table) {
    if (!e.needs_model) continue;
    if (e.knows(model)) return e;
    looked_for += (looked_for.empty() ? "" : "; ") + e.name + ": " + e.files;
  }
  if (looked_for.empty()) throw Error(ErrorCode::invalid_argument, "no upscaler here has a model; leave --model out");
  throw Error(ErrorCode::unsupported, "'" + model + "' is no upscaler that is known (" + looked_for + ")");
}

}  // namespace

const UpscalerEntry& upscaler_entry(const std::vector<UpscalerEntry>& table, const std::string& method, const UpscaleRequest& request) {
  if (method.empty() && !request.model.empty()) return that_knows(table, request.model);
  const auto entry = std::find_if(table.begin(), table.end(), [&](const UpscalerEntry& e) { return method.empty() ? !e.needs_model : method == e.name; });
  if (entry == table.end()) throw Error(ErrorCode::invalid_argument, "unknown method '" + method + "'; known: " + names_of(table));
  if (entry->needs_model && request.model.empty()) throw Error(ErrorCode::invalid_argument, "the method '" + method + "' needs the files of a model; name them with --model");
  if (!entry->needs_model && !request.model.empty()) throw Error(ErrorCode::invalid_argument, "the method '" + method + "' has no model; leave --model out");
  return *entry;
}

std::unique_ptr<Upscaler> open_upscaler(const std::vector<UpscalerEntry>& table, const std::string& method, const UpscaleRequest& request) {
  const UpscalerEntry& entry = upscaler_entry(table, method, request);
  if (request.factor && (*request.factor < 2 || *request.factor > kMostFactor)) throw Error(ErrorCode::invalid_argument, "the factor must be 2 to " + std::to_string(kMostFactor) + ", not " + std::to_string(*request.factor));
  std::unique_ptr<Upscaler> upscaler = entry.make(request);
  if (request.factor && upscaler->factor() != *request.factor)
    throw Error(ErrorCode::invalid_argument, "'" + request.model + "' enlarges by " + std::to_string(upscaler->factor()) + ", not by " + std::to_string(*request.factor));
  return upscaler;
}

Image PieceUpscaler::enlarged(const Image& image, const UpscaleOptions& o) const {
  const int times = factor(), grid = grid_px(), wanted = o.side_px == UpscaleOptions::kUsual ? tile_px() : o.side_px;
  const int side = wanted == 0 ? std::max(image.width, image.height) : whole(wanted, grid);
  const int reach = whole(o.overlap_px == UpscaleOptions::kUsual ? reach_px() : std::min(reach_px(), o.overlap_px), grid);
  const int columns = (image.width + side - 1) / side, rows = (image.height + side - 1) / side;
  Image out{image.width * times, image.height * times, image.channels, {}};
  out.pixels.resize(static_cast<std::size_t>(out.width) * out.height * out.channels);
  for (int i = 0; i < rows * columns; ++i) {
    if (o.cancelled && o.cancelled()) throw Error(ErrorCode::cancelled, "stopped after " + std::to_string(i) + " of " + std::to_string(rows * columns) + " tiles");
    const int x0 = i % columns * side, y0 = i / columns * side, x1 = std::min(x0 + side, image.width), y1 = std::min(y0 + side, image.height);
    const int left = std::max(0, x0 - reach), top = std::max(0, y0 - reach), right = std::min(image.width, x1 + reach), bottom = std::min(image.height, y1 + reach);
    const Image piece = part(image, left, top, right - left, bottom - top), large = piece_enlarged(piece);
    require_size(large, piece, times);
    const auto bytes = static_cast<std::ptrdiff_t>(x1 - x0) * times * image.channels;
    for (int y = y0 * times; y < y1 * times; ++y) {
      const auto from = large.pixels.begin() + (static_cast<std::ptrdiff_t>(y - top * times) * large.width + static_cast<std::ptrdiff_t>(x0 - left) * times) * image.channels;
      std::copy(from, from + bytes, out.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * out.width + static_cast<std::ptrdiff_t>(x0) * times) * image.channels);
    }
    if (o.progress) o.progress(i + 1, rows * columns);
  }
  return out;
}

Image upscaled(const Upscaler& upscaler, const Image& image, const UpscaleOptions& options) {
  check_arguments(upscaler.factor(), image, options);
  Image out = upscaler.enlarged(image, options);
  require_size(out, image, upscaler.factor());
  return out;
}

}  // namespace safelight
