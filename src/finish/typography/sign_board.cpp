#include "finish/typography/sign_board.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace safelight {
namespace {

constexpr float kStep = 32, kSpread = 64;   // levels between neighbours, and from the mean of what was found so far
constexpr int kLeastHeight_px = 14, kLeastWidth_px = 20;
constexpr double kMostSlope = 0.3057;       // of 17 degrees
constexpr double kMargin = 0.08;            // of the height: rim on which nothing is taken for writing
constexpr std::size_t kMostPixels = 16'000'000;

struct Region {
  Box box;
  std::vector<int> pixels;   // of the picture
};

float apart(const std::array<float, 3>& a, const std::array<float, 3>& b) { return std::max({std::abs(a[0] - b[0]), std::abs(a[1] - b[1]), std::abs(a[2] - b[2])}); }

// Connected pixels of about one colour.
std::vector<Region> regions_of(const Image& image) {
  std::vector<Region> out;
  std::vector<char> seen(static_cast<std::size_t>(image.width) * image.height);
  for (int start = 0; start < static_cast<int>(seen.size()); ++start) {
    if (seen[start]) continue;
    Region r{{start % image.width, start / image.width, 1, 1}, {start}};
    std::array<double, 3> sum{};
    int right = r.box.x, bottom = r.box.y;
    seen[start] = 1;
    for (std::size_t head = 0; head < r.pixels.size(); ++head) {
      const int p = r.pixels[head], x = p % image.width, y = p / image.width;
      const auto here = colour_at(image, x, y);
      for (int c = 0; c < 3; ++c) sum[c] += here[c];
      const auto n = static_cast<double>(head + 1);
      const std::array<float, 3> mean = {static_cast<float>(sum[0] / n), static_cast<float>(sum[1] / n), static_cast<float>(sum[2] / n)};
      r.box.x = std::min(r.box.x, x), r.box.y = std::min(r.box.y, y), right = std::max(right, x), bottom = std::max(bottom, y);
      const int next[4] = {x > 0 ? p - 1 : -1, x + 1 < image.width ? p + 1 : -1, y > 0 ? p - image.width : -1, y + 1 < image.height ? p + image.width : -1};
      for (const int q : next) {
        if (q < 0 || seen[q]) continue;
        const auto there = colour_at(image, q % image.width, q / image.width);
        if (apart(here, there) > kStep || apart(mean, there) > kSpread) continue;
        seen[q] = 1;
        r.pixels.push_back(q);
      }
    }
    r.box.width = right - r.box.x + 1, r.box.height = bottom - r.box.y + 1;
    const bool whole = r.box.width >= image.width && r.box.height >= image.height;   // what surrounds everything is the ground, not a board
    if (!whole && r.box.height >= kLeastHeight_px && r.box.width >= kLeastWidth_px) out.push_back(std::move(r));
  }
  return out;
}

// The middle slope of a border: `y` by column, -1 where the region has none.
double slope_of(const std::vector<int>& y) {
  const std::size_t far = std::max<std::size_t>(y.size() / 3, 1);
  std::vector<double> slopes;
  for (std::size_t x = 0; x + far < y.size(); ++x)
    if (y[x] >= 0 && y[x + far] >= 0) slopes.push_back(static_cast<double>(y[x + far] - y[x]) / static_cast<double>(far));
  if (slopes.empty()) return 0;
  const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
  std::nth_element(slopes.begin(), middle, slopes.end());
  return *middle;
}

// Of the numbers all but the outermost hundredth at either end.
std::array<double, 2> extent(std::vector<double> v) {
  const std::size_t low = v.size() / 100, high = v.size() - 1 - low;
  std::sort(v.begin(), v.end());
  return {v[low], v[high]};
}

LineBox rectangle_of(const Region& r, int width) {
  std::vector<int> top(static_cast<std::size_t>(r.box.width), -1), bottom(top);
  for (const int p : r.pixels) {
    const auto x = static_cast<std::size_t>(p % width - r.box.x);
    const int y = p / width;
    if (top[x] < 0 || y < top[x]) top[x] = y;
    bottom[x] = std::max(bottom[x], y);
  }
  const double a = slope_of(top), b = slope_of(bottom), slope = std::abs(a) < std::abs(b) ? a : b;   // a cut corner or a ragged side tilts one of them
  LineBox place{r.box.x + r.box.width / 2.0, r.box.y + r.box.height / 2.0, 0, 0, std::atan(slope)};
  std::vector<double> us, vs;
  for (const int p : r.pixels) {
    const auto [u, v] = place.to_line(p % width + 0.5, p / width + 0.5);
    us.push_back(u), vs.push_back(v);
  }
  const auto [left, right] = extent(std::move(us));
  const auto [up, down] = extent(std::move(vs));
  const auto [x, y] = place.to_picture((left + right) / 2, (up + down) / 2);
  return {x, y, right - left + 1, down - up + 1, place.angle};
}

// Whether the board's colour is seen along all four sides.
bool has_rim(const LineBox& place, const Box& box, const std::vector<char>& own) {
  constexpr double kFull = 0.5;   // letters that run into the rim, and ragged edges
  const std::vector<char> near = dilated(own, box.width, box.height, std::max(1, static_cast<int>(place.height / 12)));
  return emptiest_side(place, 0.05 * place.height + 0.5, [&](double x, double y) {
           const int bx = static_cast<int>(std::floor(x)) - box.x, by = static_cast<int>(std::floor(y)) - box.y;
           return bx >= 0 && by >= 0 && bx < box.width && by < box.height && near[static_cast<std::size_t>(by) * box.width + bx];
         }) >= kFull;
}

double area(const LineBox& l) { return l.width * l.height; }

bool holds(const LineBox& board, const LineBox& line) {
  const auto [u, v] = board.to_line(line.centre_x, line.centre_y);
  return std::abs(u) <= board.width / 2 && std::abs(v) <= board.height / 2;
}

// The board that a region is, with what is on it as ink; empty when it is none.
std::optional<InkedLine> board_of(const Image& image, const Region& r, const LineBox& place) {
  if (std::abs(place.angle) > std::atan(kMostSlope) || place.height < kLeastHeight_px || place.width < kLeastWidth_px) return {};
  const Box box = intersection(bounds(place, 2), {0, 0, image.width, image.height});
  std::vector<char> own(static_cast<std::size_t>(box.width) * box.height);
  for (const int p : r.pixels) {
    const int x = p % image.width - box.x, y = p / image.width - box.y;
    if (x >= 0 && y >= 0 && x < box.width && y < box.height) own[static_cast<std::size_t>(y) * box.width + x] = 1;
  }
  if (!has_rim(place, box, own)) return {};
  return inked_board(image, box, own, place, kMargin * place.height);
}

}  // namespace

