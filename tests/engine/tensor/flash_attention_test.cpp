// The fused attention against the plain one, over random shapes, types, strides and biases, for every kernel that this processor can run.
#include "engine/tensor/flash_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "engine/tensor/attention.h"

namespace safelight {
namespace {

at::Tensor plain(const AttentionCall& c) {
  at::Tensor logits = at::matmul(c.q.to(at::kDouble), c.k.to(at::kDouble).transpose(-1, -2)) * c.scale;
  if (c.bias.defined()) logits = logits + c.bias.to(at::kDouble);
  return at::matmul(logits.softmax(-1), c.v.to(at::kDouble)).transpose(1, 2).reshape({c.q.size(0), c.q.size(2), -1});
}

double error(const at::Tensor& got, const at::Tensor& want) { return ((got.to(at::kDouble) - want).norm() / want.norm().clamp_min(1e-12)).item<double>(); }

class Shapes {
 public:
  explicit Shapes(unsigned seed) : bits_(seed) {}
  int64_t between(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(bits_); }
  AttentionCall next(at::ScalarType type) {
    const int64_t b = between(1, 2), h = between(1, 3), m = between(1, 200), n = between(1, between(0, 3) == 0 ? 700 : 100), d = between(1, 160), e = between(0, 1) ? d : between(1, 160);
    AttentionCall c{.layer = "test", .cross = false, .q = split_heads(at::randn({b, m, h * d}).to(type), h), .k = split_heads(at::randn({b, n, h * d}).to(type), h), .v = split_heads(at::randn({b, n, h * e}).to(type), h),
                    .scale = 1 / std::sqrt(static_cast<double>(d)), .bias = {}};
    if (between(0, 3) == 0) c.k = c.k.contiguous();
    if (between(0, 3) == 0) c.v = c.v.transpose(2, 3).contiguous().transpose(2, 3);
    const int64_t kind = between(0, 5);
    if (kind == 0) c.bias = at::randn({1, h, m, n});
    if (kind == 1) c.bias = at::zeros({b, 1, 1, n}).masked_fill(at::rand({b, 1, 1, n}) < 0.3, -1e4);
    return c;
  }

 private:
  std::mt19937 bits_;
};

void compare(at::ScalarType type, double tolerance, int count) {
  at::manual_seed(3);
  Shapes shapes(11);
  for (int i = 0; i < count; ++i) {
    const AttentionCall c = shapes.next(type);
    const at::Tensor want = plain(c);
    for (const std::string& kernel : flash_kernels())
      ASSERT_LT(error(flash_attention_with(kernel, c), want), tolerance) << kernel << ", shape " << i << ": q " << c.q.sizes() << ", k " << c.k.sizes() << ", v " << c.v.sizes() << ", bias " << c.bias.defined();
  }
}

TEST(FlashAttention, EqualsThePlainOneInFloat32) { compare(at::kFloat, 1e-4, 400); }
TEST(FlashAttention, EqualsThePlainOneInBfloat16) { compare(at::kBFloat16, 2e-2, 400); }

TEST(FlashAttention, GivesRowEntropies) {
  Shapes shapes(5);
  for (int i = 0; i < 40; ++i) {
    const AttentionCall c = shapes.next(at::kFloat);
    at::Tensor logits = at::matmul(c.q, c.k.transpose(-1, -2)) * c.scale;
    if (c.bias.defined()) logits = logits + c.bias;
    const at::Tensor p = logits.to(at::kDouble).softmax(-1), want = -(p * p.clamp_min(1e-300).log()).sum(-1);
    for (const std::string& kernel : flash_kernels()) {
      at::Tensor got = at::zeros({c.q.size(0), c.q.size(1), c.q.size(2)}, at::kFloat);
      const at::Tensor with = flash_attention_with(kernel, c, got.data_ptr<float>());
      EXPECT_LT((got.to(at::kDouble) - want).abs().max().item<double>(), 1e-4) << kernel;
      EXPECT_TRUE(at::equal(with, flash_attention_with(kernel, c))) << "asking for entropies changes the result of " << kernel;
    }
  }
}

TEST(FlashAttention, LargeLogitsDoNotOverflow) {
  AttentionCall c{.layer = "", .cross = false, .q = at::randn({1, 1, 40, 16}) * 100, .k = at::randn({1, 1, 600, 16}) * 100, .v = at::randn({1, 1, 600, 16}), .scale = 1, .bias = {}};
  for (const std::string& kernel : flash_kernels()) EXPECT_LT(error(flash_attention_with(kernel, c), plain(c)), 1e-4) << kernel;
}

TEST(FlashAttention, WhatIsNotANumberStaysSo) {
  AttentionCall c{.layer = "", .cross = false, .q = at::randn({1, 1, 40, 16}), .k = at::randn({1, 1, 300, 16}), .v = at::randn({1, 1, 300, 16}), .scale = 0.25, .bias = {}};
  c.q[0][0][7][3] = std::numeric_limits<float>::quiet_NaN();
  for (const std::string& kernel : flash_kernels()) {
    const at::Tensor out = flash_attention_with(kernel, c);
    EXPECT_TRUE(at::isnan(out[0][7]).all().item<bool>()) << kernel;
    EXPECT_FALSE(at::isnan(out[0][8]).any().item<bool>()) << kernel;
  }
  c.q = at::randn({1, 1, 40, 16});
  c.bias = at::full({1, 1, 40, 300}, -std::numeric_limits<float>::infinity());
  for (const std::string& kernel : flash_kernels()) EXPECT_TRUE(at::isnan(flash_attention_with(kernel, c)).all().item<bool>()) << "a row that may look nowhere, " << kernel;
}

TEST(FlashAttention, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  Shapes shapes(8);
  for (int i = 0; i < 10; ++i) {
    const AttentionCall c = shapes.next(at::kFloat);
    at::set_num_threads(1);
    const at::Tensor one = flash_attention(c);
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(one, flash_attention(c)));
  }
  at::set_num_threads(threads);
}

TEST(FlashAttention, LeavesGradientsToThePlainOne) {
  AttentionCall c{.layer = "", .cross = false, .q = at::randn({1, 2, 64, 8}).requires_grad_(), .k = at::randn({1, 2, 64, 8}), .v = at::randn({1, 2, 64, 8}), .scale = 1, .bias = {}};
  EXPECT_FALSE(can_flash(c));
  attention(c, {}).sum().backward();
  EXPECT_TRUE(c.q.grad().defined());
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(can_flash(c));
}

}  // namespace
}  // namespace safelight
