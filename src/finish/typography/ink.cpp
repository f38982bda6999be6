#include "finish/typography/ink.h"

#include <cmath>

namespace safelight {
namespace {

using Colour = std::array<double, 3>;

// What the fits see of a picture: one box of it.
struct View {
  const Image& image;
  Box box;

  std::size_t count() const { return static_cast<std::size_t>(box.width) * box.height; }
  int x(std::size_t i) const { return box.x + static_cast<int>(i) % box.width; }
  int y(std::size_t i) const { return box.y + static_cast<int>(i) / box.width; }
  Colour difference(std::size_t i, const Board& board) const {
    const auto c = colour_at(image, x(i), y(i));
    const Colour b = board.colour(x(i), y(i));
    return {c[0] - b[0], c[1] - b[1], c[2] - b[2]};
  }
};

double length(const Colour& d) { return std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]); }
double dot(const Colour& a, const Colour& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// Least squares of one channel over the pixels of `used`: normal equations about their centre.
std::array<double, 3> fitted_plane(const View& view, const std::vector<char>& used, int channel) {
  double n = 0, mx = 0, my = 0, mv = 0;
  for (std::size_t i = 0; i < used.size(); ++i)
    if (used[i]) ++n, mx += view.x(i), my += view.y(i), mv += colour_at(view.image, view.x(i), view.y(i))[channel];
  if (n == 0) return {};
  mx /= n, my /= n, mv /= n;
  double xx = 1e-6, xy = 0, yy = 1e-6, xv = 0, yv = 0;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const double dx = view.x(i) - mx, dy = view.y(i) - my, dv = colour_at(view.image, view.x(i), view.y(i))[channel] - mv;
    xx += dx * dx, xy += dx * dy, yy += dy * dy, xv += dx * dv, yv += dy * dv;
  }
  const double det = xx * yy - xy * xy;
  const double a = det > 1e-3 ? (xv * yy - yv * xy) / det : 0, b = det > 1e-3 ? (yv * xx - xv * xy) / det : 0;
  return {mv - a * mx - b * my, a, b};
}

// From the pixels close to the letters outwards: each round keeps those that fit the last one.
Board fitted_board(const View& view, const std::vector<char>& close, const std::vector<char>& candidates, std::vector<char>& used) {
  Board board;
  used = close;
  for (int round = 0; round < 5; ++round) {
    for (int c = 0; c < 3; ++c) board.plane[c] = fitted_plane(view, used, c);
    std::vector<double> sizes;
    for (std::size_t i = 0; i < used.size(); ++i)
      if (used[i]) sizes.push_back(length(view.difference(i, board)));
    const double typical = std::max(quantile(sizes, 0.5), 1.0);  // of a length in three channels: about 1.54 standard deviations
    board.noise = typical / 1.54;
    const std::vector<char>& next = round < 2 ? close : candidates;
    for (std::size_t i = 0; i < used.size(); ++i) used[i] = next[i] && length(view.difference(i, board)) < 2.5 * typical + 2;
  }
  return board;
}

// Mean direction of the half that differs most, and how far three quarters of the letters' pixels lie along it.
Colour ink_difference(const View& view, const std::vector<char>& letters, const Board& board) {
  std::vector<double> sizes;
  for (std::size_t i = 0; i < letters.size(); ++i)
    if (letters[i]) sizes.push_back(length(view.difference(i, board)));
  if (sizes.empty()) return {};
  const double middle = quantile(sizes, 0.5);
  Colour sum{};
  for (std::size_t i = 0; i < letters.size(); ++i)
    if (const Colour d = view.difference(i, board); letters[i] && length(d) >= middle)
      for (int c = 0; c < 3; ++c) sum[c] += d[c];
  const double size = std::max(length(sum), 1e-9);
  for (double& v : sum) v /= size;
  std::vector<double> along;
  for (std::size_t i = 0; i < letters.size(); ++i)
    if (letters[i]) along.push_back(dot(view.difference(i, board), sum));
  const double level = std::max(quantile(along, 0.7), 1.0);
  for (double& v : sum) v *= level;
  return sum;
}

// Connected pixels of much ink are letters where the search found one of them; others are, where they lie wholly between the ends of the line (dots,
// commas, a letter that was not found). What reaches in from outside is not.
std::vector<char> letters_of(const Raster& ink, const std::vector<char>& found, const std::vector<char>& inside) {
  std::vector<char> out(ink.values.size()), seen(ink.values.size());
  for (std::size_t start = 0; start < seen.size(); ++start) {
    if (seen[start] || ink.values[start] < 0.4F) continue;
    std::vector<int> part = {static_cast<int>(start)};
    bool overlaps = false, outside = false;
    seen[start] = 1;
    for (std::size_t head = 0; head < part.size(); ++head) {
      const int p = part[head], x = p % ink.width, y = p / ink.width;
      overlaps = overlaps || found[p], outside = outside || !inside[p];
      const int next[4] = {x > 0 ? p - 1 : -1, x + 1 < ink.width ? p + 1 : -1, y > 0 ? p - ink.width : -1, y + 1 < ink.height ? p + ink.width : -1};
      for (const int q : next)
        if (q >= 0 && !seen[q] && ink.values[q] >= 0.4F) seen[q] = 1, part.push_back(q);
    }
    if (overlaps || (!outside && part.size() >= 4))
      for (const int p : part) out[p] = inside[p] || found[p];
  }
  return out;
}

