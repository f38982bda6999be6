#include "common/measure/edge_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace safelight {
namespace {

constexpr int kReach_px = 2;            // to both sides of an edge
constexpr double kLeastContrast = 60;   // over an edge, sum of the channels' levels
constexpr double kOneWay = 0.8;         // least share of the change round an edge that leads from one side to the other: no thin line
constexpr double kFarthest_px = 1.25;   // between an edge's places in neighbouring rows; steeper is read along the other axis
// A normal error of deviation s in each of four places gives a third difference of mean size s * sqrt(1 + 9 + 9 + 1) * sqrt(2 / pi).
constexpr double kMeanOfThird = 3.56825;

// The picture, or the picture with rows and columns exchanged.
struct View {
  const Image& image;
  bool turned;
  int rows() const { return turned ? image.width : image.height; }
  int columns() const { return turned ? image.height : image.width; }
  int at(int row, int column, int channel) const {
    const int x = turned ? row : column, y = turned ? column : row;
    return image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels + channel)];
  }
  // Change from one column to another, summed over the channels.
  double change(int row, int from, int to) const {
    int sum = 0;
    for (int k = 0; k < image.channels; ++k) sum += std::abs(at(row, to, k) - at(row, from, k));
    return sum * 3.0 / image.channels;
  }
};

// Where strong single edges cross a row, left to right.
std::vector<double> edges_of_row(const View& v, int row) {
  std::vector<double> out, step;
  for (int x = 0; x + 1 < v.columns(); ++x) step.push_back(v.change(row, x, x + 1));
  const int steps = static_cast<int>(step.size());
  for (int x = kReach_px; x + kReach_px < steps; ++x) {
    const auto here = step.begin() + x;
    if (*here == 0 || *std::max_element(here - kReach_px, here) > *here || *std::max_element(here + 1, here + kReach_px + 1) >= *here) continue;
    double sum = 0, moment = 0;
    for (int d = -kReach_px; d <= kReach_px; ++d) sum += here[d], moment += d * here[d];
    const double across = v.change(row, x - kReach_px, x + kReach_px + 1);
    if (across >= kLeastContrast && across >= kOneWay * sum) out.push_back(x + 0.5 + moment / sum);
  }
  return out;
}

// The place nearest to `wanted`, if it is near.
std::optional<double> nearest(const std::vector<double>& places, double wanted) {
  const auto it = std::min_element(places.begin(), places.end(), [&](double a, double b) { return std::abs(a - wanted) < std::abs(b - wanted); });
  if (it == places.end() || std::abs(*it - wanted) > kFarthest_px) return std::nullopt;
  return *it;
}

void add_third_differences(const View& v, double& sum, int& count) {
  std::vector<std::vector<double>> rows;
  for (int y = 0; y < v.rows(); ++y) rows.push_back(edges_of_row(v, y));
  for (std::size_t y = 0; y + 3 < rows.size(); ++y)
    for (const double first : rows[y]) {
      const auto second = nearest(rows[y + 1], first);
      const auto third = second ? nearest(rows[y + 2], *second) : std::nullopt;
      const auto fourth = third ? nearest(rows[y + 3], *third) : std::nullopt;
      if (!fourth) continue;
      sum += std::abs(first - 3 * *second + 3 * *third - *fourth);
      ++count;
    }
}

// 1 4 6 4 1 along rows and columns; the border repeats itself.
std::vector<double> gathered(const std::vector<double>& values, int width, int height) {
  constexpr std::array<double, 5> kWeights = {1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16};
  std::vector<double> across(values.size(), 0.0), out(values.size(), 0.0);
  const auto index = [&](int x, int y) { return static_cast<std::size_t>(std::clamp(y, 0, height - 1) * width + std::clamp(x, 0, width - 1)); };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int d = -2; d <= 2; ++d) across[index(x, y)] += kWeights[static_cast<std::size_t>(d + 2)] * values[index(x + d, y)];
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int d = -2; d <= 2; ++d) out[index(x, y)] += kWeights[static_cast<std::size_t>(d + 2)] * across[index(x, y + d)];
  return out;
}

}  // namespace

std::optional<double> edge_jaggedness_px(const Image& image) {
  double sum = 0;
  int count = 0;
  for (const bool turned : {false, true}) add_third_differences({image, turned}, sum, count);
  if (count == 0) return std::nullopt;
  return sum / count / kMeanOfThird;
}

double local_incoherence(const Image& image) {
  if (image.pixels.empty()) return 0;
  const int width = image.width, height = image.height;
  std::vector<double> xx(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), 0.0), xy = xx, yy = xx;
  const auto at = [&](int x, int y, int k) {
    return int{image.pixels[static_cast<std::size_t>((std::clamp(y, 0, height - 1) * width + std::clamp(x, 0, width - 1)) * image.channels + k)]};
  };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int k = 0; k < image.channels; ++k) {
        const auto i = static_cast<std::size_t>(y * width + x);
        const double dx = (at(x + 1, y, k) - at(x - 1, y, k)) / 2.0, dy = (at(x, y + 1, k) - at(x, y - 1, k)) / 2.0;
        xx[i] += dx * dx / image.channels;
        xy[i] += dx * dy / image.channels;
        yy[i] += dy * dy / image.channels;
      }
  for (std::vector<double>* moment : {&xx, &xy, &yy}) *moment = gathered(*moment, width, height);
  double sum = 0;
  for (std::size_t i = 0; i < xx.size(); ++i) {
    const double smaller = (xx[i] + yy[i]) / 2 - std::hypot((xx[i] - yy[i]) / 2, xy[i]);
    sum += std::sqrt(std::max(0.0, smaller));
  }
  return sum / static_cast<double>(xx.size());
}

}  // namespace safelight
