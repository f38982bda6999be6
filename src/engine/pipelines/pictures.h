// Pictures as a run takes and gives them: pixels to tensors and back, and pasting a repainted part where it came from.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "common/api/image.h"

namespace safelight {

// A rectangle of a picture, in pixels.
struct Region {
  int left = 0, top = 0, width = 0, height = 0;
};

// The picture that a result is pasted into. Samples whose weight is 0 keep their bytes.
struct Canvas {
  Image picture;
  std::vector<float> weights;  // one per pixel of the picture: the share of the new one, 0..1
  Region region;               // where the new picture goes; it is resized to fit
};

// [3,H,W] in [-1,1] -> 8 bits; values outside are clamped, non-finite ones are black.
Image image_of(const at::Tensor& pixels);
// [1,3,H,W] in [-1,1]; gray pictures give three equal channels.
at::Tensor tensor_of(const Image& image);
// [1,1,H,W] in [0,1], the mean of the channels.
at::Tensor mask_of(const Image& image);
// Antialiased bilinear; [1,C,H,W]. The same size returns the tensor itself.
at::Tensor resized(const at::Tensor& picture, int width, int height);
// Gaussian, by separable sums; [1,1,H,W]. A radius of 0 returns the mask itself.
at::Tensor blurred(const at::Tensor& mask, int radius);
// The smallest rectangle round what is not 0, with `padding` more on every side, inside the picture. The whole picture when all is 0.
Region region_of(const at::Tensor& mask, int padding);
at::Tensor cut(const at::Tensor& picture, const Region& region);
Image pasted(const Canvas& canvas, const Image& part);

}  // namespace safelight