// Pixels that are neither board nor ink, per pixel of outline: an edge crosses so many.
double edge_width(const Raster& ink) {
  double between = 0, outline = 0;
  for (int y = 0; y + 1 < ink.height; ++y)
    for (int x = 0; x + 1 < ink.width; ++x) {
      const float v = ink.at(x, y);
      between += v > 0.15F && v < 0.85F;
      outline += ((v >= 0.5F) != (ink.at(x + 1, y) >= 0.5F)) + ((v >= 0.5F) != (ink.at(x, y + 1) >= 0.5F));
    }
  return outline > 0 ? 1.27 * between / outline : 1;  // steps along and across count a slanted outline 4/pi too long
}

bool fills_its_rim(const InkedLine& line) {
  constexpr double kFull = 0.75;  // letters leave more than that of some side free; a board's corners may be cut by a wrong angle
  return emptiest_side(line.place, 0.06 * line.place.height + 0.5, [&](double x, double y) { return sampled(line.ink, x - line.box.x, y - line.box.y, 0) >= 0.5F; }) >= kFull;
}

LineBox measured_place(const LineBox& old, const Box& box, const std::vector<char>& letters) {
  double low_u = 1e9, high_u = -1e9, low_v = 1e9, high_v = -1e9;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (!letters[i]) continue;
    const auto [u, v] = old.to_line(box.x + static_cast<int>(i) % box.width + 0.5, box.y + static_cast<int>(i) / box.width + 0.5);
    low_u = std::min(low_u, u), high_u = std::max(high_u, u), low_v = std::min(low_v, v), high_v = std::max(high_v, v);
  }
  if (low_u > high_u) return old;
  const auto [x, y] = old.to_picture((low_u + high_u) / 2, (low_v + high_v) / 2);
  return {x, y, high_u - low_u + 1, high_v - low_v + 1, old.angle};
}

}  // namespace

Colour Board::colour(double x, double y) const {
  Colour out;
  for (int c = 0; c < 3; ++c) out[c] = std::clamp(plane[c][0] + plane[c][1] * x + plane[c][2] * y, 0.0, 255.0);
  return out;
}

Board fitted_board(const Image& image, const Box& region) {
  const View view{image, region};
  const std::vector<char> all(view.count(), 1);
  std::vector<char> used;
  return fitted_board(view, all, all, used);
}

InkedLine inked(const Image& image, const FoundLine& line) {
  const double h = line.place.height;
  InkedLine out;
  out.bright = line.bright;
  out.box = intersection(bounds(line.place, 0.8 * h), {0, 0, image.width, image.height});
  const View view{image, out.box};
  std::vector<char> found(view.count()), inside(view.count()), candidates(view.count());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const int x = view.x(i), y = view.y(i), lx = x - line.box.x, ly = y - line.box.y;
    found[i] = lx >= 0 && ly >= 0 && lx < line.box.width && ly < line.box.height && line.ink[static_cast<std::size_t>(ly) * line.box.width + lx];
    const auto [u, v] = line.place.to_line(x + 0.5, y + 0.5);
    inside[i] = std::abs(u) <= line.place.width / 2 + 0.25 * h && std::abs(v) <= 0.68 * h;
    candidates[i] = std::abs(u) <= line.place.width / 2 + 0.6 * h && std::abs(v) <= 0.9 * h;
  }
  const std::vector<char> ink_zone = dilated(found, out.box.width, out.box.height, std::max(2, static_cast<int>(h / 14)));
  std::vector<char> close = dilated(ink_zone, out.box.width, out.box.height, std::max(2, static_cast<int>(h / 7)));
  for (std::size_t i = 0; i < close.size(); ++i) close[i] = close[i] && candidates[i] && !ink_zone[i], candidates[i] = candidates[i] && !ink_zone[i];
  out.board = fitted_board(view, close, candidates, out.board_pixels);
  out.ink_delta = ink_difference(view, found, out.board);
  const double square = std::max(dot(out.ink_delta, out.ink_delta), 1.0);
  out.ink = Raster(out.box.width, out.box.height);
  for (std::size_t i = 0; i < found.size(); ++i) out.ink.values[i] = static_cast<float>(std::clamp(dot(view.difference(i, out.board), out.ink_delta) / square, 0.0, 1.0));
  out.letters = letters_of(out.ink, found, inside);
  // The rim that belongs to the letters: as wide as their edges are soft.
  const auto keep_near = [&](int radius) {
    const std::vector<char> near = dilated(out.letters, out.box.width, out.box.height, radius);
    for (std::size_t i = 0; i < near.size(); ++i)
      if (!near[i]) out.ink.values[i] = 0;
    out.edge_px = edge_width(out.ink);
  };
  keep_near(std::max(2, static_cast<int>(h / 5)));
  keep_near(static_cast<int>(std::clamp(out.edge_px, std::max(2.0, h / 14), std::max(2.0, h / 5))));
  out.place = measured_place(line.place, out.box, out.letters);
  return out;
}

