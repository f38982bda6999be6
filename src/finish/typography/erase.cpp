#include "finish/typography/erase.h"

#include <cmath>
#include <random>

namespace safelight {
namespace {

constexpr int kPiece_px = 8, kRing_px = 4;   // side of a piece, and how much round it is compared
constexpr int kReachAside_px = 24, kReachUp_px = 90;  // how far a piece may come from: lines are wide, blank board is above and below them
constexpr double kTextured = 0.3;            // correlation of neighbouring residuals from which on they are a texture

// What is left of the picture when the board's plane is taken away.
struct Residual {
  int width = 0, height = 0;
  std::vector<std::array<float, 3>> values;
  std::vector<char> known;  // board, not to be erased
  std::vector<float> gray;  // of `values`
  std::vector<int> unknown_before;  // [(height + 1) * (width + 1)] pixels not known above and to the left

  std::size_t at(int x, int y) const { return static_cast<std::size_t>(y) * width + x; }
  bool holds(int x, int y) const { return x >= 0 && y >= 0 && x < width && y < height; }
  bool piece_known(int x, int y) const {
    const auto before = [&](int i, int j) { return unknown_before[static_cast<std::size_t>(j) * (width + 1) + i]; };
    return x >= 0 && y >= 0 && x + kPiece_px <= width && y + kPiece_px <= height &&
           before(x + kPiece_px, y + kPiece_px) - before(x, y + kPiece_px) - before(x + kPiece_px, y) + before(x, y) == 0;
  }
  void set(std::size_t to, std::size_t from) { values[to] = values[from], gray[to] = gray[from]; }
};

Residual residual_of(const Image& image, const Board& board, const Box& box, const std::vector<char>& mask) {
  Residual r{box.width, box.height, {}, {}, {}, std::vector<int>((static_cast<std::size_t>(box.width) + 1) * (box.height + 1))};
  const double limit = std::max(30.0, 6 * board.noise);
  for (int y = 0; y < box.height; ++y)
    for (int x = 0; x < box.width; ++x) {
      const auto seen = colour_at(image, box.x + x, box.y + y);
      const auto plane = board.colour(box.x + x, box.y + y);
      double most = 0;
      for (int c = 0; c < 3; ++c) most = std::max(most, std::abs(seen[c] - plane[c]));
      r.values.push_back({static_cast<float>(seen[0] - plane[0]), static_cast<float>(seen[1] - plane[1]), static_cast<float>(seen[2] - plane[2])});
      r.known.push_back(!mask[r.at(x, y)] && most < limit);
      r.gray.push_back(r.values.back()[0] + 2 * r.values.back()[1] + r.values.back()[2]);
      const std::size_t corner = static_cast<std::size_t>(y + 1) * (box.width + 1) + x + 1, above = corner - box.width - 1;
      r.unknown_before[corner] = r.unknown_before[corner - 1] + r.unknown_before[above] - r.unknown_before[above - 1] + !r.known.back();
    }
  return r;
}

// Correlation of pixels two apart, along or across, whichever is more; grain has none.
double texture_of(const Residual& r) {
  double most = 0;
  for (const auto& [dx, dy] : {std::array{2, 0}, std::array{0, 2}}) {
    double square = 1e-9, product = 0;
    for (int y = 0; y + dy < r.height; ++y)
      for (int x = 0; x + dx < r.width; ++x) {
        const std::size_t a = r.at(x, y), b = r.at(x + dx, y + dy);
        if (r.known[a] && r.known[b]) square += r.gray[a] * r.gray[a], product += r.gray[a] * r.gray[b];
      }
    most = std::max(most, product / square);
  }
  return most;
}

// Sum of squares over the known ring round two places, over its size; gives up beyond `limit`. Negative: they share too little, or the source is not whole.
double mismatch(const Residual& r, int x, int y, int sx, int sy, const std::vector<char>& filled, double limit) {
  if (!r.piece_known(sx, sy)) return -1;
  constexpr int kMostShared = (kPiece_px + 2 * kRing_px) * (kPiece_px + 2 * kRing_px);
  double sum = 0;
  int count = 0;
  for (int j = -kRing_px; j < kPiece_px + kRing_px; ++j) {
    for (int i = -kRing_px; i < kPiece_px + kRing_px; ++i) {
      if (!r.holds(x + i, y + j) || !r.holds(sx + i, sy + j)) continue;
      const std::size_t here = r.at(x + i, y + j), there = r.at(sx + i, sy + j);
      if ((!r.known[here] && !filled[here]) || !r.known[there]) continue;
      const double d = r.gray[here] - r.gray[there];
      sum += d * d, ++count;
    }
    if (sum > limit * kMostShared) return -1;
  }
  return count < 16 ? -1 : sum / count;
}

// Fills the piece at (x, y) from the place that fits best, where there is one.
void fill_piece(Residual& r, int x, int y, std::vector<char>& filled) {
  double least = 1e18;
  int from_x = 0, from_y = 0;
  for (int sy = std::max(0, y - kReachUp_px); sy <= std::min(r.height - kPiece_px, y + kReachUp_px); ++sy)
    for (int sx = std::max(0, x - kReachAside_px); sx <= std::min(r.width - kPiece_px, x + kReachAside_px); ++sx)
      if (const double d = mismatch(r, x, y, sx, sy, filled, least); d >= 0 && d < least) least = d, from_x = sx, from_y = sy;
  if (least > 1e17) return;
  for (int j = 0; j < kPiece_px; ++j)
    for (int i = 0; i < kPiece_px; ++i)
      if (r.holds(x + i, y + j) && !r.known[r.at(x + i, y + j)]) r.set(r.at(x + i, y + j), r.at(from_x + i, from_y + j)), filled[r.at(x + i, y + j)] = 1;
}

int known_round(const Residual& r, int x, int y, const std::vector<char>& filled) {
  int count = 0;
  for (int j = -kRing_px; j < kPiece_px + kRing_px; ++j)
    for (int i = -kRing_px; i < kPiece_px + kRing_px; ++i)
      if (r.holds(x + i, y + j)) count += r.known[r.at(x + i, y + j)] || filled[r.at(x + i, y + j)];
  return count;
}

// From the rim of the gap inwards: the piece with the most known pixels round it comes next.
void fill_texture(Residual& r, const std::vector<char>& mask, std::vector<char>& filled) {
  std::vector<std::array<int, 2>> open;
  for (int y = 0; y < r.height; y += kPiece_px)
    for (int x = 0; x < r.width; x += kPiece_px) {
      bool gap = false;
      for (int j = 0; j < kPiece_px; ++j)
        for (int i = 0; i < kPiece_px; ++i) gap = gap || (r.holds(x + i, y + j) && mask[r.at(x + i, y + j)]);
      if (gap) open.push_back({x, y});
    }
  while (!open.empty()) {
    const auto next = std::max_element(open.begin(), open.end(), [&](const auto& a, const auto& b) { return known_round(r, a[0], a[1], filled) < known_round(r, b[0], b[1], filled); });
    fill_piece(r, (*next)[0], (*next)[1], filled);
    open.erase(next);
  }
}

}  // namespace

std::vector<std::array<float, 3>> erased(const Image& image, const Board& board, const Box& box, const std::vector<char>& mask) {
  Residual r = residual_of(image, board, box, mask);
  std::vector<char> filled(mask.size());
  if (board.noise > 1.5 && texture_of(r) > kTextured) fill_texture(r, mask, filled);
  std::mt19937 bits(1);  // the same grain on repetition, with every standard library
  for (int y = 0; y < box.height; ++y)
    for (int x = 0; x < box.width; ++x) {
      const std::size_t i = r.at(x, y);
      const auto plane = board.colour(box.x + x, box.y + y);
      double grain = 0;
      if (mask[i] && !filled[i]) {
        for (int k = 0; k < 12; ++k) grain += static_cast<double>(bits() >> 8) / (1 << 24);
        grain = (grain - 6) * std::min(board.noise, 30.0);  // the sum of twelve is nearly normal
      }
      for (int c = 0; c < 3; ++c) r.values[i][c] = static_cast<float>(plane[c] + (mask[i] && !filled[i] ? grain : r.values[i][c]));
    }
  return r.values;
}

}  // namespace safelight
