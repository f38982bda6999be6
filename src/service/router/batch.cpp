#include "service/router/batch.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr std::array<const char*, 7> kStyle = {"mean_luma", "std_luma", "mean_chroma", "cast_red", "cast_blue", "sharpness", "texture"};
constexpr double kLeastDeviation = 0.5;   // gray levels: pictures that are all alike make no picture odd

double style_value(const ImageStatistics& s, const char* statistic) {
  for (const auto& [name, value] : listed(s))
    if (name == statistic) return value;
  throw Error(ErrorCode::internal, std::string("there is no picture statistic '") + statistic + "'");
}

StyleFigure figure_of(const char* statistic, const std::vector<double>& values, std::size_t without) {
  StyleFigure f{.statistic = statistic};
  double n = 0, square = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (i != without) f.mean += values[i], n += 1;
  f.mean /= std::max(n, 1.0);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (i != without) square += (values[i] - f.mean) * (values[i] - f.mean);
  f.deviation = n > 1 ? std::sqrt(square / (n - 1)) : 0;
  return f;
}

template <class T>
void require_same(const T& asked, const T& unset, const T& pinned, const char* what) {
  if (asked == unset || asked == pinned) return;
  throw Error(ErrorCode::conflict, std::string("the batch has its ") + what + " pinned and this picture asks for another: leave it out, or start another batch");
}

}  // namespace

std::string_view name(SeedRule rule) { return rule == SeedRule::same ? "same" : "consecutive"; }

SeedRule seed_rule(std::string_view text) {
  for (const SeedRule rule : {SeedRule::same, SeedRule::consecutive})
    if (text == name(rule)) return rule;
  throw Error(ErrorCode::invalid_argument, "seed rule '" + std::string(text.substr(0, 40)) + "' is unknown; known: same, consecutive");
}

BatchPin pin_batch(const RoutePlan& plan, const ImageRequest& first, const ModelRow& row, SeedRule rule, std::uint64_t first_seed) {
  if (plan.steps.empty()) throw Error(ErrorCode::unavailable, "the batch cannot start: " + plan.why);
  BatchPin pin{.model = row.id, .style = first.style, .quality = first.quality, .width_px = first.width_px, .height_px = first.height_px,
               .steps = first.steps, .guidance = first.guidance, .rule = rule, .first_seed = {}};
  if (row.can.seed) pin.first_seed = first.seed.value_or(first_seed);
  return pin;
}

RouteRequest pinned_request(const BatchPin& pin, RouteRequest request, int index) {
  ImageRequest& image = request.image;
  require_same<std::string>(image.model, "", pin.model, "model");
  require_same<std::string>(image.style, "", pin.style, "style");
  require_same<std::string>(image.quality, "", pin.quality, "quality");
  require_same(image.width_px, 0, pin.width_px, "width");
  require_same(image.height_px, 0, pin.height_px, "height");
  require_same<std::optional<int>>(image.steps, {}, pin.steps, "steps");
  require_same<std::optional<double>>(image.guidance, {}, pin.guidance, "guidance");
  image.model = pin.model, image.style = pin.style, image.quality = pin.quality;
  image.width_px = pin.width_px, image.height_px = pin.height_px, image.steps = pin.steps, image.guidance = pin.guidance;
  image.seed = pin.first_seed;
  if (image.seed && pin.rule == SeedRule::consecutive) *image.seed += static_cast<std::uint64_t>(index);
  request.pinned = true;
  return request;
}

StyleSpread style_spread(std::span<const ImageStatistics> pictures) {
  StyleSpread out;
  for (const char* statistic : kStyle) {
    std::vector<double> values;
    for (const ImageStatistics& p : pictures) values.push_back(style_value(p, statistic));
    out.figures.push_back(figure_of(statistic, values, values.size()));
    for (std::size_t i = 0; values.size() >= 3 && i < values.size(); ++i) {
      const StyleFigure others = figure_of(statistic, values, i);
      const double by = std::abs(values[i] - others.mean) / std::max(others.deviation, kLeastDeviation);
      if (out.odd_one < 0 || by > out.odd_by) out.odd_one = static_cast<int>(i), out.odd_by = by;
    }
  }
  return out;
}

}  // namespace safelight
