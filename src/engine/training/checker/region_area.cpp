#include "engine/training/checker/region_area.h"

#include <algorithm>

namespace safelight {
namespace {

int label_at(const Regions& regions, int x, int y) {
  const bool outside = x < 0 || y < 0 || x >= regions.side || y >= regions.side;
  return outside ? kNoRegion : regions.label[static_cast<std::size_t>(y * regions.side + x)];
}

// The cells that hang together with `start` and are not the region's own; `open` forgets them.
std::vector<int> opening(const Area& a, int start, std::vector<char>& open) {
  std::vector<int> found = {start};
  open[static_cast<std::size_t>(start)] = 0;
  const int n = a.width * a.height;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const int c = found[i], x = c % a.width;
    for (const int next : {x > 0 ? c - 1 : -1, x + 1 < a.width ? c + 1 : -1, c - a.width, c + a.width})
      if (next >= 0 && next < n && open[static_cast<std::size_t>(next)]) open[static_cast<std::size_t>(next)] = 0, found.push_back(next);
  }
  return found;
}

// The share of a region's colour in a pixel at its edge, where it meets another region or the background.
float share_of(const Regions& regions, int index, const std::uint8_t* rgb, int at) {
  const int x = at % regions.side, y = at / regions.side;
  const Region& mine = regions.all[static_cast<std::size_t>(index)];
  const Rgbf here = colour_at(rgb + 3 * at);
  for (int v = y - 1; v <= y + 1; ++v)
    for (int u = x - 1; u <= x + 1; ++u)
      if (const int l = label_at(regions, u, v); l != kNoRegion && l != index) return share_of_second(here, regions.all[static_cast<std::size_t>(l)].mean, mine.mean);
  return share_of_second(chroma(here), {0, 0, 0}, chroma(mine.mean));
}

}  // namespace

Area area_of(const Regions& regions, int index) {
  const Region& r = regions.all[static_cast<std::size_t>(index)];
  Area a{.x0 = r.x0 - 1, .y0 = r.y0 - 1, .width = r.x1 - r.x0 + 2, .height = r.y1 - r.y0 + 2, .cells = {}};
  const auto label_of = [&](int cell) { return label_at(regions, a.x0 + cell % a.width, a.y0 + cell / a.width); };
  const int n = a.width * a.height;
  a.cells.assign(static_cast<std::size_t>(n), Cell::own);
  std::vector<char> open(a.cells.size());
  for (int c = 0; c < n; ++c) open[static_cast<std::size_t>(c)] = label_of(c) != index;
  for (int start = 0; start < n; ++start) {
    if (!open[static_cast<std::size_t>(start)]) continue;
    const std::vector<int> cells = opening(a, start, open);
    const auto others = std::count_if(cells.begin(), cells.end(), [&](int c) { return label_of(c) != kNoRegion; });
    // The first opening begins in the margin: what is outside.
    const Cell kind = start == 0 ? Cell::outside : 2 * others > static_cast<std::ptrdiff_t>(cells.size()) ? Cell::filled : Cell::hole;
    for (const int c : cells) a.cells[static_cast<std::size_t>(c)] = kind;
  }
  return a;
}

double outline_share(const Area& a) {
  const auto in = [&](int x, int y) { return a.at(x, y) != Cell::outside; };
  const int inset = std::max(1, std::min(a.width, a.height) / 10), left = 1 + inset, top = 1 + inset, right = a.width - 2 - inset, bottom = a.height - 2 - inset;
  if (right <= left || bottom <= top || !in(left, top) || !in(right, top) || !in(left, bottom) || !in(right, bottom)) return 0;
  const auto follows = [&](int x, int y, int step_x, int step_y) {
    for (int i = 0; i <= inset; ++i)
      if (in(x + i * step_x, y + i * step_y)) return true;
    return false;
  };
  int good = 0, all = 0;
  for (int y = 2; y < a.height - 2; ++y, all += 2) good += follows(1, y, 1, 0) + follows(a.width - 2, y, -1, 0);
  for (int x = 2; x < a.width - 2; ++x, all += 2) good += follows(x, 1, 0, 1) + follows(x, a.height - 2, 0, -1);
  return static_cast<double>(good) / std::max(all, 1);
}

Coverage coverage_of(const Regions& regions, int index, const Area& a, const std::uint8_t* rgb) {
  Coverage c{.x0 = a.x0, .y0 = a.y0, .width = a.width, .height = a.height, .cells = std::vector<float>(a.cells.size())};
  for (int y = 0; y < a.height; ++y)
    for (int x = 0; x < a.width; ++x) {
      const int u = a.x0 + x, v = a.y0 + y;
      if (u < 0 || v < 0 || u >= regions.side || v >= regions.side) continue;
      const bool own = a.holds(x, y), edge = a.holds(x - 1, y) != own || a.holds(x + 1, y) != own || a.holds(x, y - 1) != own || a.holds(x, y + 1) != own;
      c.cells[static_cast<std::size_t>(y * a.width + x)] = edge ? share_of(regions, index, rgb, v * regions.side + u) : static_cast<float>(own);
    }
  return c;
}

}  // namespace safelight
