#include "engine/training/scene_checker.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "engine/training/scene_render.h"

namespace safelight {
namespace {

using Lab = std::array<double, 3>;

Lab lab_of(double r, double g, double b) {
  const auto linear = [](double c) { return (c /= 255) <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
  const double x = linear(r), y = linear(g), z = linear(b);
  const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
  const double fx = f((0.4124 * x + 0.3576 * y + 0.1805 * z) / 0.9505), fy = f(0.2126 * x + 0.7152 * y + 0.0722 * z);
  const double fz = f((0.0193 * x + 0.1192 * y + 0.9505 * z) / 1.089);
  return {116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)};
}

double distance(const Lab& a, const Lab& b) { return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]); }

Colour nearest_colour(const Lab& lab) {
  int best = 0;
  double closest = 1e9;
  for (int c = 0; c < kColours; ++c) {
    const Rgb p = rgb(static_cast<Colour>(c));
    const double d = distance(lab, lab_of(p.r, p.g, p.b));
    if (d < closest) closest = d, best = c;
  }
  return static_cast<Colour>(best);
}

// Median of the border, channel by channel.
Rgb background_of(const std::uint8_t* p, int side) {
  std::array<std::vector<std::uint8_t>, 3> v;
  for (int i = 0; i < side; ++i)
    for (const int at : {i, (side - 1) * side + i, i * side, i * side + side - 1})
      for (std::size_t k = 0; k < 3; ++k) v[k].push_back(p[3 * at + static_cast<int>(k)]);
  for (auto& c : v) std::nth_element(c.begin(), c.begin() + static_cast<std::ptrdiff_t>(c.size() / 2), c.end());
  return {v[0][v[0].size() / 2], v[1][v[1].size() / 2], v[2][v[2].size() / 2]};
}

struct Region {
  std::vector<int> pixels;
  int x0 = 1 << 20, y0 = 1 << 20, x1 = -1, y1 = -1;
};

std::vector<Region> regions_of(const std::vector<char>& foreground, int side) {
  std::vector<Region> out;
  std::vector<char> seen(foreground.size(), 0);
  for (int start = 0; start < side * side; ++start) {
    if (!foreground[static_cast<std::size_t>(start)] || seen[static_cast<std::size_t>(start)]) continue;
    Region r;
    std::vector<int> stack = {start};
    seen[static_cast<std::size_t>(start)] = 1;
    while (!stack.empty()) {
      const int at = stack.back(), x = at % side, y = at / side;
      stack.pop_back();
      r.pixels.push_back(at);
      r.x0 = std::min(r.x0, x), r.x1 = std::max(r.x1, x), r.y0 = std::min(r.y0, y), r.y1 = std::max(r.y1, y);
      for (const auto& [nx, ny] : {std::pair{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}}) {
        if (nx < 0 || ny < 0 || nx >= side || ny >= side) continue;
        const auto n = static_cast<std::size_t>(ny * side + nx);
        if (foreground[n] && !seen[n]) seen[n] = 1, stack.push_back(static_cast<int>(n));
      }
    }
    out.push_back(std::move(r));
  }
  return out;
}

// Overlap (intersection over union) of the region with a shape stretched into the region's own box.
double overlap(const Region& r, const std::vector<char>& member, int side, Shape shape) {
  // Half extents of each shape in units of its radius, and the centre of its box.
  const double half_x = shape == Shape::square ? 0.88 : shape == Shape::diamond ? 0.8 : 1.0;
  const double top = shape == Shape::square ? -0.88 : -1.0, bottom = shape == Shape::square ? 0.88 : shape == Shape::triangle ? 0.8 : 1.0;
  const double w = r.x1 - r.x0 + 1, h = r.y1 - r.y0 + 1;
  int both = 0, either = 0;
  for (int y = r.y0; y <= r.y1; ++y)
    for (int x = r.x0; x <= r.x1; ++x) {
      const double dx = ((x - r.x0 + 0.5) / w * 2 - 1) * half_x, dy = top + (y - r.y0 + 0.5) / h * (bottom - top);
      const bool in = inside(shape, dx, dy), has = member[static_cast<std::size_t>(y * side + x)] != 0;
      both += in && has;
      either += in || has;
    }
  // Shapes are not stretched in this world: a box of other proportions speaks against the shape.
  const double expected = (2 * half_x) / (bottom - top), stretch = std::abs(std::log(w / h / expected));
  return static_cast<double>(both) / std::max(either, 1) - 0.4 * stretch;
}

std::string spoken(const SeenObject& o) { return std::string(name(o.colour)) + " " + name(o.shape); }

}  // namespace

