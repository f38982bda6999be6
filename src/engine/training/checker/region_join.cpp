// What becomes of the parts of a segmented picture: some hang together, some are too small.
#include <algorithm>
#include <numeric>

#include "engine/training/checker/scene_regions.h"

namespace safelight {
namespace {

constexpr float kThinCore = 0.08f;     // share of the inside in an area, below which it is the rim of another
constexpr double kLeastArea = 0.0004;  // of the picture; the smallest objects have twenty times as much

void measure(Regions& regions) {
  const int side = regions.side;
  for (Region& r : regions.all) r.area_px = 0, r.x0 = r.y0 = side, r.x1 = r.y1 = 0;
  for (int at = 0; at < side * side; ++at) {
    const int label = regions.label[static_cast<std::size_t>(at)];
    if (label == kNoRegion) continue;
    Region& r = regions.all[static_cast<std::size_t>(label)];
    const int x = at % side, y = at / side;
    ++r.area_px;
    r.x0 = std::min(r.x0, x), r.x1 = std::max(r.x1, x + 1), r.y0 = std::min(r.y0, y), r.y1 = std::max(r.y1, y + 1);
  }
}

// Whether two parts that touch are of one thing: of one colour, or one hue in light and shade. Only what lies in the midst of
// another part of its hue is a thing of its own.
bool belong_together(const Region& a, const Region& b) {
  if (a.colour == b.colour) return true;
  if (!same_hue(a.mean, b.mean)) return false;
  const Region &large = a.area_px < b.area_px ? b : a, &little = a.area_px < b.area_px ? a : b;
  const bool midst = little.x0 > large.x0 + kBlur_px && little.y0 > large.y0 + kBlur_px && little.x1 < large.x1 - kBlur_px && little.y1 < large.y1 - kBlur_px;
  return !midst || static_cast<float>(little.core_px) < kThinCore * static_cast<float>(little.area_px);
}

// Of every part the one whose colour all that hang together with it take: the one with the largest inside.
std::vector<int> wholes(const Regions& parts) {
  std::vector<int> whole(parts.all.size());
  std::iota(whole.begin(), whole.end(), 0);
  const auto find = [&](int r) {
    while (whole[static_cast<std::size_t>(r)] != r) r = whole[static_cast<std::size_t>(r)];
    return r;
  };
  const auto part = [&](int r) -> const Region& { return parts.all[static_cast<std::size_t>(r)]; };
  for (int at = 0; at < parts.side * parts.side; ++at) {
    const int label = parts.label[static_cast<std::size_t>(at)];
    if (label == kNoRegion) continue;
    for_neighbours(at, parts.side, [&](int n) {
      const int other = parts.label[static_cast<std::size_t>(n)];
      if (other == kNoRegion || other == label) return;
      const int a = find(label), b = find(other);
      if (a == b || !belong_together(part(a), part(b))) return;
      if (part(a).core_px < part(b).core_px) whole[static_cast<std::size_t>(a)] = b;
      else whole[static_cast<std::size_t>(b)] = a;
    });
  }
  for (int r = 0; r < static_cast<int>(whole.size()); ++r) whole[static_cast<std::size_t>(r)] = find(r);
  return whole;
}

}  // namespace

Regions joined(Regions parts) {
  measure(parts);
  const std::vector<int> whole = wholes(parts);
  for (int& l : parts.label)
    if (l != kNoRegion) l = whole[static_cast<std::size_t>(l)];
  measure(parts);
  std::vector<int> order;
  for (int r = 0; r < static_cast<int>(parts.all.size()); ++r)
    if (parts.all[static_cast<std::size_t>(r)].area_px >= kLeastArea * parts.side * parts.side) order.push_back(r);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return parts.all[static_cast<std::size_t>(a)].area_px > parts.all[static_cast<std::size_t>(b)].area_px; });
  std::vector<int> place(parts.all.size(), kNoRegion);
  std::vector<Region> kept;
  for (const int r : order) place[static_cast<std::size_t>(r)] = static_cast<int>(kept.size()), kept.push_back(parts.all[static_cast<std::size_t>(r)]);
  for (int& l : parts.label)
    if (l != kNoRegion) l = place[static_cast<std::size_t>(l)];
  parts.all = std::move(kept);
  return parts;
}

}  // namespace safelight
