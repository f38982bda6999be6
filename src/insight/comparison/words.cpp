#include <algorithm>
#include <cmath>
#include <limits>

#include "insight/comparison/parts.h"

namespace safelight {
namespace {

constexpr const char* kMap = "attention.cross";
constexpr std::size_t kMostCells = 4'000'000;   // of the table that lays two lists over one another

using Words = std::vector<std::string>;

// Positions of a longest common subsequence of a[from_a, to_a) and b[from_b, to_b).
std::vector<std::pair<int, int>> common_words(const Words& a, const Words& b, std::size_t from_a, std::size_t to_a, std::size_t from_b, std::size_t to_b) {
  const std::size_t rows = to_a - from_a, columns = to_b - from_b;
  std::vector<std::pair<int, int>> out;
  if (rows * columns == 0 || rows * columns > kMostCells) return out;
  std::vector<int> longest((rows + 1) * (columns + 1), 0);   // of what remains from (i, j) on
  const auto at = [&](std::size_t i, std::size_t j) -> int& { return longest[i * (columns + 1) + j]; };
  for (std::size_t i = rows; i-- > 0;)
    for (std::size_t j = columns; j-- > 0;)
      at(i, j) = a[from_a + i] == b[from_b + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
  for (std::size_t i = 0, j = 0; i < rows && j < columns;) {
    if (a[from_a + i] == b[from_b + j]) out.emplace_back(static_cast<int>(from_a + i++), static_cast<int>(from_b + j++));
    else if (at(i + 1, j) >= at(i, j + 1)) ++i;
    else ++j;
  }
  return out;
}

const MapInfo* map_of(const TraceReader& run) {
  for (const MapInfo& m : run.maps())
    if (m.name == kMap && m.shape.size() == 3 && m.shape[1] > 0 && m.shape[2] > 0 && m.labels.size() == static_cast<std::size_t>(m.shape[0])) return &m;
  return nullptr;
}

// One word's part of a row of maps.
struct WordMap {
  const float* values = nullptr;
  std::size_t height = 0, width = 0;
  std::size_t size() const { return height * width; }
  double total() const {
    double sum = 0;
    for (std::size_t i = 0; i < size(); ++i) sum += std::isfinite(values[i]) ? values[i] : 0;
    return sum;
  }
  // Where its middle lies, 0..1 from the left and from the top.
  std::pair<double, double> centre() const {
    double x = 0, y = 0;
    const double all = std::max(total(), 1e-12);
    for (std::size_t i = 0; i < size(); ++i) {
      if (!std::isfinite(values[i])) continue;
      x += values[i] * (static_cast<double>(i % width) + 0.5) / static_cast<double>(width) / all;
      y += values[i] * (static_cast<double>(i / width) + 0.5) / static_cast<double>(height) / all;
    }
    return {x, y};
  }
};

// Half the L1 distance of the two maps, each brought to a sum of 1; NaN where one is empty.
double moved(const WordMap& a, const WordMap& b) {
  const double all_a = a.total(), all_b = b.total();
  if (all_a <= 0 || all_b <= 0) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::isfinite(a.values[i]) && std::isfinite(b.values[i])) sum += std::abs(a.values[i] / all_a - b.values[i] / all_b);
  return sum / 2;
}

struct Sums {
  double moved = 0, share_a = 0, share_b = 0, x = 0, y = 0;
  int n = 0;
};

void add_step(WordDifference& d, Sums& s, const WordMap& a, const WordMap& b) {
  const double by = moved(a, b);
  d.moved.push_back(by);
  if (!std::isfinite(by)) return;
  if (d.most_pair < 0 || by > d.moved_most) d.moved_most = by, d.most_pair = static_cast<int>(d.moved.size()) - 1;
  const auto from = a.centre(), to = b.centre();
  s.moved += by, s.x += to.first - from.first, s.y += to.second - from.second;
  s.share_a += a.total() / static_cast<double>(a.size()), s.share_b += b.total() / static_cast<double>(b.size());
  ++s.n;
}

}  // namespace

std::vector<std::pair<int, int>> aligned_words(const Words& a, const Words& b) {
  std::size_t head = 0, tail = 0;
  while (head < std::min(a.size(), b.size()) && a[head] == b[head]) ++head;
  while (tail + head < std::min(a.size(), b.size()) && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  auto anchors = common_words(a, b, head, a.size() - tail, head, b.size() - tail);
  for (std::size_t i = 0; i < head; ++i) anchors.emplace_back(static_cast<int>(i), static_cast<int>(i));
  for (std::size_t i = 0; i <= tail; ++i) anchors.emplace_back(static_cast<int>(a.size() - i), static_cast<int>(b.size() - i));   // the last one: the end of both
  std::sort(anchors.begin(), anchors.end());
  std::vector<std::pair<int, int>> out;
  int next_a = 0, next_b = 0;
  for (const auto& [at_a, at_b] : anchors) {
    while (next_a < at_a || next_b < at_b) out.emplace_back(next_a < at_a ? next_a++ : -1, next_b < at_b ? next_b++ : -1);
    if (at_a == static_cast<int>(a.size())) break;
    out.emplace_back(next_a++, next_b++);
  }
  return out;
}

void compare_words(const TraceReader& first, const TraceReader& second, Comparison& out) {
  const MapInfo *a = map_of(first), *b = map_of(second);
  if (!a || !b) {
    out.missing.push_back(std::string("attention of words: ") + (a ? "the second run has no map of it" : b ? "the first run has no map of it" : "neither run has a map of it"));
    return;
  }
  const bool alike = a->shape[1] == b->shape[1] && a->shape[2] == b->shape[2];
  if (!alike) out.missing.push_back("attention of words: the maps have different sizes; only the words are matched");
  std::vector<Sums> sums;
  for (const auto& [i, j] : aligned_words(a->labels, b->labels)) {
    WordDifference d{.index_first = i, .index_second = j};
    if (i >= 0) d.first = a->labels[static_cast<std::size_t>(i)];
    if (j >= 0) d.second = b->labels[static_cast<std::size_t>(j)];
    d.match = i < 0 ? "only-second" : j < 0 ? "only-first" : d.first == d.second ? "same" : "replaced";
    out.words.push_back(std::move(d));
    sums.emplace_back();
  }
  const auto h = static_cast<std::size_t>(a->shape[1]), w = static_cast<std::size_t>(a->shape[2]);
  for (const StepPair& p : alike ? out.steps : std::vector<StepPair>()) {
    const std::vector<float> x = first.map_row(kMap, p.first), y = second.map_row(kMap, p.second);
    if (x.size() != a->labels.size() * h * w || y.size() != b->labels.size() * h * w) continue;
    for (std::size_t k = 0; k < out.words.size(); ++k) {
      WordDifference& d = out.words[k];
      if (d.index_first < 0 || d.index_second < 0) continue;
      add_step(d, sums[k], {&x[static_cast<std::size_t>(d.index_first) * h * w], h, w}, {&y[static_cast<std::size_t>(d.index_second) * h * w], h, w});
    }
  }
  for (std::size_t k = 0; k < out.words.size(); ++k) {
    const double n = std::max(1, sums[k].n);
    WordDifference& d = out.words[k];
    d.moved_mean = sums[k].moved / n, d.share_first = sums[k].share_a / n, d.share_second = sums[k].share_b / n;
    d.shift_x = sums[k].x / n, d.shift_y = sums[k].y / n;
  }
  std::stable_sort(out.words.begin(), out.words.end(), [](const auto& p, const auto& q) { return p.moved_mean > q.moved_mean; });
}

}  // namespace safelight
