#include "finish/typography/letter_regions.h"

#include <cmath>
#include <numeric>

namespace safelight {
namespace {

constexpr double kMostVariation = 0.6;

// A connected component of the pixels up to one level, at the lowest level that has it.
struct Node {
  int seed = 0;    // one pixel of it
  int level = 0;
  int parent = 0;  // index of the next larger one; the root's own
  int area = 0;
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // bounds, inclusive
  double variation = 0;
};

class ComponentTree {
 public:
  explicit ComponentTree(const Raster& raster);
  const std::vector<Node>& nodes() const { return nodes_; }
  void rate(int delta);                         // sets the variations
  std::vector<int> pixels_of(const Node& node) const;

 private:
  int root_of(std::vector<int>& joined, int p) const {
    while (joined[p] != p) p = joined[p] = joined[joined[p]];
    return p;
  }
  template <class Visit>
  void neighbours(int p, Visit visit) const {
    const int x = p % width_, y = p / width_;
    if (x > 0) visit(p - 1);
    if (x + 1 < width_) visit(p + 1);
    if (y > 0) visit(p - width_);
    if (y + 1 < height_) visit(p + width_);
  }

  int width_, height_;
  std::vector<std::uint8_t> level_;
  std::vector<Node> nodes_;  // children before their parents
};

// Pixels join in the order of their level; a pixel's parent is the one that joined its component to more (Berger and others, 2007).
ComponentTree::ComponentTree(const Raster& raster) : width_(raster.width), height_(raster.height), level_(raster.values.size()) {
  const int count = static_cast<int>(level_.size());
  std::array<int, 257> start{};
  for (int p = 0; p < count; ++p) level_[p] = static_cast<std::uint8_t>(std::clamp(std::lround(raster.values[p]), 0L, 255L)), ++start[level_[p] + 1];
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<int> order(count), parent(count), joined(count, -1);
  for (int p = 0; p < count; ++p) order[start[level_[p]]++] = p;
  for (const int p : order) {
    parent[p] = joined[p] = p;
    neighbours(p, [&](int q) {
      if (joined[q] < 0) return;
      if (const int root = root_of(joined, q); root != p) parent[root] = joined[root] = p;
    });
  }
  for (auto p = order.rbegin(); p != order.rend(); ++p)  // one pixel stands for each level of a component
    if (const int up = parent[*p]; level_[parent[up]] == level_[up]) parent[*p] = parent[up];
  std::vector<int> node(count, -1);
  for (const int p : order)
    if (parent[p] == p || level_[parent[p]] != level_[p]) node[p] = static_cast<int>(nodes_.size()), nodes_.push_back({p, level_[p], node[p], 0, p % width_, p / width_, p % width_, p / width_, 0});
  for (int p = 0; p < count; ++p) {
    Node& n = nodes_[node[p] >= 0 ? node[p] : node[parent[p]]];
    const int x = p % width_, y = p / width_;
    ++n.area, n.x0 = std::min(n.x0, x), n.x1 = std::max(n.x1, x), n.y0 = std::min(n.y0, y), n.y1 = std::max(n.y1, y);
  }
  for (Node& n : nodes_) {
    n.parent = node[parent[n.seed]];
    Node& up = nodes_[n.parent];
    if (&up == &n) continue;
    up.area += n.area, up.x0 = std::min(up.x0, n.x0), up.x1 = std::max(up.x1, n.x1), up.y0 = std::min(up.y0, n.y0), up.y1 = std::max(up.y1, n.y1);
  }
}

void ComponentTree::rate(int delta) {
  for (Node& n : nodes_) {
    const Node* up = &n;
    while (nodes_[up->parent].level <= n.level + delta && &nodes_[up->parent] != up) up = &nodes_[up->parent];
    // The root's growth is unknown: it ends where the values do.
    n.variation = nodes_[up->parent].level <= n.level + delta ? 1e9 : static_cast<double>(up->area - n.area) / n.area;
  }
}

std::vector<int> ComponentTree::pixels_of(const Node& node) const {
  std::vector<int> out = {node.seed};
  const int w = node.x1 - node.x0 + 1;
  std::vector<char> seen(static_cast<std::size_t>(w) * (node.y1 - node.y0 + 1));
  const auto mark = [&](int p) -> char& { return seen[static_cast<std::size_t>(p / width_ - node.y0) * w + p % width_ - node.x0]; };
  mark(node.seed) = 1;
  for (std::size_t head = 0; head < out.size(); ++head)
    neighbours(out[head], [&](int q) {
      if (level_[q] > node.level || mark(q)) return;
      mark(q) = 1, out.push_back(q);
    });
  return out;
}

bool may_be_letter(const Node& n, int width, int height) {
  const int w = n.x1 - n.x0 + 1, h = n.y1 - n.y0 + 1;
  return n.variation < kMostVariation && std::max(w, h) >= 7 && n.area >= 12 && w < 0.9 * width && h < 0.9 * height && h < 8 * w + 8;
}

}  // namespace

std::vector<LetterRegion> letter_regions(const Raster& raster, int delta) {
  ComponentTree tree(raster);
  tree.rate(delta);
  const std::vector<Node>& nodes = tree.nodes();
  std::vector<char> keep(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) keep[i] = may_be_letter(nodes[i], raster.width, raster.height);
  std::vector<int> best(nodes.size());  // of the regions much alike up to this one, the most stable
  std::iota(best.begin(), best.end(), 0);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const int up = nodes[i].parent, rival = best[i];
    if (up == static_cast<int>(i) || !keep[rival] || !may_be_letter(nodes[up], raster.width, raster.height) || nodes[rival].area < 0.6 * nodes[up].area) continue;
    const bool larger = nodes[up].variation < nodes[rival].variation;
    keep[larger ? rival : up] = 0;
    best[up] = larger ? up : rival;
  }
  std::vector<LetterRegion> out;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!keep[i]) continue;
    const Node& n = nodes[i];
    LetterRegion region{{n.x0, n.y0, n.x1 - n.x0 + 1, n.y1 - n.y0 + 1}, tree.pixels_of(n), 0, n.variation};
    for (const int p : region.pixels) region.tone += raster.values[p] / static_cast<double>(region.pixels.size());
    out.push_back(std::move(region));
  }
  return out;
}

}  // namespace safelight
