#include "engine/facade/run_inputs.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/base/error.h"

namespace safelight {
namespace {

int rounded_to(int side, int unit) { return std::max(side / unit, 1) * unit; }

std::string size_text(const Image& image) { return std::to_string(image.width) + "x" + std::to_string(image.height); }

// Widens a region to the shape of the wanted picture, as far as the canvas goes.
Region widened(Region r, double aspect, int width, int height) {
  if (r.width < aspect * r.height) {
    const int wanted = std::min(static_cast<int>(aspect * r.height), width);
    r.left = std::clamp(r.left - (wanted - r.width) / 2, 0, width - wanted);
    r.width = wanted;
  } else {
    const int wanted = std::min(static_cast<int>(r.width / aspect), height);
    r.top = std::clamp(r.top - (wanted - r.height) / 2, 0, height - wanted);
    r.height = wanted;
  }
  return r;
}

// The seam lies inside the mask: what is outside keeps its bytes whatever the blur.
at::Tensor softened(const at::Tensor& mask, int radius) {
  if (radius == 0) return mask;
  return mask * (2 * blurred(mask, radius) - 1).clamp(0, 1);
}

RunInputs for_upscaler(const Components& components, GenerateRequest& request, const Image& picture) {
  const int factor = static_cast<int>(components.autoencoder->downscale());
  const bool fits = (request.width == 0 || request.width == picture.width * factor) && (request.height == 0 || request.height == picture.height * factor);
  if (!fits) throw Error(ErrorCode::conflict, "this model makes " + std::to_string(factor) + " pixels of one: leave width and height out, or give " + std::to_string(picture.width * factor) + "x" + std::to_string(picture.height * factor));
  request.width = picture.width * factor;
  request.height = picture.height * factor;
  return {.picture = tensor_of(picture), .mask = {}, .latents = {}, .canvas = {}};
}

}  // namespace

RunInputs run_inputs(const Components& components, GenerateRequest& request, const Image& picture, const std::optional<Image>& mask_image) {
  if (components.denoiser->beside() == Beside::low_resolution_image) {
    if (mask_image) throw Error(ErrorCode::conflict, "this model enlarges a whole picture; leave the mask out");
    return for_upscaler(components, request, picture);
  }
  const int unit = static_cast<int>(components.autoencoder->downscale() * components.denoiser->patch());
  RunInputs out;
  Region region{0, 0, picture.width, picture.height};
  at::Tensor mask;
  if (mask_image) {
    if (mask_image->width != picture.width || mask_image->height != picture.height)
      throw Error(ErrorCode::conflict, "the mask has " + size_text(*mask_image) + " pixels, the picture " + size_text(picture) + "; make them the same size");
    mask = mask_of(*mask_image);
    if (request.picture.crop_padding >= 0) region = region_of(mask, request.picture.crop_padding);
  }
  if (request.width == 0) request.width = rounded_to(region.width, unit);
  if (request.height == 0) request.height = rounded_to(region.height, unit);
  if (mask_image && request.picture.crop_padding >= 0)
    region = widened(region, static_cast<double>(request.width) / request.height, picture.width, picture.height);
  out.picture = resized(cut(tensor_of(picture), region), request.width, request.height);
  if (!mask_image) return out;
  out.mask = resized(cut(mask, region), request.width, request.height);
  Image colour = picture;
  if (picture.channels == 1) colour = image_of(tensor_of(picture)[0]);
  const at::Tensor weights = softened(mask, request.picture.mask_blur).flatten().contiguous();
  out.canvas = Canvas{std::move(colour), {weights.data_ptr<float>(), weights.data_ptr<float>() + weights.numel()}, region};
  return out;
}

at::Tensor hint_of(const Image& hint, const GenerateRequest& request) { return resized(tensor_of(hint), request.width, request.height) / 2 + 0.5; }

}  // namespace safelight
