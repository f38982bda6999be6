#include "finish/resize/resize.h"

#include <vips/vips.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "common/base/error.h"

namespace safelight {
namespace {

struct Unref {
  void operator()(VipsImage* image) const { g_object_unref(image); }
};
using Vips = std::unique_ptr<VipsImage, Unref>;

// `image` by reference: it is set by the call that makes `status`, which may come after the other arguments are evaluated.
Vips checked(int status, VipsImage* const& image) {
  if (status == 0 && image) return Vips(image);
  const std::string why = vips_error_buffer();
  vips_error_clear();
  throw Error(ErrorCode::internal, "libvips could not resize the picture: " + why);
}

void start_library() {
  static const int status = vips_init("safelight");
  if (status != 0) throw Error(ErrorCode::unavailable, "libvips does not start: install the package libvips42");
}

void check_arguments(const Image& image, const ResizeOptions& o) {
  if (image.width < 1 || image.height < 1 || (image.channels != 1 && image.channels != 3) ||
      image.pixels.size() != static_cast<std::size_t>(image.width) * image.height * image.channels)
    throw Error(ErrorCode::invalid_argument, "the picture to enlarge is empty or its size does not match its pixels");
  if (!(o.factor >= 1 && o.factor <= 16)) throw Error(ErrorCode::invalid_argument, "the factor must be 1 to 16, not " + std::to_string(o.factor));
  if (o.linear_light && image.channels != 3) throw Error(ErrorCode::invalid_argument, "linear light needs an RGB picture; leave it out for a gray one");
  if (image.width * o.factor * image.height * o.factor > double{1 << 28}) throw Error(ErrorCode::unsupported, "the enlarged picture would have more than 2^28 pixels; use a smaller factor");
}

}  // namespace

Image lanczos_enlarged(const Image& image, const ResizeOptions& o) {
  check_arguments(image, o);
  start_library();
  VipsImage* out = nullptr;
  Vips source(vips_image_new_from_memory_copy(image.pixels.data(), image.pixels.size(), image.width, image.height, image.channels, VIPS_FORMAT_UCHAR));
  if (!source) checked(-1, nullptr);
  const VipsInterpretation codes = image.channels == 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
  Vips typed = checked(vips_copy(source.get(), &out, "interpretation", codes, nullptr), out);
  if (o.linear_light) typed = checked(vips_colourspace(typed.get(), &out, VIPS_INTERPRETATION_scRGB, nullptr), out);
  Vips large = checked(vips_resize(typed.get(), &out, o.factor, "kernel", VIPS_KERNEL_LANCZOS3, nullptr), out);
  if (o.linear_light) large = checked(vips_colourspace(large.get(), &out, VIPS_INTERPRETATION_sRGB, nullptr), out);
  large = checked(vips_cast(large.get(), &out, VIPS_FORMAT_UCHAR, nullptr), out);
  std::size_t bytes = 0;
  const std::unique_ptr<void, decltype(&g_free)> memory(vips_image_write_to_memory(large.get(), &bytes), &g_free);
  if (!memory) checked(-1, nullptr);
  Image result{vips_image_get_width(large.get()), vips_image_get_height(large.get()), image.channels, std::vector<std::uint8_t>(bytes)};
  std::memcpy(result.pixels.data(), memory.get(), bytes);
  return result;
}

}  // namespace safelight