PromptClaims parse_prompt(const std::string& text) {
  PromptClaims out;
  std::string lowered;
  for (const char c : text) {
    if (c == ',' || c == '.') (lowered += ' ') += c, lowered += ' ';
    else lowered += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  const std::vector<std::string> vocabulary = {"a", "the", "and", "is", "that", "there", "picture", "of", "on", "to", "background", ",", ".", "white", "gray", "black", "small", "medium", "large"};
  std::istringstream words(lowered);
  std::optional<Colour> pending;
  bool shape_waits = false;  // "a circle that is red": the colour follows
  for (std::string word; words >> word;) {
    bool known = std::find(vocabulary.begin(), vocabulary.end(), word) != vocabulary.end();
    for (int c = 0; c < kColours; ++c)
      if (word == name(static_cast<Colour>(c))) {
        known = true;
        if (shape_waits && !out.objects.back().colour) out.objects.back().colour = static_cast<Colour>(c);
        else pending = static_cast<Colour>(c);
        shape_waits = false;
      }
    for (int s = 0; s < kShapes; ++s)
      if (word == name(static_cast<Shape>(s))) {
        known = true;
        out.objects.push_back({static_cast<Shape>(s), pending});
        shape_waits = !pending;
        pending.reset();
      }
    for (const char* relation : {"left", "right", "above", "below"})
      if (word == relation) known = true, out.relation = word, shape_waits = false;
    if (!known) out.unknown.push_back(word);
  }
  return out;
}

std::vector<SeenObject> see_objects(const std::uint8_t* p, int side) {
  const Rgb back = background_of(p, side);
  const Lab ground = lab_of(back.r, back.g, back.b);
  std::vector<char> foreground(static_cast<std::size_t>(side * side));
  std::vector<Lab> labs(foreground.size());
  for (std::size_t i = 0; i < foreground.size(); ++i) {
    labs[i] = lab_of(p[3 * i], p[3 * i + 1], p[3 * i + 2]);
    foreground[i] = distance(labs[i], ground) > 24;
  }
  std::vector<SeenObject> out;
  for (const Region& r : regions_of(foreground, side)) {
    if (static_cast<double>(r.pixels.size()) < 0.008 * side * side) continue;
    std::vector<char> member(foreground.size(), 0);
    SeenObject o;
    std::array<std::vector<double>, 3> lab;
    for (const int at : r.pixels) {
      member[static_cast<std::size_t>(at)] = 1;
      o.x += (at % side + 0.5) / side / static_cast<double>(r.pixels.size());
      o.y += (at / side + 0.5) / side / static_cast<double>(r.pixels.size());
      for (std::size_t k = 0; k < 3; ++k) lab[k].push_back(labs[static_cast<std::size_t>(at)][k]);
    }
    for (auto& v : lab) std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    o.colour = nearest_colour({lab[0][lab[0].size() / 2], lab[1][lab[1].size() / 2], lab[2][lab[2].size() / 2]});
    o.area = static_cast<double>(r.pixels.size()) / (side * side);
    o.shape_score = -1;
    for (int s = 0; s < kShapes; ++s) {
      const double score = overlap(r, member, side, static_cast<Shape>(s));
      if (score > o.shape_score) o.shape_score = score, o.shape = static_cast<Shape>(s);
    }
    out.push_back(o);
  }
  std::sort(out.begin(), out.end(), [](const SeenObject& a, const SeenObject& b) { return a.area > b.area; });
  return out;
}

CheckResult check_image(const std::uint8_t* rgb, int side, const PromptClaims& claims) {
  const std::vector<SeenObject> seen = see_objects(rgb, side);
  CheckResult r;
  r.count_right = seen.size() == claims.objects.size();
  if (!r.count_right) r.reason = std::to_string(claims.objects.size()) + " objects were asked for, " + std::to_string(seen.size()) + " are there";
  std::vector<int> match(claims.objects.size(), -1);
  std::vector<char> taken(seen.size(), 0);
  r.shape_right = r.colour_right = !claims.objects.empty() && !seen.empty();
  for (std::size_t i = 0; i < claims.objects.size(); ++i) {
    const ObjectClaim& claim = claims.objects[i];
    const auto fits = [&](const SeenObject& o) { return (claim.shape && o.shape == *claim.shape ? 2 : 0) + (!claim.colour || o.colour == *claim.colour ? 1 : 0); };
    int best = -1;
    for (std::size_t k = 0; k < seen.size(); ++k)
      if (!taken[k] && (best < 0 || fits(seen[k]) > fits(seen[static_cast<std::size_t>(best)]))) best = static_cast<int>(k);
    match[i] = best;
    if (best < 0) {
      r.shape_right = r.colour_right = false;
      continue;
    }
    const SeenObject& o = seen[static_cast<std::size_t>(best)];
    taken[static_cast<std::size_t>(best)] = 1;
    if (claim.shape && o.shape != *claim.shape) r.shape_right = false;
    if (claim.colour && o.colour != *claim.colour) r.colour_right = false;
    if (r.reason.empty() && fits(o) != 3)
      r.reason = std::string(claim.colour ? name(*claim.colour) : "any") + " " + name(*claim.shape) + " was asked for, " + spoken(o) + " is there";
  }
  if (!claims.relation.empty() && match.size() == 2) {
    if (match[0] < 0 || match[1] < 0) {
      r.relation_right = false;
    } else {
      const SeenObject &a = seen[static_cast<std::size_t>(match[0])], &b = seen[static_cast<std::size_t>(match[1])];
      const double dx = a.x - b.x, dy = a.y - b.y;
      r.relation_right = claims.relation == "left" ? dx < -0.1 : claims.relation == "right" ? dx > 0.1 : claims.relation == "above" ? dy < -0.1 : dy > 0.1;
    }
    if (!r.relation_right && r.reason.empty()) r.reason = "the first is not " + claims.relation + " of the second";
  }
  return r;
}

}  // namespace safelight
