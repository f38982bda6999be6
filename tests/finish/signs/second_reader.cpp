#include "finish/signs/second_reader.h"

#include <tesseract/baseapi.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

namespace safelight {
namespace {

constexpr double kCapHeight_px = 32;  // of the levelled line

struct Gray {
  int width = 0, height = 0;
  std::vector<double> values;
};

double luma(const Image& image, int x, int y) {
  x = std::clamp(x, 0, image.width - 1), y = std::clamp(y, 0, image.height - 1);
  const std::uint8_t* p = &image.pixels[(static_cast<std::size_t>(y) * image.width + x) * image.channels];
  return image.channels == 1 ? p[0] : 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

// Mean over what falls under each pixel of the levelled picture, from bilinear samples.
Gray levelled(const Image& image, const KnownPlace& place) {
  const double scale = place.cap_height_px / kCapHeight_px, angle = place.angle_deg * std::numbers::pi / 180, c = std::cos(angle), s = std::sin(angle);
  const int taps = std::max(1, static_cast<int>(std::ceil(scale)));
  Gray out{static_cast<int>(place.width / scale), static_cast<int>(place.height / scale), {}};
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      double sum = 0;
      for (int j = 0; j < taps; ++j)
        for (int i = 0; i < taps; ++i) {
          const double u = (x + (i + 0.5) / taps - out.width / 2.0) * scale, v = (y + (j + 0.5) / taps - out.height / 2.0) * scale;
          const double px = place.centre_x + c * u - s * v - 0.5, py = place.centre_y + s * u + c * v - 0.5, fx = px - std::floor(px), fy = py - std::floor(py);
          const int ix = static_cast<int>(std::floor(px)), iy = static_cast<int>(std::floor(py));
          sum += (luma(image, ix, iy) * (1 - fx) + luma(image, ix + 1, iy) * fx) * (1 - fy) + (luma(image, ix, iy + 1) * (1 - fx) + luma(image, ix + 1, iy + 1) * fx) * fy;
        }
      out.values.push_back(sum / (taps * taps));
    }
  return out;
}

Gray smoothed(const Gray& g) {
  Gray out = g;
  for (int y = 0; y < g.height; ++y)
    for (int x = 0; x < g.width; ++x) {
      double sum = 0;
      for (int j = -1; j <= 1; ++j)
        for (int i = -1; i <= 1; ++i) sum += g.values[static_cast<std::size_t>(std::clamp(y + j, 0, g.height - 1)) * g.width + std::clamp(x + i, 0, g.width - 1)];
      out.values[static_cast<std::size_t>(y) * g.width + x] = sum / 9;
    }
  return out;
}

// Contrast drawn out from the first to the last hundredth, dark writing on light.
std::vector<unsigned char> stretched(const Gray& g) {
  std::vector<double> sorted = g.values;
  std::sort(sorted.begin(), sorted.end());
  const double low = sorted[sorted.size() / 100], high = std::max(sorted[sorted.size() - 1 - sorted.size() / 100], low + 1), middle = sorted[sorted.size() / 2];
  const bool invert = middle < (low + high) / 2;
  std::vector<unsigned char> out;
  for (const double v : g.values) {
    const double t = std::clamp((v - low) / (high - low), 0.0, 1.0);
    out.push_back(static_cast<unsigned char>(std::lround(255 * (invert ? 1 - t : t))));
  }
  return out;
}

}  // namespace

struct SecondReader::Impl {
  tesseract::TessBaseAPI api;
};

SecondReader::SecondReader() : impl_(std::make_unique<Impl>()) {
  const std::vector<std::string> names = {"load_system_dawg", "load_freq_dawg"}, values = {"0", "0"};
  if (impl_->api.Init(nullptr, "eng", tesseract::OEM_LSTM_ONLY, nullptr, 0, &names, &values, false) != 0) throw std::runtime_error("tesseract-ocr-eng is not installed");
  impl_->api.SetVariable("debug_file", "/dev/null");
  impl_->api.SetPageSegMode(tesseract::PSM_SINGLE_LINE);
}

SecondReader::~SecondReader() { impl_->api.End(); }

std::string SecondReader::read(const Image& image, const KnownPlace& place) {
  const Gray plain = levelled(image, place);
  std::string best;
  int surest = -1;
  for (const Gray& g : {plain, smoothed(plain)}) {
    const std::vector<unsigned char> pixels = stretched(g);
    impl_->api.ClearAdaptiveClassifier();
    impl_->api.SetImage(pixels.data(), g.width, g.height, 1, g.width);
    impl_->api.SetSourceResolution(150);
    const std::unique_ptr<char[]> text(impl_->api.GetUTF8Text());
    if (!text || impl_->api.MeanTextConf() <= surest) continue;
    surest = impl_->api.MeanTextConf(), best = text.get();
    while (!best.empty() && std::isspace(static_cast<unsigned char>(best.back()))) best.pop_back();
  }
  return best;
}

}  // namespace safelight