std::optional<InkedLine> inked_board(const Image& image, const Box& box, const std::vector<char>& own, const LineBox& board, double margin) {
  constexpr double kLeast = 0.04, kMost = 0.75;    // of the board that is covered
  const View view{image, box};
  InkedLine out;
  out.box = box;
  out.board_pixels = own;
  out.board = fitted_board(view, own, own, out.board_pixels);
  const double limit = std::max(30.0, 4 * out.board.noise);
  out.letters.assign(view.count(), 0);
  double inside = 0, covered = 0;
  for (std::size_t i = 0; i < view.count(); ++i) {
    const auto [u, v] = board.to_line(view.x(i) + 0.5, view.y(i) + 0.5);
    if (std::abs(u) > board.width / 2 - margin || std::abs(v) > board.height / 2 - margin) continue;
    out.letters[i] = length(view.difference(i, out.board)) > limit;
    ++inside, covered += out.letters[i];
  }
  if (covered < kLeast * inside || covered > kMost * inside) return {};
  out.ink_delta = ink_difference(view, out.letters, out.board);
  if (length(out.ink_delta) < limit) return {};
  const double square = dot(out.ink_delta, out.ink_delta);
  const std::vector<char> near = dilated(out.letters, box.width, box.height, 2);   // edges that the limit left out
  out.ink = Raster(box.width, box.height);
  for (std::size_t i = 0; i < view.count(); ++i)
    if (near[i]) out.ink.values[i] = static_cast<float>(std::clamp(dot(view.difference(i, out.board), out.ink_delta) / square, 0.0, 1.0));
  out.bright = out.ink_delta[0] + out.ink_delta[1] + out.ink_delta[2] > 0;
  out.edge_px = edge_width(out.ink);
  out.place = measured_place(board, box, out.letters);
  return out;
}

double emptiest_side(const LineBox& place, double inset, const std::function<bool(double x, double y)>& full) {
  constexpr int kSamples = 64;
  const double half_u = place.width / 2 - inset, half_v = place.height / 2 - inset;
  int least = kSamples;
  for (const bool across : {false, true})
    for (const double side : {-1.0, 1.0}) {
      int count = 0;
      for (int i = 0; i < kSamples; ++i) {
        const double t = (2 * i + 1.0) / kSamples - 1;
        const auto [x, y] = across ? place.to_picture(side * half_u, t * half_v) : place.to_picture(t * half_u, side * half_v);
        count += full(x, y);
      }
      least = std::min(least, count);
    }
  return static_cast<double>(least) / kSamples;
}

bool may_be_writing(const InkedLine& line) {
  return length(line.ink_delta) >= std::max(6.0, line.board.noise) && !fills_its_rim(line);
}

Image level_line(const InkedLine& line, int height, double blur_px, bool stretch) {
  const int margin = height / 3;
  const double scale = line.place.height / height;
  const Raster ink = blurred(line.ink, std::max(blur_px, scale > 1.3 ? 0.4 * scale : 0));  // what shrinks is smoothed first
  Raster level(std::clamp(static_cast<int>(line.place.width / scale), 8, 4000) + 2 * margin, height + 2 * margin);
  for (int y = 0; y < level.height; ++y)
    for (int x = 0; x < level.width; ++x) {
      const auto [px, py] = line.place.to_picture((x + 0.5 - level.width / 2.0) * scale, (y + 0.5 - level.height / 2.0) * scale);
      level.at(x, y) = sampled(ink, px - line.box.x, py - line.box.y, 0);
    }
  float low = 0, high = 1;
  if (stretch) {
    std::vector<float> sorted = level.values;
    std::sort(sorted.begin(), sorted.end());
    low = sorted[sorted.size() / 50], high = std::max(sorted[sorted.size() - 1 - sorted.size() / 50], low + 0.05F);
  }
  Image out{level.width, level.height, 1, {}};
  for (const float v : level.values) out.pixels.push_back(static_cast<std::uint8_t>(std::lround(255 * (1 - std::clamp((v - low) / (high - low), 0.0F, 1.0F)))));
  return out;
}

}  // namespace safelight
