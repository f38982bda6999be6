#include "engine/pipelines/pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

at::Tensor bytes_of(const Image& image) {
  void* data = const_cast<std::uint8_t*>(image.pixels.data());
  return at::from_blob(data, {image.height, image.width, image.channels}, at::kByte).to(at::kFloat).permute({2, 0, 1}).unsqueeze(0);
}

}  // namespace

Image image_of(const at::Tensor& pixels) {
  const at::Tensor bytes = (pixels / 2 + 0.5).clamp(0, 1).mul(255).round().nan_to_num(0.0).to(at::kByte).permute({1, 2, 0}).contiguous();
  Image image{.width = static_cast<int>(bytes.size(1)), .height = static_cast<int>(bytes.size(0)), .channels = 3, .pixels = {}};
  image.pixels.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
  return image;
}

at::Tensor tensor_of(const Image& image) {
  const at::Tensor pixels = bytes_of(image) / 127.5 - 1;
  return (image.channels == 1 ? pixels.expand({1, 3, -1, -1}) : pixels).contiguous();
}

at::Tensor mask_of(const Image& image) { return (bytes_of(image) / 255.0).mean(1, true); }

at::Tensor resized(const at::Tensor& picture, int width, int height) {
  if (picture.size(2) == height && picture.size(3) == width) return picture;
  return at::_upsample_bilinear2d_aa(picture, {height, width}, false);
}

at::Tensor blurred(const at::Tensor& mask, int radius) {
  if (radius == 0) return mask;
  const at::Tensor at_distance = at::arange(-radius, radius + 1, at::kFloat);
  const double sigma = radius / 2.0;
  at::Tensor kernel = (-(at_distance * at_distance) / (2 * sigma * sigma)).exp();
  kernel = kernel / kernel.sum();
  at::Tensor out = at::replication_pad2d(mask, {radius, radius, radius, radius});
  out = at::conv2d(out, kernel.view({1, 1, 1, -1}));
  return at::conv2d(out, kernel.view({1, 1, -1, 1})).clamp(0, 1);
}

Region region_of(const at::Tensor& mask, int padding) {
  const int height = static_cast<int>(mask.size(2)), width = static_cast<int>(mask.size(3));
  const at::Tensor rows = mask[0][0].gt(0).any(1).nonzero(), columns = mask[0][0].gt(0).any(0).nonzero();
  if (rows.numel() == 0) return {0, 0, width, height};
  const auto end = [](const at::Tensor& places, bool last) { return static_cast<int>((last ? places.max() : places.min()).item<int64_t>()); };
  const int left = std::max(end(columns, false) - padding, 0), top = std::max(end(rows, false) - padding, 0);
  return {left, top, std::min(end(columns, true) + 1 + padding, width) - left, std::min(end(rows, true) + 1 + padding, height) - top};
}

at::Tensor cut(const at::Tensor& picture, const Region& r) { return picture.slice(2, r.top, r.top + r.height).slice(3, r.left, r.left + r.width); }

Image pasted(const Canvas& canvas, const Image& part) {
  const Region& r = canvas.region;
  Image fitted = part;
  if (part.width != r.width || part.height != r.height) fitted = image_of(resized(tensor_of(part), r.width, r.height)[0]);
  Image out = canvas.picture;
  for (int y = 0; y < r.height; ++y)
    for (int x = 0; x < r.width; ++x) {
      const auto place = static_cast<std::size_t>((r.top + y) * out.width + r.left + x);
      const float weight = canvas.weights[place];
      if (weight <= 0) continue;
      for (std::size_t k = 0; k < 3; ++k) {
        std::uint8_t& byte = out.pixels[place * 3 + k];
        byte = static_cast<std::uint8_t>(std::lround(weight * fitted.pixels[static_cast<std::size_t>(y * r.width + x) * 3 + k] + (1 - weight) * byte));
      }
    }
  return out;
}

}  // namespace safelight
