#include "common/measure/part_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr double kLeastShare = 0.004;
constexpr double kAlikeColour = 48;   // levels in the channel that differs most

struct Area {
  int pixels = 0, border = 0;
  int left = 1 << 30, right = -1, top = 1 << 30, bottom = -1;
  double sum_x = 0, sum_y = 0;
  std::array<double, 3> colour = {};   // sums, then means
};

class Pixels {
 public:
  explicit Pixels(const Image& image) : image_(image) {}
  int at(int i, int channel) const { return image_.pixels[static_cast<std::size_t>(i * image_.channels + std::min(channel, image_.channels - 1))]; }
  bool alike(int i, int j) const {
    for (int k = 0; k < image_.channels; ++k)
      if (std::abs(at(i, k) - at(j, k)) > kSameArea) return false;
    return true;
  }

 private:
  const Image& image_;
};

// Fills the area that holds pixel `start`.
Area filled(const Image& image, int start, std::vector<char>& taken) {
  const Pixels p(image);
  const int width = image.width, height = image.height;
  Area area;
  std::vector<int> open = {start};
  taken[static_cast<std::size_t>(start)] = 1;
  while (!open.empty()) {
    const int i = open.back(), x = i % width, y = i / width;
    open.pop_back();
    ++area.pixels;
    area.border += x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    area.left = std::min(area.left, x), area.right = std::max(area.right, x);
    area.top = std::min(area.top, y), area.bottom = std::max(area.bottom, y);
    area.sum_x += x, area.sum_y += y;
    for (int k = 0; k < 3; ++k) area.colour[static_cast<std::size_t>(k)] += p.at(i, k);
    const int next[4] = {x > 0 ? i - 1 : -1, x + 1 < width ? i + 1 : -1, y > 0 ? i - width : -1, y + 1 < height ? i + width : -1};
    for (const int n : next) {
      if (n < 0 || taken[static_cast<std::size_t>(n)] || !p.alike(i, n)) continue;
      taken[static_cast<std::size_t>(n)] = 1;
      open.push_back(n);
    }
  }
  for (double& c : area.colour) c /= area.pixels;
  return area;
}

// Without the background.
std::vector<Area> parts_of(const Image& image) {
  const int n = image.width * image.height;
  std::vector<char> taken(static_cast<std::size_t>(n), 0);
  std::vector<Area> areas;
  for (int i = 0; i < n; ++i)
    if (!taken[static_cast<std::size_t>(i)]) areas.push_back(filled(image, i, taken));
  if (areas.empty()) return areas;
  areas.erase(std::max_element(areas.begin(), areas.end(), [](const Area& a, const Area& b) { return a.border < b.border; }));
  const double least = std::max(6.0, kLeastShare * n);
  std::erase_if(areas, [&](const Area& a) { return a.pixels < least; });
  return areas;
}

int most_alike(const std::vector<Area>& parts) {
  int most = 0;
  for (const Area& a : parts)
    most = std::max(most, static_cast<int>(std::count_if(parts.begin(), parts.end(), [&](const Area& b) {
      double apart = 0;
      for (std::size_t k = 0; k < 3; ++k) apart = std::max(apart, std::abs(a.colour[k] - b.colour[k]));
      return apart < kAlikeColour;
    })));
  return most;
}

// Letters stand on a line, which may be slanted: least squares through the lower ends.
double misalignment_of(const std::vector<Area>& parts, int height) {
  std::vector<std::pair<double, double>> ends;
  std::vector<double> heights;
  for (const Area& a : parts) {
    const double h = a.bottom - a.top + 1;
    if (h < 0.04 * height || h > 0.6 * height) continue;
    ends.emplace_back(0.5 * (a.left + a.right), a.bottom);
    heights.push_back(h);
  }
  if (ends.size() < 3) return 0;
  const auto n = static_cast<double>(ends.size());
  double mx = 0, my = 0, xx = 1e-9, xy = 0, rest = 0;
  for (const auto& [x, y] : ends) mx += x / n, my += y / n;
  for (const auto& [x, y] : ends) xx += (x - mx) * (x - mx), xy += (x - mx) * (y - my);
  for (const auto& [x, y] : ends) {
    const double d = y - my - xy / xx * (x - mx);
    rest += d * d / n;
  }
  std::nth_element(heights.begin(), heights.begin() + static_cast<std::ptrdiff_t>(heights.size() / 2), heights.end());
  return std::sqrt(rest) / heights[heights.size() / 2];
}

