// The health of every row of the catalogue and of every credential: breakers, outliers, hints, retirements.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "service/providers/catalogue.h"
#include "service/providers/failure.h"
#include "service/router/breaker.h"

namespace safelight {

// Why a row may not be called now.
struct Unhealthy {
  std::string code;                    // breaker_open, probe_in_flight, throttled, credential_disabled, model_retired
  std::string reason;
  bool may_panic = false;              // better than nothing: used when all that is left is so
};

struct OutlierRules {
  int least_others = 2;                // endpoints of the same model that it is compared with
  int least_calls = 20;                // of each in the window
  double deviations = 1.9;             // below the mean share of answers of the others ...
  double margin = 0.1;                 // ... and at least so much below
  std::int64_t interval_ms = 10'000;   // between comparisons
};

// Not thread-safe. Times are steady milliseconds.
class HealthBoard {
 public:
  explicit HealthBoard(const BreakerRules& breaker = {}, const OutlierRules& outlier = {}) : breaker_rules_(breaker), outlier_rules_(outlier) {}
  void succeeded(const ModelRow& row, std::int64_t now_ms);
  // Acts as the table of failures says. With a hint the row (throttled) or its credential (exhausted, auth) rests until then.
  void failed(const ModelRow& row, const ProviderFailure& failure, std::int64_t now_ms);
  bool take_probe(const ModelRow& row, std::int64_t now_ms);
  // Somebody topped up, changed the key, or fetched the catalogue again.
  void restore_credential(const std::string& credential) { credentials_.erase(credential); }
  void restore_row(const std::string& id) { rows_.erase(id); }

  std::optional<Unhealthy> problem(const ModelRow& row, std::int64_t now_ms) const;
  BreakerState state(const std::string& id, std::int64_t now_ms) const;
  const Breaker* breaker(const std::string& id) const;

 private:
  struct RowHealth {
    Breaker breaker;
    std::string model;                 // protocol and wire model: endpoints of one model are compared
    std::int64_t not_before_ms = 0;
    bool retired = false;
  };
  RowHealth& health(const ModelRow& row);
  void compare(const std::string& model, std::int64_t now_ms);

  BreakerRules breaker_rules_;
  OutlierRules outlier_rules_;
  std::map<std::string, RowHealth> rows_;
  std::map<std::string, std::int64_t> credentials_;  // disabled until; the largest number: until restored
  std::map<std::string, std::int64_t> compared_at_ms_;
};

}  // namespace safelight
