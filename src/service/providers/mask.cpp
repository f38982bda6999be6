#include "service/providers/mask.h"

#include "common/base/error.h"
#include "common/formats/png.h"
#include "common/measure/lanczos.h"

namespace safelight {
namespace {

Image as_rgb(Image image) {
  if (image.channels == 3) return image;
  Image out{.width = image.width, .height = image.height, .channels = 3, .pixels = {}};
  out.pixels.reserve(image.pixels.size() * 3);
  for (const std::uint8_t v : image.pixels) out.pixels.insert(out.pixels.end(), {v, v, v});
  return out;
}

}  // namespace

std::string put_back_outside(ProviderImage& picture, const ImageRequest& request) {
  try {
    const Image before = as_rgb(decode_png(request.init, "init")), mask = decode_png(request.mask, "the mask");
    Image after = as_rgb(decode_png(picture.bytes, "the picture"));
    if (after.width != before.width || after.height != before.height) after = lanczos_resized(after, before.width, before.height);
    const std::size_t pixels = before.pixels.size() / 3, step = static_cast<std::size_t>(mask.channels);
    for (std::size_t i = 0; i < pixels; ++i) {
      const int share = mask.pixels[i * step];  // 255: repainted
      for (std::size_t c = i * 3; c < i * 3 + 3; ++c)
        after.pixels[c] = static_cast<std::uint8_t>((after.pixels[c] * share + before.pixels[c] * (255 - share) + 127) / 255);
    }
    picture.bytes = encode_png(after, {});
    picture.width_px = after.width, picture.height_px = after.height;
    return "";
  } catch (const Error& e) {
    return std::string("the area outside the mask could not be put back: ") + e.what();
  }
}

}  // namespace safelight
