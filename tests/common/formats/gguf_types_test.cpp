// The number types of GGUF: rounding, quantising, and what a type cannot hold.
#include "common/formats/gguf.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "common/base/error.h"

namespace safelight {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::array kSmallBlocks = {GgufType::q8_0, GgufType::q4_0, GgufType::q4_1, GgufType::q5_0, GgufType::q5_1};

std::vector<float> there_and_back(GgufType type, const std::vector<float>& numbers) {
  Bytes packed;
  gguf_quantise(type, numbers, packed);
  std::vector<float> out(numbers.size());
  gguf_dequantise(type, packed, out);
  return out;
}

float half(std::uint16_t bits) {
  float out = 0;
  gguf_dequantise(GgufType::f16, std::as_bytes(std::span(&bits, 1)), {&out, 1});
  return out;
}

TEST(GgufNumbers, HalvesRoundToNearestEven) {
  EXPECT_EQ(half(0x3c00), 1.0f);
  EXPECT_EQ(half(0x0001), 0x1p-24f);
  EXPECT_EQ(half(0x7bff), 65504.0f);
  EXPECT_TRUE(std::isnan(half(0x7e00)));
  EXPECT_EQ(half(0xfc00), -std::numeric_limits<float>::infinity());
  for (std::uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = half(bits), high = half(static_cast<std::uint16_t>(bits + 1)), middle = (low + high) / 2;
    const std::vector<float> back = there_and_back(
        GgufType::f16, {low, -low, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f), -middle});
    const float even = bits % 2 == 0 ? low : high;
    ASSERT_EQ(back, (std::vector<float>{low, -low, even, low, high, -even})) << bits;
    ASSERT_EQ(std::signbit(back[1]), true);
  }
}

TEST(GgufNumbers, BrainFloatsRoundToNearestEven) {
  const auto of = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  EXPECT_EQ(there_and_back(GgufType::bf16, {of(0x3f808000), of(0x3f808001), of(0x3f818000), of(0x3f817fff), of(1)}),
            (std::vector<float>{of(0x3f800000), of(0x3f810000), of(0x3f820000), of(0x3f810000), 0}));
  EXPECT_TRUE(std::isnan(there_and_back(GgufType::bf16, {of(0x7f800001)})[0]));
}

TEST(GgufNumbers, QuantisingKeepsNumbersWithinHalfAStep) {
  std::vector<float> numbers(96);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i * i)) * (i < 32 ? 1.0f : 0.01f);
  // The largest error is half a step, a step being the range through the number of levels (a whole step where q4_0 and
  // q5_0 cut the shorter end off), plus what the scale loses as a half.
  const std::vector<std::pair<GgufType, float>> limits = {
      {GgufType::f32, 0.0f}, {GgufType::f16, 0.0005f}, {GgufType::bf16, 0.004f}, {GgufType::q8_0, 0.0045f},
      {GgufType::q5_1, 0.034f}, {GgufType::q5_0, 0.064f}, {GgufType::q4_1, 0.069f}, {GgufType::q4_0, 0.126f}};
  for (const auto& [type, limit] : limits) {
    const std::vector<float> back = there_and_back(type, numbers);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      EXPECT_LE(std::fabs(back[i] - numbers[i]), limit * (i < 32 ? 1.0f : 0.01f)) << name(type) << " " << i;
  }
}

TEST(GgufNumbers, QuantisingRefusesWhatATypeCannotHold) {
  const auto refused = [](GgufType type, const std::vector<float>& numbers, ErrorCode code) {
    Bytes out;
    try {
      gguf_quantise(type, numbers, out);
      ADD_FAILURE() << name(type);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
    }
  };
  std::vector<float> block(32, 1.0f);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), -3e38f, 3e38f}) {
    block[5] = bad;
    block[6] = -bad;
    for (const GgufType type : kSmallBlocks) refused(type, block, ErrorCode::non_finite);
  }
  refused(GgufType::f16, {1.0f, 65520.0f}, ErrorCode::non_finite);
  EXPECT_EQ(there_and_back(GgufType::f16, {65519.0f, -std::numeric_limits<float>::infinity()}),
            (std::vector<float>{65504.0f, -std::numeric_limits<float>::infinity()}));
  refused(GgufType::q8_0, std::vector<float>(31), ErrorCode::internal);
  refused(GgufType::q4_k, std::vector<float>(256), ErrorCode::unsupported);
  refused(GgufType::i32, {1.0f}, ErrorCode::unsupported);
  for (const float tiny : {1e-45f, 1e-40f, -1e-38f, 0.0f})
    for (const GgufType type : kSmallBlocks)
      EXPECT_EQ(there_and_back(type, std::vector<float>(32, tiny))[7], 0.0f) << name(type);
}

TEST(GgufNumbers, DequantisingWantsMatchingSizes) {
  const Bytes bytes(36);
  std::vector<float> out(64);
  EXPECT_NO_THROW(gguf_dequantise(GgufType::q4_0, bytes, out));
  EXPECT_THROW(gguf_dequantise(GgufType::q4_0, bytes, std::span(out).first(32)), Error);
  EXPECT_THROW(gguf_dequantise(GgufType::q4_0, bytes, std::span(out).first(63)), Error);
  EXPECT_THROW(gguf_dequantise(GgufType::q4_0, std::span(bytes).first(35), out), Error);
  EXPECT_THROW(gguf_dequantise(static_cast<GgufType>(5), bytes, out), Error);
}

TEST(GgufNumbers, PlainTypesBecomeFloats) {
  const std::vector<std::int64_t> wide = {-3, std::int64_t{1} << 40};
  std::vector<float> out(2);
  gguf_dequantise(GgufType::i64, std::as_bytes(std::span(wide)), out);
  EXPECT_EQ(out, (std::vector<float>{-3, 0x1p40f}));
  const std::vector<double> doubles = {0.5, -2};
  gguf_dequantise(GgufType::f64, std::as_bytes(std::span(doubles)), out);
  EXPECT_EQ(out, (std::vector<float>{0.5, -2}));
  const std::vector<std::int8_t> bytes = {-128, 127};
  gguf_dequantise(GgufType::i8, std::as_bytes(std::span(bytes)), out);
  EXPECT_EQ(out, (std::vector<float>{-128, 127}));
}

}  // namespace
}  // namespace safelight
