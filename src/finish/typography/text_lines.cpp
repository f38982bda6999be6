#include "finish/typography/text_lines.h"

#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <set>

#include "finish/typography/letter_regions.h"

namespace safelight {
namespace {

constexpr double kMostAngle = 17 * std::numbers::pi / 180;
constexpr std::array kMostToneApart = {60.0, 120.0};  // grey levels between letters of one line: thin ones look paler, smeared ones much paler
constexpr int kSearchedSide_px = 320;       // smaller pictures are enlarged before letters are looked for
constexpr double kSearchedPixels = 1.5e6;   // larger ones are reduced

// Gray, then two differences of colours, for letters as bright as their board.
Raster channel(const Image& image, int which) {
  Raster out(image.width, image.height);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const auto [r, g, b] = colour_at(image, x, y);
      out.at(x, y) = which == 0 ? 0.299F * r + 0.587F * g + 0.114F * b : which == 1 ? 127.5F + (r - g) / 2 : 127.5F + (b - (r + g) / 2) / 2;
    }
  return out;
}

// May `b` follow `a` in a line? Letters of one line have like heights and lie close together, with centres on a line that is not steep.
bool neighbours(const LetterRegion& a, const LetterRegion& b, double most_tone_apart) {
  const double high = std::max(a.box.height, b.box.height), low = std::min(a.box.height, b.box.height);
  if (low < 0.42 * high) return false;
  const double ax = a.box.x + a.box.width / 2.0, bx = b.box.x + b.box.width / 2.0, ay = a.box.y + a.box.height / 2.0, by = b.box.y + b.box.height / 2.0;
  const double gap = std::max(a.box.x, b.box.x) - std::min(a.box.right(), b.box.right());
  if (gap > 1.1 * high || gap < -0.35 * std::min(a.box.width, b.box.width)) return false;
  if (std::abs(ay - by) > std::tan(kMostAngle) * std::abs(ax - bx) + 0.28 * high) return false;
  return std::abs(a.tone - b.tone) < most_tone_apart;
}

struct Groups {
  std::vector<int> parent;
  explicit Groups(std::size_t n) : parent(n) { std::iota(parent.begin(), parent.end(), 0); }
  int find(int i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  }
  void join(int i, int j) { parent[find(i)] = find(j); }
};

// How strongly the rows of the ink stand out when it is turned level: the sum of squares of the row sums.
double row_contrast(const std::vector<std::array<float, 2>>& ink, double angle, double reach) {
  const double c = std::cos(angle), s = std::sin(angle);
  std::vector<double> rows(static_cast<std::size_t>(2 * reach) + 3);
  for (const auto& [x, y] : ink) {
    const double v = c * y - s * x + reach;
    const auto row = static_cast<std::size_t>(v);
    rows[row] += 1 - (v - static_cast<double>(row)), rows[row + 1] += v - static_cast<double>(row);
  }
  return std::inner_product(rows.begin(), rows.end(), rows.begin(), 0.0);
}

double baseline_angle(const std::vector<std::array<float, 2>>& ink, double reach) {
  double best = 0, most = 1.02 * row_contrast(ink, 0, reach);  // level unless something else is clearly better
  for (const double step : {0.5, 0.1}) {
    const double about = best;
    for (int k = step > 0.2 ? -34 : -5; k <= (step > 0.2 ? 34 : 5); ++k) {
      const double angle = std::clamp((step > 0.2 ? 0 : about) + k * step * std::numbers::pi / 180, -kMostAngle, kMostAngle);
      if (const double value = row_contrast(ink, angle, reach); value > most) most = value, best = angle;
    }
  }
  return best;
}

// The line that the regions of one group make, in pixels of the raster they were found in.
LineBox fitted(const std::vector<const LetterRegion*>& regions, int raster_width) {
  std::vector<std::array<float, 2>> ink;
  double mx = 0, my = 0;
  for (const LetterRegion* r : regions)
    for (const int p : r->pixels) ink.push_back({p % raster_width + 0.5F, p / raster_width + 0.5F}), mx += ink.back()[0], my += ink.back()[1];
  mx /= static_cast<double>(ink.size()), my /= static_cast<double>(ink.size());
  double reach = 1;
  for (auto& [x, y] : ink) x -= static_cast<float>(mx), y -= static_cast<float>(my), reach = std::max<double>(reach, std::hypot(x, y) + 1);
  LineBox line{mx, my, 0, 0, baseline_angle(ink, reach)};
  double low_u = 1e9, high_u = -1e9, low_v = 1e9, high_v = -1e9;
  const double c = std::cos(line.angle), s = std::sin(line.angle);
  for (const auto& [x, y] : ink) {
    const double u = c * x + s * y, v = c * y - s * x;
    low_u = std::min(low_u, u), high_u = std::max(high_u, u), low_v = std::min(low_v, v), high_v = std::max(high_v, v);
  }
  const auto centre = line.to_picture((low_u + high_u) / 2, (low_v + high_v) / 2);
  line.centre_x = centre[0], line.centre_y = centre[1], line.width = high_u - low_u + 1, line.height = high_v - low_v + 1;
  return line;
}

// A group is a line when it has several letters, or is one wide region: a word whose letters blur has come together.
bool may_be_line(const LineBox& line, std::size_t letters) {
  return line.height >= 6 && (letters >= 2 ? line.width > 0.8 * line.height : line.width > 1.6 * line.height);
}

// A line in pixels of the raster it was found in, with the pixels of its letters.
struct Proposal {
  LineBox place;
  int letters = 0;
  bool bright = false;
  std::vector<int> pixels;
};

void propose(const Raster& raster, int delta, bool bright, std::vector<Proposal>& out) {
  const std::vector<LetterRegion> regions = letter_regions(raster, delta);
  std::set<std::vector<const LetterRegion*>> seen;
  for (const double tone : kMostToneApart) {
    Groups groups(regions.size());
    for (std::size_t i = 0; i < regions.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (neighbours(regions[i], regions[j], tone)) groups.join(static_cast<int>(i), static_cast<int>(j));
    std::map<int, std::vector<const LetterRegion*>> members;
    for (std::size_t i = 0; i < regions.size(); ++i) members[groups.find(static_cast<int>(i))].push_back(&regions[i]);
    for (const auto& [representative, group] : members) {
      if (!seen.insert(group).second) continue;
      Proposal p{fitted(group, raster.width), static_cast<int>(group.size()), bright, {}};
      if (!may_be_line(p.place, group.size())) continue;
      for (const LetterRegion* r : group) p.pixels.insert(p.pixels.end(), r->pixels.begin(), r->pixels.end());
      out.push_back(std::move(p));
    }
  }
}

// Tall letters first; many letters beat few, up to a point beyond which they are rather a texture.
double prominence(const Proposal& p) { return std::min(p.letters, 10) * p.place.height; }

bool alike(const Proposal& a, const Proposal& b) {
  const Box x = bounds(a.place, 0), y = bounds(b.place, 0), both = intersection(x, y);
  if (a.bright != b.bright || both.empty()) return false;
  const double shared = static_cast<double>(both.width) * both.height;
  return shared > 0.75 * (static_cast<double>(x.width) * x.height + static_cast<double>(y.width) * y.height - shared);
}

// `p` in pixels of the picture, which is sx and sy times as large as the raster.
FoundLine in_picture(const Proposal& p, int raster_width, int raster_height, const Image& image) {
  const double sx = static_cast<double>(image.width) / raster_width, sy = static_cast<double>(image.height) / raster_height;
  FoundLine out{p.place, p.letters, p.bright, {}, {}};
  out.place.centre_x *= sx, out.place.centre_y *= sy, out.place.width *= sx, out.place.height *= sy;
  out.box = intersection(bounds(out.place, 1), {0, 0, image.width, image.height});
  const Box area = grown(bounds(p.place, 1), 0, raster_width, raster_height);
  Raster mask(area.width, area.height);
  for (const int i : p.pixels)
    if (const int x = i % raster_width - area.x, y = i / raster_width - area.y; x >= 0 && y >= 0 && x < area.width && y < area.height) mask.at(x, y) = 1;
  for (int y = 0; y < out.box.height; ++y)
    for (int x = 0; x < out.box.width; ++x) out.ink.push_back(sampled(mask, (out.box.x + x + 0.5) / sx - area.x, (out.box.y + y + 0.5) / sy - area.y, 0) >= 0.5F);
  return out;
}

}  // namespace

std::array<double, 2> LineBox::to_line(double x, double y) const {
  const double c = std::cos(angle), s = std::sin(angle), dx = x - centre_x, dy = y - centre_y;
  return {c * dx + s * dy, c * dy - s * dx};
}

std::array<double, 2> LineBox::to_picture(double u, double v) const {
  const double c = std::cos(angle), s = std::sin(angle);
  return {centre_x + c * u - s * v, centre_y + s * u + c * v};
}

Box bounds(const LineBox& line, double margin) {
  const double c = std::cos(line.angle), s = std::abs(std::sin(line.angle)), w = line.width / 2 + margin, h = line.height / 2 + margin;
  const double half_x = c * w + s * h, half_y = s * w + c * h;
  const int x = static_cast<int>(std::floor(line.centre_x - half_x)), y = static_cast<int>(std::floor(line.centre_y - half_y));
  return {x, y, static_cast<int>(std::ceil(line.centre_x + half_x)) - x, static_cast<int>(std::ceil(line.centre_y + half_y)) - y};
}

std::vector<FoundLine> find_text_lines(const Image& image, std::size_t limit) {
  const double side = std::min(image.width, image.height), pixels = static_cast<double>(image.width) * image.height;
  const double scale = pixels > kSearchedPixels ? std::sqrt(kSearchedPixels / pixels) : std::clamp(std::ceil(kSearchedSide_px / side), 1.0, 4.0);
  const int width = std::max(1, static_cast<int>(image.width * scale)), height = std::max(1, static_cast<int>(image.height * scale));
  std::vector<Proposal> proposals;
  for (const int which : {0, 1, 2}) {
    if (which > 0 && (image.channels == 1 || std::any_of(proposals.begin(), proposals.end(), [](const Proposal& p) { return p.letters >= 3; }))) break;
    const Raster plain = channel(image, which);
    const double noise = noise_of(plain);
    Raster raster = blurred(plain, noise > 12 ? 1.8 : noise > 4 ? 1.2 : noise > 1 ? 0.7 : 0);
    if (scale != 1) raster = scaled(raster, width, height);
    const int delta = std::clamp(static_cast<int>(noise / 2) + 4, 4, 12);
    propose(raster, delta, false, proposals);
    for (float& v : raster.values) v = 255 - v;
    propose(raster, delta, true, proposals);
  }
  std::stable_sort(proposals.begin(), proposals.end(), [](const Proposal& a, const Proposal& b) { return prominence(a) > prominence(b); });
  std::vector<const Proposal*> kept;
  for (const Proposal& p : proposals)
    if (kept.size() < limit && std::none_of(kept.begin(), kept.end(), [&](const Proposal* k) { return alike(*k, p); })) kept.push_back(&p);
  std::vector<FoundLine> out;
  for (const Proposal* p : kept)
    if (FoundLine line = in_picture(*p, width, height, image); !line.box.empty()) out.push_back(std::move(line));
  return out;
}

}  // namespace safelight
