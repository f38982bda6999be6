// A batch that must look like one piece: model, style, settings and the rule for seeds are fixed with its first picture, and how far
// the finished pictures differ in style is measured.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/measure/image_statistics.h"
#include "service/router/plan.h"

namespace safelight {

enum class SeedRule {
  same,          // every picture the first seed
  consecutive,   // seed, seed + 1, ...: picture i of a batch is the same whatever the others are
};
SeedRule seed_rule(std::string_view name);   // throws Error(invalid_argument) that lists them
std::string_view name(SeedRule rule);

struct BatchPin {
  std::string model;               // id of the row
  std::string style, quality;
  int width_px = 0, height_px = 0;
  std::optional<int> steps;
  std::optional<double> guidance;
  SeedRule rule = SeedRule::consecutive;
  std::optional<std::uint64_t> first_seed;   // empty: the row takes no seeds
};

// From the plan for the first picture. Throws Error(unavailable) for a plan without steps.
BatchPin pin_batch(const RoutePlan& plan, const ImageRequest& first, const ModelRow& row, SeedRule rule, std::uint64_t first_seed);

// The request for picture `index` of the batch: pinned to the model and settings. Throws Error(conflict) that names what the request
// sets otherwise than the pin.
RouteRequest pinned_request(const BatchPin& pin, RouteRequest request, int index);

struct StyleFigure {
  std::string statistic;
  double mean = 0, deviation = 0;  // over the pictures, in the statistic's own unit
};
struct StyleSpread {
  std::vector<StyleFigure> figures;
  int odd_one = -1;                // index of the picture furthest from the others' mean; -1: fewer than three pictures
  double odd_by = 0;               // its largest distance from the mean of the others, in their standard deviations
};
// Of tone, colour, sharpness and texture; content decides these too, so compare batches of like prompts.
StyleSpread style_spread(std::span<const ImageStatistics> pictures);

}  // namespace safelight
