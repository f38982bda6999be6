#include "engine/training/checker/sign_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/training/scenes/glyphs.h"

namespace safelight {
namespace {

// Letters are compared on a grid that is as high as they are: kRows down, kPerHeight columns to a height across.
constexpr int kRows = 16, kPerHeight = 32;
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::array<double, 3> kStretches = {0.94, 1.0, 1.06};
constexpr std::array<double, 3> kBlurs = {0, 0.08, 0.16};  // width of the box that letters are blurred with, in heights
constexpr float kLetterCost = 0.25f * kRows;      // of one more letter, in cells of ink
constexpr double kLeast_px = 6;                   // height of letters that can be read
constexpr double kNoGlyph = 0.45;                 // mismatch of a letter, as a share of its ink, from which it is none
constexpr double kWideGap = 0.45;                 // in heights: a space

using Column = std::array<std::uint8_t, kRows>;   // ink, 0 .. 255

struct Template {
  char letter = ' ';
  int ink = 0;
  std::vector<Column> columns;
};

Template make_template(char letter, int font, double stretch, double blur) {
  Template t{.letter = letter, .ink = 0, .columns = {}};
  const int width = std::max(1, static_cast<int>(std::lround(glyph_aspect(letter, font) * stretch * kPerHeight)));
  t.columns.resize(static_cast<std::size_t>(width));
  for (int x = 0; x < width; ++x)
    for (int y = 0; y < kRows; ++y) {
      const double u = (x + 0.5) / width, v = (y + 0.5) / kRows;  // of the middle of the cell
      const double du = 0.5 / width + 0.5 * blur / glyph_aspect(letter, font), dv = 0.5 / kRows + 0.5 * blur;
      const double cover = glyph_coverage(letter, font, u - du, v - dv, u + du, v + dv);
      t.columns[static_cast<std::size_t>(x)][static_cast<std::size_t>(y)] = static_cast<std::uint8_t>(std::lround(255 * cover));
      t.ink += t.columns[static_cast<std::size_t>(x)][static_cast<std::size_t>(y)];
    }
  return t;
}

const std::vector<Template>& templates_of(int font, std::size_t blur) {
  static const auto kAll = [] {
    std::array<std::array<std::vector<Template>, kFonts>, kBlurs.size()> all;
    for (std::size_t b = 0; b < kBlurs.size(); ++b)
      for (int f = 0; f < kFonts; ++f)
        for (const char letter : kLetters)
          for (const double stretch : kStretches) all[b][static_cast<std::size_t>(f)].push_back(make_template(letter, f, stretch, kBlurs[b]));
    return all;
  }();
  return kAll[blur][static_cast<std::size_t>(font)];
}

// Stops early once it is more than `limit`.
int difference(const Column* a, const Column* b, std::size_t columns, int limit = std::numeric_limits<int>::max()) {
  int sum = 0;
  for (std::size_t c = 0; c < columns && sum <= limit; ++c)
    for (std::size_t r = 0; r < kRows; ++r) sum += std::abs(a[c][r] - b[c][r]);
  return sum;
}

// Where a profile first passes half of its peak, to a part of a pixel; from the end when `step` is -1.
double half_crossing(const std::vector<float>& profile, int step) {
  const int n = static_cast<int>(profile.size());
  const auto value = [&](int i) { return i < 0 || i >= n ? 0.0f : profile[static_cast<std::size_t>(i)]; };
  const float half = 0.5f * *std::max_element(profile.begin(), profile.end());
  int i = step > 0 ? 0 : n - 1;
  while (value(i) < half) i += step;
  const double before = value(i - step), part = (half - before) / std::max(value(i) - before, 1e-6);  // between the centres of two pixels
  return i + 0.5 - step * (1 - part);
}

struct Line {
  std::vector<Column> columns;
  double unit_px = 1;        // width of a column
};

// The mean of the cells between two places along one direction, given as running sums.
double mean_between(const std::vector<double>& sums, double from, double to) {
  const auto at = [&](double x) {
    x = std::clamp(x, 0.0, static_cast<double>(sums.size() - 1));
    const auto i = std::min(static_cast<std::size_t>(x), sums.size() - 2);
    return sums[i] + (x - static_cast<double>(i)) * (sums[i + 1] - sums[i]);
  };
  return (at(to) - at(from)) / (to - from);
}

// The ink between the top and the bottom of the letters, brought to the grid of the templates.
Line straighten(const Ink& ink) {
  std::vector<float> rows(static_cast<std::size_t>(ink.height)), across(static_cast<std::size_t>(ink.width));
  for (int y = 0; y < ink.height; ++y)
    for (int x = 0; x < ink.width; ++x) {
      float& row = rows[static_cast<std::size_t>(y)];
      float& column = across[static_cast<std::size_t>(x)];
      row = std::max(row, ink.at(x, y));
      column = std::max(column, ink.at(x, y));
    }
  const double top = half_crossing(rows, 1), bottom = half_crossing(rows, -1);
  const double left = half_crossing(across, 1), right = half_crossing(across, -1), height = bottom - top;
  Line line;
  if (height < kLeast_px) return line;
  line.unit_px = height / kPerHeight;
  // Down first, then across.
  std::vector<std::vector<double>> sums(kRows, std::vector<double>(static_cast<std::size_t>(ink.width) + 1, 0.0));
  for (int x = 0; x < ink.width; ++x) {
    std::vector<double> down(static_cast<std::size_t>(ink.height) + 1, 0.0);
    for (int y = 0; y < ink.height; ++y) down[static_cast<std::size_t>(y) + 1] = down[static_cast<std::size_t>(y)] + ink.at(x, y);
    for (int r = 0; r < kRows; ++r) {
      auto& row = sums[static_cast<std::size_t>(r)];
      row[static_cast<std::size_t>(x) + 1] = row[static_cast<std::size_t>(x)] + mean_between(down, top + height * r / kRows, top + height * (r + 1) / kRows);
    }
  }
  const int margin = 2, n = static_cast<int>(std::ceil((right - left) / line.unit_px)) + 2 * margin;
  line.columns.resize(static_cast<std::size_t>(n));
  for (int c = 0; c < n; ++c)
    for (std::size_t r = 0; r < kRows; ++r) {
      const double from = left + (c - margin) * line.unit_px;
      line.columns[static_cast<std::size_t>(c)][r] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(mean_between(sums[r], from, from + line.unit_px), 0.0, 1.0)));
    }
  return line;
}

