// Time, injected, so that waiting and deadlines can be tested without waiting.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace safelight {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t steady_ms() = 0;  // never goes back
  virtual std::int64_t unix_ms() = 0;    // since 1970, UTC
  // Waits, or returns early when *cancel becomes true (null: never).
  virtual void sleep_ms(std::int64_t duration_ms, const std::atomic<bool>* cancel) = 0;
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  std::int64_t steady_ms() override;
  std::int64_t unix_ms() override;
  void sleep_ms(std::int64_t duration_ms, const std::atomic<bool>* cancel) override;
};

// "2026-11-25" in UTC.
std::string date_of(std::int64_t unix_ms);

// Seconds, an HTTP date or nothing of a Retry-After header -> milliseconds from now, at least 0; -1: not readable.
std::int64_t retry_after_ms(const std::string& value, std::int64_t now_unix_ms);

}  // namespace safelight
