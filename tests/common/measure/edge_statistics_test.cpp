#include "common/measure/edge_statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

namespace safelight {
namespace {

constexpr int kSide = 64;

// Draws what `inside` says with so many samples along a pixel's side: 1 is without anti-aliasing.
Image drawn(const std::function<bool(double x, double y)>& inside, int samples) {
  Image out{.width = kSide, .height = kSide, .channels = 3, .pixels = {}};
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      double share = 0;
      for (int v = 0; v < samples; ++v)
        for (int u = 0; u < samples; ++u) share += inside(x + (u + 0.5) / samples, y + (v + 0.5) / samples);
      share /= samples * samples;
      for (const double top : {220.0, 60.0, 40.0}) out.pixels.push_back(static_cast<std::uint8_t>(std::lround(240 + (top - 240) * share)));
    }
  return out;
}

bool slanted(double x, double y) { return x + 0.37 * y > 40; }
bool disc(double x, double y) { return std::hypot(x - 31.3, y - 32.8) < 18.4; }

Image with_noise(Image image, double deviation) {
  std::mt19937 bits(7);
  std::normal_distribution<double> normal(0, deviation);
  for (std::uint8_t& v : image.pixels) v = static_cast<std::uint8_t>(std::clamp(std::lround(v + normal(bits)), 0L, 255L));
  return image;
}

Image turned(const Image& image) {
  Image out = image;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      for (int k = 0; k < 3; ++k)
        out.pixels[static_cast<std::size_t>((x * kSide + y) * 3 + k)] = image.pixels[static_cast<std::size_t>((y * kSide + x) * 3 + k)];
  return out;
}

TEST(EdgeJaggedness, IsNearNothingForWellDrawnEdges) {
  EXPECT_LT(edge_jaggedness_px(drawn(slanted, 16)).value(), 0.01);
  EXPECT_LT(edge_jaggedness_px(drawn(disc, 16)).value(), 0.03);
}

TEST(EdgeJaggedness, TellsStairsFromSmoothEdges) {
  for (const auto& shape : {std::function<bool(double, double)>(slanted), std::function<bool(double, double)>(disc)})
    EXPECT_GT(edge_jaggedness_px(drawn(shape, 1)).value(), 5 * edge_jaggedness_px(drawn(shape, 16)).value());
}

TEST(EdgeJaggedness, IsAboutThreeTenthsForStairsOfAllSlopes) {
  double sum = 0;
  int slopes = 0;
  for (int degrees = 3; degrees < 44; ++degrees, ++slopes) {
    const double c = std::cos(degrees * std::acos(-1.0) / 180), s = std::sin(degrees * std::acos(-1.0) / 180);
    sum += edge_jaggedness_px(drawn([&](double x, double y) { return c * (x - 32) + s * (y - 32) > 0.3; }, 1)).value();
  }
  EXPECT_NEAR(sum / slopes, 0.3, 0.03);
}

// Rows shifted by independent normal amounts: the measure is their deviation, as its definition says.
TEST(EdgeJaggedness, GivesTheDeviationOfTornRows) {
  std::mt19937 bits(3);
  std::normal_distribution<double> normal(0, 0.2);
  std::vector<double> shift(kSide);
  for (double& s : shift) s = normal(bits);
  const Image torn = drawn([&](double x, double y) { return x > 30.4 + shift[static_cast<std::size_t>(y)]; }, 32);
  EXPECT_NEAR(edge_jaggedness_px(torn).value(), 0.2, 0.04);
  EXPECT_NEAR(edge_jaggedness_px(turned(torn)).value(), edge_jaggedness_px(torn).value(), 1e-12);
}

TEST(EdgeJaggedness, SaysNothingWhereThereIsNoEdge) {
  EXPECT_FALSE(edge_jaggedness_px(drawn([](double, double) { return false; }, 1)).has_value());
  EXPECT_FALSE(edge_jaggedness_px(Image{}).has_value());
  EXPECT_FALSE(edge_jaggedness_px(Image{.width = 1, .height = 1, .channels = 3, .pixels = {1, 2, 3}}).has_value());
}

TEST(LocalIncoherence, IsNothingForFlatAreasAndStraightEdges) {
  EXPECT_EQ(local_incoherence(drawn([](double, double) { return false; }, 1)), 0);
  EXPECT_EQ(local_incoherence(drawn([](double x, double) { return x > 20; }, 1)), 0);
  EXPECT_EQ(local_incoherence(Image{}), 0);
}

TEST(LocalIncoherence, GrowsWithNoiseInProportion) {
  const Image flat = drawn([](double, double) { return true; }, 1);
  const double little = local_incoherence(with_noise(flat, 4)), much = local_incoherence(with_noise(flat, 12));
  EXPECT_GT(little, 1);
  EXPECT_NEAR(much / little, 3, 0.2);
}

TEST(LocalIncoherence, CountsMottleMoreThanTheEdgesOfAShape) {
  const Image shape = drawn(disc, 8);
  EXPECT_GT(local_incoherence(with_noise(shape, 6)), 2 * local_incoherence(shape));
}

}  // namespace
}  // namespace safelight