// Which of kBlurs the ink comes closest to. An edge that is w columns wide has a sum of ink * (1 - ink) of w / 6 and a sum
// of steps of 1.
std::size_t blur_of(const Line& line) {
  double mixed = 0, steps = 1e-6;
  for (std::size_t c = 1; c < line.columns.size(); ++c)
    for (std::size_t r = 0; r < kRows; ++r) {
      const double a = line.columns[c - 1][r] / 255.0, b = line.columns[c][r] / 255.0;
      if (b > 0.1 && b < 0.9) mixed += b * (1 - b);
      if (std::abs(b - a) > 0.05) steps += std::abs(b - a);
    }
  const double width = 6 * mixed / steps / kPerHeight;
  std::size_t best = 0;
  for (std::size_t i = 1; i < kBlurs.size(); ++i)
    if (std::abs(kBlurs[i] - width) < std::abs(kBlurs[best] - width)) best = i;
  return best;
}

struct Step {
  float cost = std::numeric_limits<float>::infinity();
  int from = 0;
  const Template* letter = nullptr;   // null: a column between letters
};

// The cheapest way to cover the columns with letters of one font: dynamic programming over where letters end. The cost is the
// ink that is not explained, and letters where there is none.
std::vector<Step> cover(const Line& line, int font, std::size_t blur) {
  const std::size_t n = line.columns.size();
  std::vector<Step> best(n + 1);
  best[0].cost = 0;
  for (std::size_t x = 0; x < n; ++x) {
    int column_ink = 0;
    for (const std::uint8_t v : line.columns[x]) column_ink += v;
    const float blank = best[x].cost + static_cast<float>(column_ink) / 255;
    if (blank < best[x + 1].cost) best[x + 1] = {blank, static_cast<int>(x), nullptr};
    for (const Template& t : templates_of(font, blur)) {
      const std::size_t end = x + t.columns.size();
      if (end > n) continue;
      const float allowed = 255 * (best[end].cost - best[x].cost - kLetterCost);
      if (allowed <= 0) continue;
      const int limit = static_cast<int>(std::min(allowed, 1e9f));
      const float cost = best[x].cost + kLetterCost + static_cast<float>(difference(&line.columns[x], t.columns.data(), t.columns.size(), limit)) / 255;
      if (cost < best[end].cost) best[end] = {cost, static_cast<int>(x), &t};
    }
  }
  return best;
}

Reading spell(const Line& line, const std::vector<Step>& best, int font) {
  Reading out{.text = "", .font = font, .score = 0};
  double ink = 0;
  for (const Column& c : line.columns)
    for (const std::uint8_t v : c) ink += v / 255.0;
  int before = -1;  // where the letter to the right begins
  for (int at = static_cast<int>(line.columns.size()); at > 0; at = best[static_cast<std::size_t>(at)].from) {
    const Step& s = best[static_cast<std::size_t>(at)];
    if (!s.letter) continue;
    if (before >= 0 && before - at > kWideGap * kPerHeight) out.text += ' ';
    const int missed = difference(&line.columns[static_cast<std::size_t>(s.from)], s.letter->columns.data(), s.letter->columns.size());
    out.text += missed > kNoGlyph * s.letter->ink ? '?' : s.letter->letter;
    before = s.from;
  }
  std::reverse(out.text.begin(), out.text.end());
  const double lost = best.back().cost - kLetterCost * static_cast<double>(out.text.size());
  out.score = std::clamp(1 - lost / std::max(ink, 1e-6), 0.0, 1.0);
  return out;
}

}  // namespace

Reading read_sign(const Ink& ink) {
  if (ink.cells.empty() || *std::max_element(ink.cells.begin(), ink.cells.end()) < 0.3f) return {};
  const Line line = straighten(ink);
  if (line.columns.empty()) return {};
  const std::size_t blur = blur_of(line);
  float least = std::numeric_limits<float>::infinity();
  Reading out;
  for (int font = 0; font < kFonts; ++font) {
    const auto best = cover(line, font, blur);
    if (best.back().cost >= least) continue;
    least = best.back().cost;
    out = spell(line, best, font);
  }
  return out;
}

}  // namespace safelight
