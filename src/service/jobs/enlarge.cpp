#include "service/jobs/enlarge.h"

#include "common/base/error.h"
#include "common/base/sha256.h"
#include "common/formats/png.h"
#include "common/measure/lanczos.h"

namespace safelight {

void enlarge(ProviderImage& image, int width_px, int height_px) {
  if (image.mime != "image/png") throw Error(ErrorCode::unsupported, "a picture of type " + image.mime + " cannot be resized here: ask for png");
  image.bytes = encode_png(lanczos_resized(decode_png(image.bytes, "the picture to resize"), width_px, height_px), {});
  image.sha256 = sha256_hex(image.bytes);
  image.width_px = width_px, image.height_px = height_px;
}

}  // namespace safelight
