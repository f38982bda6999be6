#include "common/measure/picture_difference.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr int kScales = 3, kLeastSide = 3;
constexpr double kStability = 170;   // the paper's constant, for values of 0 to 255

void require_comparable(const Image& a, const Image& b) {
  if (!comparable(a, b)) throw Error(ErrorCode::invalid_argument, "only pictures of the same size and kind can be compared");
}

struct Plane {
  int width = 0, height = 0;
  std::vector<double> values;
  double at(int x, int y) const { return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)]; }
};

Plane plane_of(const Image& image, int channel) {
  Plane p{image.width, image.height, {}};
  for (std::size_t i = static_cast<std::size_t>(channel); i < image.pixels.size(); i += static_cast<std::size_t>(image.channels)) p.values.push_back(image.pixels[i]);
  return p;
}

Plane halved(const Plane& p) {
  Plane out{p.width / 2, p.height / 2, {}};
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) out.values.push_back((p.at(2 * x, 2 * y) + p.at(2 * x + 1, 2 * y) + p.at(2 * x, 2 * y + 1) + p.at(2 * x + 1, 2 * y + 1)) / 4);
  return out;
}

// Of Prewitt's operator.
double gradient(const Plane& p, int x, int y) {
  double across = 0, down = 0;
  for (int k = -1; k <= 1; ++k) {
    across += p.at(x + 1, y + k) - p.at(x - 1, y + k);
    down += p.at(x + k, y + 1) - p.at(x + k, y - 1);
  }
  return std::hypot(across, down) / 3;
}

double deviation(const Plane& a, const Plane& b) {
  double sum = 0, squares = 0, n = 0;
  for (int y = 1; y + 1 < a.height; ++y)
    for (int x = 1; x + 1 < a.width; ++x, ++n) {
      const double ga = gradient(a, x, y), gb = gradient(b, x, y);
      const double alike = (2 * ga * gb + kStability) / (ga * ga + gb * gb + kStability);
      sum += alike;
      squares += alike * alike;
    }
  return std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
}

}  // namespace

bool comparable(const Image& a, const Image& b) {
  return a.width == b.width && a.height == b.height && a.channels == b.channels && !a.pixels.empty() && a.pixels.size() == b.pixels.size();
}

double mean_difference(const Image& a, const Image& b) {
  require_comparable(a, b);
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

double psnr_db(const Image& a, const Image& b) {
  require_comparable(a, b);
  double square = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const double d = static_cast<double>(a.pixels[i]) - b.pixels[i];
    square += d * d;
  }
  if (square == 0) return kMostPsnr_db;
  return std::min(kMostPsnr_db, 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.pixels.size()) / square));
}

double gradient_difference(const Image& a, const Image& b) {
  require_comparable(a, b);
  double sum = 0;
  int terms = 0;
  for (int channel = 0; channel < a.channels; ++channel) {
    Plane p = plane_of(a, channel), q = plane_of(b, channel);
    for (int scale = 0; scale < kScales && std::min(p.width, p.height) >= kLeastSide; ++scale, p = halved(p), q = halved(q), ++terms) sum += deviation(p, q);
  }
  return sum / std::max(terms, 1);
}

}  // namespace safelight
