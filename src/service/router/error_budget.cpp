#include "service/router/error_budget.h"

#include <array>

namespace safelight {
namespace {

constexpr std::int64_t kMinute_ms = 60'000, kHour_ms = 60 * kMinute_ms, kDay_ms = 24 * kHour_ms;
constexpr std::array<std::int64_t, 4> kWindows_ms = {5 * kMinute_ms, 30 * kMinute_ms, kHour_ms, 6 * kHour_ms};

struct Alarm {
  BurnState state;
  double spent;                  // share of the period's budget that may go in the long window
  std::int64_t long_ms, short_ms;
};
constexpr std::array<Alarm, 2> kAlarms = {{{BurnState::fast, 0.02, kHour_ms, 5 * kMinute_ms}, {BurnState::slow, 0.05, 6 * kHour_ms, 30 * kMinute_ms}}};

}  // namespace

std::string_view name(BurnState state) { return state == BurnState::fast ? "fast" : state == BurnState::slow ? "slow" : "calm"; }

Json to_json(const BudgetReport& r) {
  Json out = {{"objective", r.objective}, {"allowed", r.allowed}, {"good", r.good}, {"bad", r.bad}, {"left", r.left}, {"state", name(r.state)}, {"windows", Json::array()}};
  for (const BurnWindow& w : r.windows) out["windows"].push_back({{"minutes", w.window_ms / kMinute_ms}, {"good", w.good}, {"bad", w.bad}, {"burn", w.burn}});
  return out;
}

void SlicedCounts::add(bool good, std::int64_t now_ms) {
  const std::int64_t number = now_ms / slice_ms_;
  Slice& s = slices_[static_cast<std::size_t>(number) % slices_.size()];
  if (s.number != number) s = {number, 0, 0};
  ++(good ? s.good : s.bad);
}

BurnWindow SlicedCounts::sum(std::int64_t window_ms, std::int64_t now_ms) const {
  BurnWindow out{.window_ms = window_ms};
  const std::int64_t last = now_ms / slice_ms_, first = last - window_ms / slice_ms_ + 1;
  for (std::int64_t number = first < 0 ? 0 : first; number <= last; ++number) {
    const Slice& s = slices_[static_cast<std::size_t>(number) % slices_.size()];
    if (s.number == number) out.good += s.good, out.bad += s.bad;
  }
  return out;
}

ErrorBudget::ErrorBudget(std::string objective, double allowed, int period_days)
    : objective_(std::move(objective)), allowed_(allowed), period_days_(period_days), minutes_(kMinute_ms, 360), hours_(kHour_ms, static_cast<std::size_t>(period_days) * 24) {}

void ErrorBudget::record(bool good, std::int64_t now_ms) {
  minutes_.add(good, now_ms);
  hours_.add(good, now_ms);
}

double ErrorBudget::burn(std::int64_t window_ms, std::int64_t now_ms) const {
  const BurnWindow w = minutes_.sum(window_ms, now_ms);
  const double all = static_cast<double>(w.good + w.bad);
  if (w.bad == 0) return 0;
  return static_cast<double>(w.bad) / all / (allowed_ > 0 ? allowed_ : 1e-9);
}

BurnState ErrorBudget::state(std::int64_t now_ms) const {
  for (const Alarm& a : kAlarms) {
    const double limit = a.spent * static_cast<double>(period_days_ * kDay_ms) / static_cast<double>(a.long_ms);
    if (burn(a.short_ms, now_ms) > limit && burn(a.long_ms, now_ms) > limit) return a.state;
  }
  return BurnState::calm;
}

BudgetReport ErrorBudget::report(std::int64_t now_ms) const {
  const BurnWindow period = hours_.sum(period_days_ * kDay_ms, now_ms);
  BudgetReport out{.objective = objective_, .allowed = allowed_, .good = period.good, .bad = period.bad, .left = 1, .state = state(now_ms), .windows = {}};
  const double may = allowed_ * static_cast<double>(period.good + period.bad);
  if (period.bad > 0) out.left = may > 0 ? 1 - static_cast<double>(period.bad) / may : -1;
  for (const std::int64_t window : kWindows_ms) {
    BurnWindow w = minutes_.sum(window, now_ms);
    w.burn = burn(window, now_ms);
    out.windows.push_back(w);
  }
  return out;
}

}  // namespace safelight
