// Error budgets: how much of what may go wrong has gone wrong, over several windows at once (burn rates as in the Site
// Reliability Workbook, chapter 5: a long window says that it matters, a short one that it still goes on).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/json.h"

namespace safelight {

enum class BurnState { calm, slow, fast };   // slow: worth a ticket; fast: worth waking somebody
std::string_view name(BurnState state);

struct BurnWindow {
  std::int64_t window_ms = 0;
  std::uint64_t good = 0, bad = 0;
  double burn = 0;               // share of bad / allowed share; 1 uses the budget up in exactly the period
};

struct BudgetReport {
  std::string objective;         // "latency", "quality", "answered"
  double allowed = 0;            // share that may be bad
  std::uint64_t good = 0, bad = 0;  // in the period
  double left = 1;               // share of the period's budget that is left; negative: overspent
  BurnState state = BurnState::calm;
  std::vector<BurnWindow> windows;  // 5 minutes, 30 minutes, 1 hour, 6 hours
};

Json to_json(const BudgetReport& report);

// Counts in equal slices of time, the newest ones only.
class SlicedCounts {
 public:
  SlicedCounts(std::int64_t slice_ms, std::size_t slices) : slice_ms_(slice_ms), slices_(slices) {}
  void add(bool good, std::int64_t now_ms);
  BurnWindow sum(std::int64_t window_ms, std::int64_t now_ms) const;

 private:
  struct Slice {
    std::int64_t number = -1;
    std::uint64_t good = 0, bad = 0;
  };
  std::int64_t slice_ms_;
  std::vector<Slice> slices_;
};

// One objective. Times are steady milliseconds.
class ErrorBudget {
 public:
  ErrorBudget(std::string objective, double allowed, int period_days);
  void record(bool good, std::int64_t now_ms);
  BudgetReport report(std::int64_t now_ms) const;
  BurnState state(std::int64_t now_ms) const;

 private:
  double burn(std::int64_t window_ms, std::int64_t now_ms) const;
  std::string objective_;
  double allowed_;
  int period_days_;
  SlicedCounts minutes_, hours_;
};

}  // namespace safelight
