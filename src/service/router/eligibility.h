// Which rows of the catalogue may serve a request, and for every other one why not.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "service/router/health.h"
#include "service/router/moment.h"
#include "service/router/slo.h"
#include "service/router/spend.h"
#include "service/router/statistics.h"
#include "service/router/task_profile.h"

namespace safelight {

struct RouteRequest {
  std::string id;                          // of the job: decides where chance does
  ImageRequest image;                      // image.model: the row that must be the first choice; empty: the router chooses
  TaskProfile profile;
  std::map<std::string, double> queue_ms;  // row id -> wait before it would start, as its queue says now; absent: none
  bool pinned = false;                     // nothing but image.model as it is may serve it: part of a batch whose look must not change
  bool has_preview = false;                // a cached or smaller picture of this very request exists
};

// What decisions are made from. Borrowed; nothing is changed by deciding.
struct RouterState {
  const Catalogue& catalogue;
  const RouteStatistics& statistics;
  const HealthBoard& health;
  const SpendBook& spending;
};

struct Ineligible {
  std::string code;                        // "no_capability:mask", "over_price", ...; stable, used in JSON
  std::string reason;                      // one sentence
  bool hard = true;                        // no rung of the ladder helps; otherwise only a first choice may not be it
  bool may_panic = false;                  // see Unhealthy
};

// Capability, permission, status, price, money left, health, in this order: the first that fails.
std::optional<Ineligible> unusable(const ModelRow& row, const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now);

// What makes a usable row unfit for the first choice: measured quality below the floor, or more often late than not.
std::optional<Ineligible> unfit(const OptionOutlook& outlook, double queue_ms, double limit_ms, const TaskProfile& profile, const Slo& slo);

// US dollars for all pictures of the request; empty: not known. 0 x 0: the request's own size.
std::optional<double> request_usd(const ModelRow& row, const ImageRequest& image, int width_px = 0, int height_px = 0);

}  // namespace safelight
