#include "common/measure/image_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace safelight {
namespace {

double percentile(std::vector<double>& v, double p) {
  if (v.empty()) return 0;
  const auto k = static_cast<std::size_t>(p * static_cast<double>(v.size() - 1));
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(k), v.end());
  return v[k];
}

std::vector<double> luma_of(const Image& image) {
  const std::size_t n = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  std::vector<double> luma(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t* p = image.pixels.data() + i * static_cast<std::size_t>(image.channels);
    luma[i] = image.channels == 1 ? p[0] : 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
  }
  return luma;
}

void colours(const Image& image, ImageStatistics& s) {
  const std::size_t n = image.pixels.size() / static_cast<std::size_t>(image.channels);
  std::vector<double> chroma;
  std::vector<int> cells(4096, 0);
  double low = 0, high = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t* p = image.pixels.data() + i * static_cast<std::size_t>(image.channels);
    const int r = p[0], g = image.channels == 1 ? p[0] : p[1], b = image.channels == 1 ? p[0] : p[2];
    low += (r == 0) + (g == 0) + (b == 0);
    high += (r == 255) + (g == 255) + (b == 255);
    chroma.push_back(std::max({r, g, b}) - std::min({r, g, b}));
    s.mean_chroma += chroma.back();
    s.cast_red += r - g;
    s.cast_blue += b - g;
    ++cells[static_cast<std::size_t>((r >> 4) << 8 | (g >> 4) << 4 | b >> 4)];
  }
  const auto count = static_cast<double>(std::max<std::size_t>(n, 1));
  s.clip_low = low / (3 * count);
  s.clip_high = high / (3 * count);
  s.mean_chroma /= count;
  s.cast_red /= count;
  s.cast_blue /= count;
  s.max_chroma = percentile(chroma, 0.99);
  s.distinct_colours = static_cast<double>(std::count_if(cells.begin(), cells.end(), [&](int c) { return c > 0.005 * count; }));
}

// Where colours run into each other instead of meeting at an edge.
void smear(const Image& image, ImageStatistics& s) {
  double shaded = 0, edges = 0, all = 0;
  for (int y = 0; y + 1 < image.height; ++y)
    for (int x = 0; x + 1 < image.width; ++x, ++all) {
      int change = 0;
      for (int k = 0; k < image.channels; ++k) {
        const auto at = [&](int a, int b) { return int{image.pixels[static_cast<std::size_t>((b * image.width + a) * image.channels + k)]}; };
        change = std::max({change, std::abs(at(x + 1, y) - at(x, y)), std::abs(at(x, y + 1) - at(x, y))});
      }
      shaded += change >= 3 && change <= 16;
      edges += change > 16;
    }
  s.shading = shaded / std::max(all, 1.0);
  s.soft_edges = shaded / (edges + 0.02 * all + 1);
}

// Noise where the picture is flat: on texture the same estimator reads texture.
double flat_noise(const std::vector<double>& luma, int width, int height) {
  struct Tile {
    double spread;
    std::vector<double> hh;
  };
  std::vector<Tile> tiles;
  for (int y = 0; y + 4 <= height; y += 4)
    for (int x = 0; x + 4 <= width; x += 4) {
      Tile tile{0, {}};
      double low = 1e9, high = -1e9;
      for (int dy = 0; dy < 4; dy += 2)
        for (int dx = 0; dx < 4; dx += 2) {
          const auto at = [&](int a, int b) { return luma[static_cast<std::size_t>((y + dy + b) * width + x + dx + a)]; };
          tile.hh.push_back(0.5 * std::abs(at(0, 0) - at(1, 0) - at(0, 1) + at(1, 1)));
          const double mean = 0.25 * (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1));
          low = std::min(low, mean);
          high = std::max(high, mean);
        }
      tile.spread = high - low;
      tiles.push_back(std::move(tile));
    }
  std::sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) { return a.spread < b.spread; });
  tiles.resize(std::min(tiles.size(), std::max<std::size_t>(tiles.size() / 10, 8)));
  std::vector<double> hh;
  for (const Tile& t : tiles) hh.insert(hh.end(), t.hh.begin(), t.hh.end());
  return percentile(hh, 0.5) / 0.6745;
}

double banding_of(const std::vector<double>& luma, int width, int height) {
  std::size_t banded = 0;
  for (int y = 0; y < height; ++y) {
    int start = 0;
    for (int x = 1; x <= width; ++x) {
      const auto level = [&](int c) { return std::lround(luma[static_cast<std::size_t>(y * width + c)]); };
      if (x < width && level(x) == level(start)) continue;
      if (x < width && x - start >= 8 && std::labs(level(x) - level(start)) == 1) banded += static_cast<std::size_t>(x - start);
      start = x;
    }
  }
  return static_cast<double>(banded) / static_cast<double>(std::max<std::size_t>(luma.size(), 1));
}

