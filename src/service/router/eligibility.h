// Which rows of the catalogue may serve a request, and for every other one why not.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "service/providers/provider.h"
#include "service/router/health.h"
#include "service/router/moment.h"
#include "service/router/slo.h"
#include "service/router/spend.h"
#include "service/router/statistics.h"
#include "service/router/task_profile.h"

namespace safelight {

struct Ineligible {
  std::string code;                        // "no_capability:mask", "over_price", ...; stable, used in JSON
  std::string reason;                      // one sentence
  bool hard = true;                        // no rung of the ladder helps; otherwise only a first choice may not be it
  bool may_panic = false;                  // see Unhealthy
};

struct RouteRequest {
  std::string id;                          // of the job: decides where chance does
  ImageRequest image;                      // image.model: the row that must be the first choice; empty: the router chooses
  TaskProfile profile;
  std::map<std::string, double> queue_ms;  // row id -> wait before it would start, as its queue says now; absent: none
  bool pinned = false;                     // nothing but image.model as it is may serve it: part of a batch whose look must not change
  std::map<std::string, Ineligible> closed;  // row id -> why it cannot be called from here at all; see unreachable_rows()
  bool has_preview = false;                // a cached or smaller picture of this very request exists
};

// What decisions are made from. Borrowed; nothing is changed by deciding.
struct RouterState {
  const Catalogue& catalogue;
  const RouteStatistics& statistics;
  const HealthBoard& health;
  const SpendBook& spending;
};

// Permission, status, reach, capability, price, money left, health, in this order: the first that fails.
std::optional<Ineligible> unusable(const ModelRow& row, const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now);

// Rows whose protocol nothing serves (neither the table nor `injected`), and rows whose key `credentials` does not have.
std::map<std::string, Ineligible> unreachable_rows(const Catalogue& catalogue, const std::vector<ProviderEntry>& injected, const CredentialSource& credentials);

// What makes a usable row unfit for the first choice: measured quality below the floor, or more often late than not.
std::optional<Ineligible> unfit(const OptionOutlook& outlook, double queue_ms, double limit_ms, const TaskProfile& profile, const Slo& slo);

// US dollars for all pictures of the request; empty: not known. 0 x 0: the request's own size.
std::optional<double> request_usd(const ModelRow& row, const ImageRequest& image, int width_px = 0, int height_px = 0);

}  // namespace safelight
