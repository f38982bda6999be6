#include "finish/typography/raster.h"

#include "common/measure/part_statistics.h"

#include <cmath>

namespace safelight {
namespace {

std::vector<float> gaussian(double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(3 * sigma)));
  std::vector<float> kernel(2 * radius + 1);
  double sum = 0;
  for (int i = -radius; i <= radius; ++i) sum += kernel[i + radius] = static_cast<float>(std::exp(-i * i / (2 * sigma * sigma)));
  for (float& k : kernel) k = static_cast<float>(k / sum);
  return kernel;
}

}  // namespace

Box intersection(const Box& a, const Box& b) {
  const int x = std::max(a.x, b.x), y = std::max(a.y, b.y);
  return {x, y, std::min(a.right(), b.right()) - x, std::min(a.bottom(), b.bottom()) - y};
}

Box grown(const Box& box, int margin, int width, int height) {
  return intersection({box.x - margin, box.y - margin, box.width + 2 * margin, box.height + 2 * margin}, {0, 0, width, height});
}

std::array<float, 3> colour_at(const Image& image, int x, int y) {
  const std::uint8_t* p = &image.pixels[(static_cast<std::size_t>(y) * image.width + x) * image.channels];
  if (image.channels == 1) return {float(p[0]), float(p[0]), float(p[0])};
  return {float(p[0]), float(p[1]), float(p[2])};
}

Image cropped(const Image& image, const Box& box) { return cropped(image, PixelRegion{box.x, box.y, box.width, box.height}); }

float sampled(const Raster& r, double x, double y, float outside) {
  x -= 0.5, y -= 0.5;
  const int ix = static_cast<int>(std::floor(x)), iy = static_cast<int>(std::floor(y));
  const float fx = static_cast<float>(x - ix), fy = static_cast<float>(y - iy);
  const auto value = [&](int i, int j) { return i >= 0 && j >= 0 && i < r.width && j < r.height ? r.at(i, j) : outside; };
  return (value(ix, iy) * (1 - fx) + value(ix + 1, iy) * fx) * (1 - fy) + (value(ix, iy + 1) * (1 - fx) + value(ix + 1, iy + 1) * fx) * fy;
}

Raster blurred(const Raster& r, double sigma) {
  if (sigma <= 0) return r;
  const std::vector<float> kernel = gaussian(sigma);
  const int radius = static_cast<int>(kernel.size() / 2);
  Raster rows(r.width, r.height), out(r.width, r.height);
  for (int y = 0; y < r.height; ++y)
    for (int x = 0; x < r.width; ++x)
      for (int i = -radius; i <= radius; ++i) rows.at(x, y) += kernel[i + radius] * r.at(std::clamp(x + i, 0, r.width - 1), y);
  for (int y = 0; y < r.height; ++y)
    for (int i = -radius; i <= radius; ++i) {
      const float* from = &rows.values[static_cast<std::size_t>(std::clamp(y + i, 0, r.height - 1)) * r.width];
      for (int x = 0; x < r.width; ++x) out.at(x, y) += kernel[i + radius] * from[x];
    }
  return out;
}

Raster scaled(const Raster& r, int width, int height) {
  Raster out(width, height);
  const double sx = static_cast<double>(r.width) / width, sy = static_cast<double>(r.height) / height;
  const int nx = std::max(1, static_cast<int>(std::lround(sx))), ny = std::max(1, static_cast<int>(std::lround(sy)));
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      double sum = 0;
      for (int j = 0; j < ny; ++j)
        for (int i = 0; i < nx; ++i) {
          const double px = std::clamp((x + (i + 0.5) / nx) * sx, 0.5, r.width - 0.5), py = std::clamp((y + (j + 0.5) / ny) * sy, 0.5, r.height - 0.5);
          sum += sampled(r, px, py, 0);
        }
      out.at(x, y) = static_cast<float>(sum / (nx * ny));
    }
  return out;
}

double noise_of(const Raster& r) {
  std::vector<float> response;
  for (int y = 1; y + 1 < r.height; ++y)
    for (int x = 1; x + 1 < r.width; ++x) {
      const float corners = r.at(x - 1, y - 1) + r.at(x + 1, y - 1) + r.at(x - 1, y + 1) + r.at(x + 1, y + 1);
      const float sides = r.at(x, y - 1) + r.at(x - 1, y) + r.at(x + 1, y) + r.at(x, y + 1);
      response.push_back(std::abs(corners - 2 * sides + 4 * r.at(x, y)));
    }
  if (response.empty()) return 0;
  const auto middle = response.begin() + static_cast<std::ptrdiff_t>(response.size() / 2);
  std::nth_element(response.begin(), middle, response.end());
  return *middle / 0.6745 / 6;  // the mask's weights have a square sum of 36
}

std::vector<char> dilated(const std::vector<char>& mask, int width, int height, int radius) {
  std::vector<char> rows(mask.size()), out(mask.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      if (mask[static_cast<std::size_t>(y) * width + x])
        for (int i = std::max(0, x - radius); i <= std::min(width - 1, x + radius); ++i) rows[static_cast<std::size_t>(y) * width + i] = 1;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      if (rows[static_cast<std::size_t>(y) * width + x])
        for (int j = std::max(0, y - radius); j <= std::min(height - 1, y + radius); ++j) out[static_cast<std::size_t>(j) * width + x] = 1;
  return out;
}

}  // namespace safelight
