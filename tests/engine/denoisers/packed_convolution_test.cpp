// Convolutions whose weights lie in the library's own order, and what flows back through them.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "engine/weights/layers.h"

namespace safelight {
namespace {

TEST(PackedConvolution, GivesTheSamePictureAndTheSameSlope) {
  constexpr int64_t kChannels = 640;   // from here on the plain weight is given up
  Parameters parameters;
  const Conv2d convolution(ParameterScope(parameters), kChannels, kChannels, 3);
  parameters.initialise(3);
  const at::Tensor input = at::randn({1, kChannels, 5, 6}, at::detail::createCPUGenerator(4), at::TensorOptions(at::kFloat));
  const auto slope = [&] {
    const c10::AutoGradMode with_gradients(true);
    const at::Tensor x = input.clone().requires_grad_(true);
    convolution(x).square().mean().backward();
    return x.grad();
  };
  at::Tensor plain, plain_slope;
  {
    const at::NoGradGuard no_grad;
    plain = convolution(input);
    plain_slope = slope();
    parameters.freeze();
    EXPECT_LT((convolution(input) - plain).abs().max().item<double>(), 1e-4);
    EXPECT_LT((slope() - plain_slope).abs().max().item<double>(), 1e-6 + 1e-3 * plain_slope.abs().max().item<double>());
  }
  EXPECT_EQ(parameters.all().front().tensor.numel(), 0) << "the weight was not packed, so the test shows nothing";
}

}  // namespace
}  // namespace safelight
