// The router: keeps what was measured, says what to do with a request, and counts what was promised. Decides only; others send, wait
// and store. Not thread-safe: one owner calls it, or a lock does.
//
//   plan()  ->  first_move()  ->  admit(), send, attempted()  ->  next_move()  ->  ...  ->  served()
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "service/providers/retry.h"
#include "service/router/error_budget.h"
#include "service/router/plan.h"
#include "service/router/served.h"

namespace safelight {

struct AttemptReport {
  std::optional<ProviderFailure> failure;  // empty: there is a picture
  double ms = 0;                           // from the start of the call, without the wait before it
  std::optional<bool> right;               // of the picture, where something judged it against the task
};

class Router {
 public:
  // The catalogue is borrowed.
  explicit Router(const Catalogue& catalogue, const RoutePolicy& policy = {}) : catalogue_(catalogue), policy_(policy) {}

  // Throws Error(invalid_argument) for an SLO that check() refuses or that names rows which the catalogue lacks, and Error(conflict)
  // for a name that is declared already.
  void declare(const Slo& slo);
  const Slo& slo(const std::string& name) const;  // throws Error(not_found) with the known names

  RoutePlan plan(const RouteRequest& request, const std::string& slo, const Moment& now) const;
  // Right before an attempt: health may have changed since the plan, and steps after the first that cost money are held to a retry budget
  // of the SLO (a fifth of its requests), so that an outage does not become a bill. False: take the next step, as after a failure.
  // Takes the probe of a half-open breaker. A panicking plan is admitted whatever the health.
  bool admit(const RoutePlan& plan, const RouteStep& step, const Moment& now);
  void attempted(const RoutePlan& plan, const RouteStep& step, const AttemptReport& report, const Moment& now);
  // right: what judged the picture says; empty: nothing did.
  void served(const std::string& slo, const Served& served, std::optional<bool> right, const Moment& now);

  std::vector<BudgetReport> budgets(const std::string& slo, const Moment& now) const;
  RouteStatistics& statistics() { return statistics_; }
  HealthBoard& health() { return health_; }
  const HealthBoard& health() const { return health_; }
  SpendBook& spending() { return spending_; }

 private:
  struct Promise {
    Slo slo;
    ErrorBudget latency, quality, answered;
    std::unique_ptr<RetryBudget> paid_fallbacks;
  };
  const Promise& promise(const std::string& name) const;

  const Catalogue& catalogue_;
  RoutePolicy policy_;
  RouteStatistics statistics_;
  HealthBoard health_;
  SpendBook spending_;
  std::map<std::string, Promise> promises_;
};

}  // namespace safelight
