// The planner that the router is measured against: it knows every distribution of the script at this moment, and tries every sequence.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/service/router/world.h"

namespace safelight::simulation {

// The true outlook of an option now. `work`: share of the row's usual work.
StepOutlook true_outlook(const World& world, const ModelRow& row, const std::string& task, double work, double usd, std::int64_t ms);

// Brute force: every ordered selection of up to `fallback.attempts` options, the first a row that may be the first choice by its true quality
// and latency, the others rows or what the ladder makes of rows, in any order (the router is bound to the ladder's order; this planner is not).
// It knows distributions, not the dice.
class BruteForcePlanner {
 public:
  explicit BruteForcePlanner(World& world) : world_(world) {}
  // spending: what is left under the caps.
  RoutePlan plan(const RouteRequest& request, const Slo& slo, const SpendBook& spending, std::int64_t ms);

 private:
  struct Option {
    RouteStep step;
    StepOutlook outlook;
    bool first = false;               // may be the first choice
  };
  std::vector<Option> options(const RouteRequest& request, const Slo& slo, const SpendBook& spending, std::int64_t ms) const;
  RoutePlan search(const std::vector<Option>& options, const RouteRequest& request, const Slo& slo) const;

  World& world_;
  HealthBoard healthy_;               // never told of a failure
  RouteStatistics none_;
  std::map<std::string, RoutePlan> known_;  // by everything that a decision depends on
};

}  // namespace safelight::simulation
