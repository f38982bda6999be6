// What has been measured of every way to make a picture: latency, how often it answers, how often the picture is right. Old samples
// fade, so that what is known follows what is.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "service/providers/catalogue.h"
#include "service/router/latency.h"

namespace safelight {

// A row, or a row with something reduced; each has statistics of its own. "signs-base", "signs-base+fewer-steps".
struct RouteOption {
  std::string key;
  const ModelRow* row = nullptr;
  double work = 1;                 // share of the row's usual work: scales what the row's own samples say until there are some for the option
};

struct OptionOutlook {
  LatencyView latency;
  double answers = 1;              // chance that a call gets an answer, however late
  double failure_ms = 0;           // mean time until a failed call says so
  double quality = 0;              // chance that the picture is right for the task
  bool quality_measured = false;
  double quality_error = 0;        // standard error of quality; 0 where it is not measured
  double samples = 0;              // latencies that count now, faded ones partly
};

// Not thread-safe. Times are steady milliseconds. A view lives until the next change of its option.
class RouteStatistics {
 public:
  void answered(const std::string& key, double ms, std::int64_t now_ms);
  void failed(const std::string& key, double ms, std::int64_t now_ms);
  // When the last hundred or so pictures clearly contradict what was known before, only they count from then on.
  void judged(const std::string& key, const std::string& task, bool right, std::int64_t now_ms);
  // From a score board: so many of so many pictures were right. Does not fade, and counts as at most kMostMeasured pictures.
  void measured(const std::string& key, const std::string& task, int right, int of);
  // Forgets failures: a breaker that closes or lets a probe through starts afresh.
  void forgive(const std::string& key);

  // fresh: as if it had never failed.
  OptionOutlook outlook(const RouteOption& option, const std::string& task, std::int64_t now_ms, bool fresh = false) const;

 private:
  struct Share {
    double right = 0, of = 0;
    double share() const { return of > 0 ? right / of : 0; }
    void add(bool is_right, double keep) { right = right * keep + (is_right ? 1 : 0), of = of * keep + 1; }
  };
  struct Quality {
    Share board;                            // measured once, does not fade
    Share seen, recent;                     // judged, fading slowly and quickly
    std::int64_t at_ms = 0;
    Share known(std::int64_t now_ms) const; // of the board and all that was seen
  };
  struct Record {
    std::array<double, kLatencyBins> weights{};
    LatencyTable table;                     // of weights
    double samples = 0;                     // sum of weights
    double answers = 0, failures = 0, failure_time_ms = 0;
    std::int64_t latency_at_ms = 0, answers_at_ms = 0;
    std::map<std::string, Quality> quality;
  };
  const LatencyTable& prior(const ModelRow& row) const;
  static double faded(double value, std::int64_t since_ms, std::int64_t now_ms, double half_life_ms);
  void count(Record& r, bool answer, double ms, std::int64_t now_ms);

  std::map<std::string, Record> records_;
  mutable std::map<int, LatencyTable> priors_;  // by typical latency, ms; made when first needed
};

}  // namespace safelight
