#include "service/router/spend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"

namespace safelight {
namespace {

std::int64_t day_of(std::int64_t unix_ms) { return unix_ms / 86'400'000; }

}  // namespace

// A thousandth of a millionth is forgiven, so that 0.07 does not become 70001 by its binary form.
std::int64_t musd(double usd) { return static_cast<std::int64_t>(std::ceil(usd * 1e6 - 1e-3)); }

double usd_of(std::int64_t musd) { return static_cast<double>(musd) / 1e6; }

bool SpendBook::reserve(const std::string& id, const std::string& account, double usd, double cap_per_day_usd, std::int64_t unix_ms) {
  if (open_.contains(id)) throw Error(ErrorCode::internal, "money for attempt '" + id + "' is reserved twice");
  const std::int64_t day = day_of(unix_ms), price = musd(usd);
  SpendTotals& t = totals_[{account, day}];
  if (price > 0 && t.all_musd() + price > musd(cap_per_day_usd)) return false;
  t.reserved_musd += price;
  open_[id] = {account, day, price};
  return true;
}

void SpendBook::settle(const std::string& id, double booked_usd, double possible_usd) {
  const auto it = open_.find(id);
  if (it == open_.end()) return;
  SpendTotals& t = totals_[{it->second.account, it->second.day}];
  t.reserved_musd -= it->second.musd;
  t.booked_musd += musd(booked_usd);
  t.possible_musd += musd(possible_usd);
  open_.erase(it);
}

SpendTotals SpendBook::totals(const std::string& account, std::int64_t unix_ms) const {
  const auto it = totals_.find({account, day_of(unix_ms)});
  return it == totals_.end() ? SpendTotals{} : it->second;
}

double SpendBook::left_usd(const std::string& account, double cap_per_day_usd, std::int64_t unix_ms) const {
  return usd_of(std::max<std::int64_t>(0, musd(cap_per_day_usd) - totals(account, unix_ms).all_musd()));
}

void SpendBook::restore(const std::string& account, const std::vector<AttemptRecord>& attempts) {
  for (const AttemptRecord& a : attempts) {
    SpendTotals& t = totals_[{account, day_of(a.started_unix_ms)}];
    if (a.ended) t.booked_musd += musd(a.cost.usd), t.possible_musd += musd(a.cost.possible_usd);
    else t.possible_musd += musd(a.price_usd);
  }
}

void CappedLedger::open(const AttemptRecord& attempt) {
  {
    const std::lock_guard guard(lock_);
    if (!book_.reserve(attempt.id, account_, attempt.price_usd, cap_usd_, attempt.started_unix_ms))
      throw Error(ErrorCode::conflict, fmt::format("'{}' may spend {:.2f} USD a day, of which {:.2f} are left; this call costs {:.4f}: raise cost.per_day_usd of the SLO or wait for tomorrow (UTC)",
                                                   account_, cap_usd_, book_.left_usd(account_, cap_usd_, attempt.started_unix_ms), attempt.price_usd));
  }
  try {
    inner_.open(attempt);
  } catch (...) {  // nothing will be sent
    const std::lock_guard guard(lock_);
    book_.settle(attempt.id, 0, 0);
    throw;
  }
}

void CappedLedger::close(const AttemptRecord& attempt) noexcept {
  {
    const std::lock_guard guard(lock_);
    book_.settle(attempt.id, attempt.cost.usd, attempt.cost.possible_usd);
  }
  inner_.close(attempt);
}

}  // namespace safelight