double blockiness_of(const std::vector<double>& luma, int width, int height) {
  double on = 0, beside = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 8; x + 4 < width; x += 8) {
      const auto step = [&](int c) {
        return std::abs(luma[static_cast<std::size_t>(y * width + c)] - luma[static_cast<std::size_t>(y * width + c - 1)]);
      };
      if (std::max({step(x), step(x - 3), step(x + 3)}) > 12) continue;  // an edge of the picture's own
      on += step(x);
      beside += 0.5 * (step(x - 3) + step(x + 3));
    }
  return (on + 1) / (beside + 1);
}

}  // namespace

ImageStatistics image_statistics(const Image& image) {
  ImageStatistics s;
  if (image.pixels.empty()) return s;
  const std::vector<double> luma = luma_of(image);
  const auto n = static_cast<double>(luma.size());
  double square = 0;
  for (const double v : luma) s.mean_luma += v / n, square += v * v / n;
  s.std_luma = std::sqrt(std::max(0.0, square - s.mean_luma * s.mean_luma));
  colours(image, s);
  smear(image, s);
  std::vector<double> gradient;
  for (int y = 0; y + 1 < image.height; ++y)
    for (int x = 0; x + 1 < image.width; ++x) {
      const auto at = [&](int a, int b) { return luma[static_cast<std::size_t>(b * image.width + a)]; };
      gradient.push_back(std::hypot(at(x + 1, y) - at(x, y), at(x, y + 1) - at(x, y)));
    }
  s.sharpness = percentile(gradient, 0.97);
  s.texture = percentile(gradient, 0.5);
  s.noise = flat_noise(luma, image.width, image.height);
  s.banding = banding_of(luma, image.width, image.height);
  s.blockiness = blockiness_of(luma, image.width, image.height);
  return s;
}

std::vector<std::pair<std::string, double>> listed(const ImageStatistics& s) {
  return {{"mean_luma", s.mean_luma},   {"std_luma", s.std_luma},     {"clip_low", s.clip_low},     {"clip_high", s.clip_high},
          {"mean_chroma", s.mean_chroma}, {"max_chroma", s.max_chroma}, {"cast_red", s.cast_red},   {"cast_blue", s.cast_blue},
          {"noise", s.noise},           {"sharpness", s.sharpness},   {"texture", s.texture}, {"shading", s.shading}, {"soft_edges", s.soft_edges},       {"banding", s.banding},
          {"blockiness", s.blockiness}, {"distinct_colours", s.distinct_colours}};
}

LatentStatistics latent_statistics(std::span<const float> v, std::size_t channels, std::size_t height, std::size_t width) {
  LatentStatistics s;
  const std::size_t area = height * width;
  if (v.size() != channels * area || v.empty()) return s;
  double energy = 0, differences = 0, total = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto p = v.subspan(c * area, area);
    double mean = 0, square = 0;
    for (const float x : p) {
      mean += x;
      square += static_cast<double>(x) * x;
      s.max_abs = std::max(s.max_abs, std::abs(static_cast<double>(x)));
    }
    mean /= static_cast<double>(area);
    const double variance = std::max(0.0, square / static_cast<double>(area) - mean * mean);
    s.mean.push_back(mean);
    s.std.push_back(std::sqrt(variance));
    energy += variance * static_cast<double>(area);
    total += square;
    double across = 0, down = 0, fourth = 0;
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x) {
        const double v = p[y * width + x], centred = (v - mean) * (v - mean);
        fourth += centred * centred;
        if (x + 1 < width) across += (p[y * width + x + 1] - v) * (p[y * width + x + 1] - v);
        if (y + 1 < height) down += (p[(y + 1) * width + x] - v) * (p[(y + 1) * width + x] - v);
      }
    differences += across;
    const auto pairs = static_cast<double>(std::max<std::size_t>(1, height * (width - 1) + (height - 1) * width));
    s.roughness.push_back((across + down) / pairs / (2 * variance + 1e-6));
    s.kurtosis.push_back(fourth / static_cast<double>(area) / (variance * variance + 1e-6));
  }
  s.rms = std::sqrt(total / static_cast<double>(v.size()));
  s.high_frequency = energy > 0 ? differences / (2 * energy) : 0;
  return s;
}

}  // namespace safelight
