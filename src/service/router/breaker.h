// A circuit breaker: keeps requests away from what fails, and lets one through now and then to see whether it is back.
// Values as Envoy's outlier detection has them by default.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace safelight {

struct BreakerRules {
  int consecutive = 5;                   // failures in a row that open it
  double share = 0.5;                    // or more than this share ...
  int least = 10;                        // ... of at least so many calls in the window
  std::int64_t window_ms = 60'000;
  std::int64_t ejection_ms = 30'000;     // the n-th opening lasts n times this ...
  std::int64_t longest_ms = 300'000;     // ... but no longer
  std::int64_t probe_ms = 180'000;       // a probe of which nothing was heard for so long is lost
};

enum class BreakerState { closed, open, half_open, probing };
std::string_view name(BreakerState state);

struct BreakerCounts {
  int calls = 0, failures = 0;           // in the window
};

// Times are steady milliseconds.
class Breaker {
 public:
  explicit Breaker(const BreakerRules& rules = {}) : rules_(rules) {}
  void succeeded(std::int64_t now_ms);
  void failed(std::int64_t now_ms);
  void failed_softly(std::int64_t now_ms);       // counts in the share, not in the row of failures
  void eject(std::int64_t now_ms);               // opens it for another reason
  // Takes the one probe of a half-open breaker; false where there is none to take. A closed breaker needs none.
  bool take_probe(std::int64_t now_ms);

  BreakerState state(std::int64_t now_ms) const;
  std::int64_t open_until_ms() const { return open_until_ms_; }
  int ejections() const { return ejections_; }
  BreakerCounts counts(std::int64_t now_ms) const;

 private:
  struct Slice {
    std::int64_t number = -1;
    int calls = 0, failures = 0;
  };
  void count(bool failure, std::int64_t now_ms);
  void after_failure(std::int64_t now_ms);

  BreakerRules rules_;
  std::array<Slice, 6> slices_{};
  int in_a_row_ = 0;
  int ejections_ = 0;
  bool tripped_ = false;
  std::int64_t open_until_ms_ = 0, probe_since_ms_ = -1, closed_since_ms_ = 0;
};

}  // namespace safelight
