// A scripted world for the router's simulation: models whose latencies, failures, prices, queues and quality change by the clock, and
// requests that arrive. Everything is known to the script; the router sees only what a router sees. No randomness but numbered dice.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "service/router/router.h"

namespace safelight::simulation {

inline constexpr double kHour_ms = 3'600'000;
inline constexpr double kReducedQuality = 0.93;   // factor on the quality of an option that does less work

// What a row is like from an hour of the script on.
struct Phase {
  double from_h = 0;
  double median_ms = 1000, spread = 0.3;
  double failing = 0.01;            // share of calls that fail
  double failure_ms = 300;          // how soon they say so
  bool hangs = false;               // failures never say so: the call has to be given up
  double queue_ms = 0;              // wait that the row's own queue announces
  double quality = 1;               // factor on its quality
};

struct ScriptedRow {
  std::string id;
  std::map<std::string, double> quality;  // task -> share of right pictures
  std::vector<Phase> phases;              // ordered by hour, the first from 0
};

struct Arrival {
  std::string id, slo, prompt;
  std::int64_t at_ms = 0;                 // since the start
};

class World {
 public:
  // hours: over which the script is stretched. seed: of the arrivals and the dice.
  World(double hours, std::uint64_t seed);

  const Catalogue& catalogue() const { return catalogue_; }
  const std::vector<Slo>& slos() const { return slos_; }
  const std::vector<ScriptedRow>& rows() const { return rows_; }
  const ScriptedRow& row(const std::string& id) const;
  Moment at(std::int64_t ms) const;       // the simulated clock: 2026-11-20 00:00 UTC at 0
  double hour(std::int64_t ms) const { return static_cast<double>(ms) / kHour_ms / stretch_; }   // of the script
  const Phase& phase(const std::string& id, std::int64_t ms) const;
  const LatencyTable& table(const Phase& phase) const;
  double quality(const std::string& id, const std::string& task, double work, std::int64_t ms) const;
  // Changes of price that have come by then are laid over the catalogue. True when there was one.
  bool apply_prices(std::int64_t ms);
  double dice(int which, const std::string& key) const { return chance(seed_ * 16 + static_cast<std::uint64_t>(which), key); }  // 0 <= x < 1
  std::vector<Arrival> arrivals(int count) const;

 private:
  double hours_, stretch_;
  std::uint64_t seed_;
  Catalogue catalogue_;
  std::vector<Slo> slos_;
  std::vector<ScriptedRow> rows_;
  std::map<std::string, std::size_t> index_;
  std::size_t prices_applied_ = 0;
  mutable std::map<std::pair<double, double>, LatencyTable> tables_;
};

// What happens when a request calls an option of a row: the same whoever asks.
struct Fate {
  bool fails = false;
  double ms = 0;                    // of an answer; of a failure unless it hangs
  bool right = false;               // the picture, for its task
};
Fate fate(const World& world, const Arrival& arrival, const std::string& row, const std::string& option, const std::string& task, double work, std::int64_t ms);

}  // namespace safelight::simulation
