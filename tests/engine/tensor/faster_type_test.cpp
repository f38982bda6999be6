#include "engine/tensor/faster_type.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/tensor/flash_attention.h"

namespace safelight {
namespace {

TEST(FasterType, IsChosenOnceAndNeverWithoutTheInstructions) {
  const auto kernels = flash_kernels();
  const c10::ScalarType type = faster_type();
  EXPECT_TRUE(type == c10::kFloat || type == c10::kBFloat16);
  const bool has = std::find(kernels.begin(), kernels.end(), "avx512-bf16") != kernels.end();
  EXPECT_TRUE(has || type == c10::kFloat);
  EXPECT_EQ(faster_type(), type);
}

}  // namespace
}  // namespace safelight
