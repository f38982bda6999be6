#include "apps/cli/lab/eval_attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

namespace safelight::app {
namespace {

struct TokenMaps {
  std::vector<std::string> labels;
  std::size_t height = 0, width = 0;
  std::vector<double> sum;   // [tokens, height, width], over steps
};

std::optional<TokenMaps> read_maps(const TraceReader& run, int from_step) {
  const auto it = std::find_if(run.maps().begin(), run.maps().end(), [](const MapInfo& m) { return m.name == "attention.cross"; });
  if (it == run.maps().end() || it->shape.size() != 3) return std::nullopt;
  TokenMaps out{.labels = it->labels, .height = static_cast<std::size_t>(it->shape[1]), .width = static_cast<std::size_t>(it->shape[2]), .sum = {}};
  for (int64_t step = from_step; step < it->rows; ++step) {
    const std::vector<float> row = run.map_row(it->name, step);
    if (row.empty()) continue;
    out.sum.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) out.sum[i] += row[i];
  }
  if (out.sum.size() != out.labels.size() * out.height * out.width || out.sum.empty()) return std::nullopt;
  return out;
}

// Share of every cell of a grid that a mask covers; a picture's side need not be a multiple of the grid's.
std::vector<double> brought_to(const std::vector<std::uint8_t>& mask, int side, std::size_t height, std::size_t width) {
  std::vector<double> covered(height * width, 0.0), all(height * width, 1e-9);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const std::size_t cell = static_cast<std::size_t>(y) * height / static_cast<std::size_t>(side) * width + static_cast<std::size_t>(x) * width / static_cast<std::size_t>(side);
      covered[cell] += mask[static_cast<std::size_t>(y * side + x)];
      ++all[cell];
    }
  for (std::size_t i = 0; i < covered.size(); ++i) covered[i] /= all[i];
  return covered;
}

// The n cells with the largest values.
std::vector<char> top(const double* values, std::size_t cells, std::size_t n) {
  std::vector<std::size_t> order(cells);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  std::vector<char> out(cells, 0);
  for (std::size_t i = 0; i < std::min(n, cells); ++i) out[order[i]] = 1;
  return out;
}

double overlap(const double* map, const std::vector<double>& covered) {
  const auto area = static_cast<std::size_t>(std::max(1.0, std::round(std::accumulate(covered.begin(), covered.end(), 0.0))));
  const std::vector<char> a = top(map, covered.size(), area), b = top(covered.data(), covered.size(), area);
  int both = 0, either = 0;
  for (std::size_t i = 0; i < a.size(); ++i) both += a[i] && b[i], either += a[i] || b[i];
  return static_cast<double>(both) / either;
}

// The share of a map's attention that falls on the mask.
double share_on(const double* map, const std::vector<double>& covered) {
  double on = 0, all = 1e-12;
  for (std::size_t i = 0; i < covered.size(); ++i) on += map[i] * covered[i], all += map[i];
  return on / all;
}

using Measure = double (*)(const double* map, const std::vector<double>& covered);

std::vector<double> measured(const TraceReader& run, int side, std::vector<NounMask> nouns, int from_step, Measure measure) {
  const std::optional<TokenMaps> maps = read_maps(run, from_step);
  if (!maps) return {};
  std::vector<double> out;
  const std::size_t cells = maps->height * maps->width;
  for (std::size_t token = 0; token < maps->labels.size(); ++token) {
    const auto noun = std::find_if(nouns.begin(), nouns.end(), [&](const NounMask& n) { return n.noun == maps->labels[token]; });
    if (noun == nouns.end()) continue;
    if (!noun->mask.empty()) out.push_back(measure(maps->sum.data() + token * cells, brought_to(noun->mask, side, maps->height, maps->width)));
    nouns.erase(noun);
  }
  return out;
}

// Everything that was seen for one claim; empty when nothing was.
std::vector<std::uint8_t> mask_of(int claim, const SeenScene& scene, const CheckResult& check) {
  std::vector<std::uint8_t> out;
  for (const ItemMatch& m : check.matches) {
    if (m.claim != claim || m.seen < 0) continue;
    const auto index = static_cast<std::size_t>(m.seen);
    const std::vector<std::uint8_t>& mask = claim == kTheSign ? scene.signs[index].mask : scene.objects[index].mask;
    out.resize(mask.size());
    for (std::size_t i = 0; i < mask.size(); ++i) out[i] = out[i] || mask[i];
  }
  return out;
}

}  // namespace

std::vector<double> noun_overlaps(const TraceReader& run, int side, std::vector<NounMask> nouns, int from_step) { return measured(run, side, std::move(nouns), from_step, overlap); }

std::vector<double> noun_shares(const TraceReader& run, int side, std::vector<NounMask> nouns, int from_step) { return measured(run, side, std::move(nouns), from_step, share_on); }

std::vector<double> attention_overlaps(const TraceReader& run, const SeenScene& scene, const PromptClaims& claims, const CheckResult& check) {
  std::vector<NounMask> nouns;
  for (std::size_t i = 0; i < claims.objects.size(); ++i) nouns.push_back({claims.objects[i].noun, mask_of(static_cast<int>(i), scene, check)});
  if (claims.sign) nouns.push_back({claims.sign->noun, mask_of(kTheSign, scene, check)});
  return noun_overlaps(run, scene.side, std::move(nouns));
}

}  // namespace safelight::app
