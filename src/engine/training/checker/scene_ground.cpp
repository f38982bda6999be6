#include "engine/training/checker/scene_ground.h"

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

constexpr double kShift = 16;          // how much brighter or darker a background may be
constexpr double kShiftCost = 0.2;     // of a step of it, in steps of error
constexpr double kUnclear = 24;        // mean error from which it is none
constexpr int kStep_px = 3;            // every third pixel will do

struct Sample {
  int x = 0, y = 0;
  double value = 0;                    // mean of red, green and blue
};

int value_of(const Ground& g, int side, int x, int y) {
  const int first = rgb(g.tone).r, second = second_rgb(g.tone).r, cell = std::max(side / 8, 1);
  switch (g.pattern) {
    case Pattern::plain: break;
    case Pattern::gradient: return first + (second - first) * y / std::max(side - 1, 1);
    case Pattern::striped: return y / cell % 2 == 1 ? second : first;
    case Pattern::checkered: return (x / cell + y / cell) % 2 == 1 ? second : first;
  }
  return first;
}

// Mean error after the background's brightness is brought nearer to that of the samples.
double error_of(const Ground& g, int side, const std::vector<Sample>& samples) {
  const double n = static_cast<double>(samples.size());
  double shift = 0, error = 0;
  for (const Sample& s : samples) shift += (s.value - value_of(g, side, s.x, s.y)) / n;
  shift = std::clamp(shift, -kShift, kShift);
  for (const Sample& s : samples) error += std::abs(s.value - shift - value_of(g, side, s.x, s.y)) / n;
  return error + kShiftCost * std::abs(shift);
}

}  // namespace

std::optional<Ground> see_ground(const std::uint8_t* rgb, int side, const std::vector<char>& free) {
  std::vector<Sample> samples;
  for (int y = 0; y < side; y += kStep_px)
    for (int x = 0; x < side; x += kStep_px) {
      const std::uint8_t* p = rgb + 3 * (y * side + x);
      if (free[static_cast<std::size_t>(y * side + x)]) samples.push_back({x, y, (p[0] + p[1] + p[2]) / 3.0});
    }
  std::optional<Ground> best;
  if (samples.empty()) return best;
  double least = kUnclear;
  for (int t = 0; t < kTones; ++t)
    for (int p = 0; p < kPatterns; ++p) {
      const Ground g{static_cast<Tone>(t), static_cast<Pattern>(p)};
      if (const double error = error_of(g, side, samples); error < least) least = error, best = g;
    }
  return best;
}

}  // namespace safelight
