// Spend caps: money is reserved before anything is sent and settled after. Kept in whole millionths of a dollar, so that sums are exact.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "service/providers/ledger.h"

namespace safelight {

struct SpendTotals {
  std::int64_t reserved_musd = 0;   // of calls under way
  std::int64_t booked_musd = 0;     // of accepted work
  std::int64_t possible_musd = 0;   // of calls that may have been accepted
  std::int64_t all_musd() const { return reserved_musd + booked_musd + possible_musd; }
};

std::int64_t musd(double usd);      // rounded up: a cap is never passed by rounding
double usd_of(std::int64_t musd);

// Accounts (an SLO's name) by day (UTC days since 1970). Not thread-safe.
class SpendBook {
 public:
  // Reserves, unless the account's day would then exceed the cap: false, and nothing has changed. An id that is already reserved is
  // a bug of the caller: Error(internal).
  bool reserve(const std::string& id, const std::string& account, double usd, double cap_per_day_usd, std::int64_t unix_ms);
  // Ends a reservation; what is neither booked nor possible is free again. On the day on which it was reserved. Unknown ids are ignored.
  void settle(const std::string& id, double booked_usd, double possible_usd);

  SpendTotals totals(const std::string& account, std::int64_t unix_ms) const;
  // What of the cap is left on that day, USD, at least 0.
  double left_usd(const std::string& account, double cap_per_day_usd, std::int64_t unix_ms) const;
  // Takes over what a ledger remembers, after a restart: attempts that never ended count as possible charges.
  void restore(const std::string& account, const std::vector<AttemptRecord>& attempts);

 private:
  struct Reservation {
    std::string account;
    std::int64_t day = 0, musd = 0;
  };
  std::map<std::pair<std::string, std::int64_t>, SpendTotals> totals_;
  std::map<std::string, Reservation> open_;
};

// A ledger that keeps an account within its cap and hands on to another ledger. Thread-safe if the other is.
class CappedLedger final : public Ledger {
 public:
  // The book and the other ledger are borrowed; the lock guards the book, which several ledgers may share.
  CappedLedger(Ledger& inner, SpendBook& book, std::mutex& lock, std::string account, double cap_per_day_usd)
      : inner_(inner), book_(book), lock_(lock), account_(std::move(account)), cap_usd_(cap_per_day_usd) {}
  // Throws Error(conflict) when the cap is reached, before anything is recorded or sent.
  void open(const AttemptRecord& attempt) override;
  void note_remote_id(const std::string& attempt_id, const std::string& remote_id) override { inner_.note_remote_id(attempt_id, remote_id); }
  void close(const AttemptRecord& attempt) noexcept override;

 private:
  Ledger& inner_;
  SpendBook& book_;
  std::mutex& lock_;
  std::string account_;
  double cap_usd_;
};

}  // namespace safelight