// Over `lines` lines (columns, or rows) of `length` pixels; `index` of (line, place).
template <class Index>
double strongest_seam(const Pixels& p, int lines, int length, Index index) {
  std::vector<double> steps(static_cast<std::size_t>(std::max(lines, 1)), 0.0), along(static_cast<std::size_t>(length));
  for (int line = 1; line < lines; ++line) {
    for (int place = 0; place < length; ++place) {
      int change = 0;
      for (int k = 0; k < 3; ++k) change = std::max(change, std::abs(p.at(index(line, place), k) - p.at(index(line - 1, place), k)));
      along[static_cast<std::size_t>(place)] = change;
    }
    const auto middle = along.begin() + length / 2;
    std::nth_element(along.begin(), middle, along.end());
    steps[static_cast<std::size_t>(line)] = *middle;
  }
  double strongest = 0;
  for (int line = 2; line + 1 < lines; ++line) {
    const auto at = static_cast<std::size_t>(line);
    strongest = std::max(strongest, steps[at] - 0.5 * (steps[at - 1] + steps[at + 1]));
  }
  return strongest;
}

}  // namespace

Image cropped(const Image& image, const PixelRegion& r) {
  if (r.width == 0 || r.height == 0) return image;
  if (r.x < 0 || r.y < 0 || r.width < 0 || r.height < 0 || r.width > image.width - r.x || r.height > image.height - r.y)
    throw Error(ErrorCode::invalid_argument, "the region " + std::to_string(r.x) + "," + std::to_string(r.y) + "," + std::to_string(r.width) + "," + std::to_string(r.height) +
                                                 " is not inside the picture of " + std::to_string(image.width) + " x " + std::to_string(image.height) + " pixels");
  Image out{.width = r.width, .height = r.height, .channels = image.channels, .pixels = {}};
  for (int y = 0; y < r.height; ++y) {
    const auto row = image.pixels.begin() + static_cast<std::ptrdiff_t>(((r.y + y) * image.width + r.x) * image.channels);
    out.pixels.insert(out.pixels.end(), row, row + r.width * image.channels);
  }
  return out;
}

PartStatistics part_statistics(const Image& image) {
  PartStatistics s;
  if (image.pixels.empty()) return s;
  const std::vector<Area> parts = parts_of(image);
  double pixels = 0, x = 0, y = 0, largest = 0;
  for (const Area& a : parts) pixels += a.pixels, x += a.sum_x, y += a.sum_y, largest = std::max(largest, static_cast<double>(a.pixels));
  s.parts = static_cast<double>(parts.size());
  s.alike = most_alike(parts);
  s.part_share = pixels / (static_cast<double>(image.width) * image.height);
  if (pixels > 0) {
    s.largest_share = largest / pixels;
    s.centre_x = (x / pixels + 0.5) / image.width;
    s.centre_y = (y / pixels + 0.5) / image.height;
  }
  s.misalignment = misalignment_of(parts, image.height);
  const Pixels p(image);
  const int width = image.width;
  s.seam = std::max(strongest_seam(p, image.width, image.height, [width](int line, int place) { return place * width + line; }),
                    strongest_seam(p, image.height, image.width, [width](int line, int place) { return line * width + place; }));
  return s;
}

std::vector<std::pair<std::string, double>> listed(const PartStatistics& s) {
  return {{"parts", s.parts},       {"alike", s.alike},       {"part_share", s.part_share},     {"largest_share", s.largest_share},
          {"centre_x", s.centre_x}, {"centre_y", s.centre_y}, {"misalignment", s.misalignment}, {"seam", s.seam}};
}

}  // namespace safelight