std::vector<SignBoard> sign_boards(const Image& image) {
  if (static_cast<std::size_t>(image.width) * image.height > kMostPixels) return {};
  std::vector<SignBoard> out;
  for (const Region& r : regions_of(image)) {
    const LineBox place = rectangle_of(r, image.width);
    if (auto writing = board_of(image, r, place)) out.push_back({place, std::move(*writing)});
  }
  std::stable_sort(out.begin(), out.end(), [](const SignBoard& a, const SignBoard& b) { return area(a.place) > area(b.place); });
  return out;
}

std::optional<InkedLine> board_under(std::vector<SignBoard> boards, const std::vector<LineBox>& lines) {
  constexpr double kPanel = 0.35;                  // a board on a larger panel has at least that share of it; what is smaller is a letter's inside
  constexpr double kHeight = 0.5, kWidth = 0.84;   // of a line on its board
  std::erase_if(boards, [&](const SignBoard& b) {
    return !lines.empty() && 2 * std::count_if(lines.begin(), lines.end(), [&](const LineBox& l) { return holds(b.place, l); }) <= static_cast<std::ptrdiff_t>(lines.size());
  });
  if (boards.empty()) return {};
  std::size_t best = 0;
  while (!lines.empty() && best + 1 < boards.size() && area(boards[best + 1].place) >= kPanel * area(boards[0].place)) ++best;
  InkedLine out = std::move(boards[best].writing);
  const LineBox& board = boards[best].place;
  out.place = {board.centre_x, board.centre_y, kWidth * board.width, kHeight * board.height, board.angle};
  return out;
}

}  // namespace safelight
