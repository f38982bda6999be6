#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "common/measure/lanczos.h"
#include "common/measure/picture_difference.h"
#include "insight/comparison/parts.h"

namespace safelight {
namespace {

constexpr int kGrid = 8;

std::string size_text(const Image& image) { return fmt::format("{} x {}", image.width, image.height); }

// Both at the smaller one's size; false when their shapes are not alike.
bool brought_together(Image& a, Image& b) {
  if (a.channels != b.channels || a.width < 1 || a.height < 1 || b.width < 1 || b.height < 1) return false;
  if (a.width == b.width && a.height == b.height) return true;
  if (std::abs(static_cast<double>(a.width) * b.height / (static_cast<double>(b.width) * a.height) - 1) > 0.01) return false;
  if (a.width < b.width) b = lanczos_resized(b, a.width, a.height);
  else a = lanczos_resized(a, b.width, b.height);
  return true;
}

PictureDifference difference_of(const Image& a, const Image& b) {
  PictureDifference d{.width = a.width, .height = a.height, .mean = mean_difference(a, b), .psnr_db = psnr_db(a, b)};
  d.columns = std::min(kGrid, a.width);
  d.rows = std::min(kGrid, a.height);
  d.grid.assign(static_cast<std::size_t>(d.columns * d.rows), 0);
  std::vector<double> counts(d.grid.size(), 0);
  int left = a.width, top = a.height, right = -1, bottom = -1, changed = 0;
  for (int y = 0; y < a.height; ++y)
    for (int x = 0; x < a.width; ++x) {
      int largest = 0, sum = 0;
      const std::size_t at = (static_cast<std::size_t>(y) * static_cast<std::size_t>(a.width) + static_cast<std::size_t>(x)) * static_cast<std::size_t>(a.channels);
      for (int k = 0; k < a.channels; ++k) {
        const int by = std::abs(a.pixels[at + static_cast<std::size_t>(k)] - b.pixels[at + static_cast<std::size_t>(k)]);
        largest = std::max(largest, by);
        sum += by;
      }
      const auto part = static_cast<std::size_t>(y * static_cast<std::int64_t>(d.rows) / a.height * d.columns + x * static_cast<std::int64_t>(d.columns) / a.width);
      d.grid[part] += static_cast<double>(sum) / a.channels;
      ++counts[part];
      if (largest <= kVisibleChange) continue;
      ++changed;
      left = std::min(left, x), right = std::max(right, x), top = std::min(top, y), bottom = std::max(bottom, y);
    }
  for (std::size_t i = 0; i < d.grid.size(); ++i) d.grid[i] /= counts[i];
  d.changed = static_cast<double>(changed) / (static_cast<double>(a.width) * a.height);
  if (changed > 0) d.box = {left, top, right - left + 1, bottom - top + 1};
  return d;
}

}  // namespace

void compare_pictures(const TraceReader& first, const TraceReader& second, Comparison& out) {
  const auto names_a = first.image_names(), names_b = second.image_names();
  for (const auto& [names, which] : {std::pair{&names_a, "first"}, {&names_b, "second"}})
    if (names->empty()) out.missing.push_back(fmt::format("pictures: the {} run has none", which));
  const std::size_t both = std::min(names_a.size(), names_b.size());
  if (names_a.size() != names_b.size() && both > 0)
    out.missing.push_back(fmt::format("pictures: the runs have {} and {}; the first {} are compared", names_a.size(), names_b.size(), both));
  out.same_bytes = both > 0 && names_a.size() == names_b.size();
  for (std::size_t i = 0; i < both; ++i) {
    const Json &a_note = first.run()["images"][i], &b_note = second.run()["images"][i];
    out.same_bytes = out.same_bytes && a_note.contains("sha256") && a_note.value("sha256", "") == b_note.value("sha256", "");
    auto a = first.image(static_cast<int>(i)), b = second.image(static_cast<int>(i));
    if (!a || !b) {
      out.missing.push_back(fmt::format("picture {}: its file is missing in the {} run", i, a ? "second" : "first"));
      continue;
    }
    const std::string sizes = fmt::format("{} and {}", size_text(*a), size_text(*b));
    const bool resized = a->width != b->width || a->height != b->height;
    if (!brought_together(*a, *b)) {
      out.missing.push_back(fmt::format("picture {}: {} pixels are not alike in shape", i, sizes));
      continue;
    }
    if (resized) out.missing.push_back(fmt::format("picture {}: of {} pixels, the larger was brought to the size of the smaller, which blurs it", i, sizes));
    out.pictures.push_back(difference_of(*a, *b));
    out.pictures.back().index = static_cast<int>(i);
    out.pictures.back().resized = resized;
  }
}

}  // namespace safelight
