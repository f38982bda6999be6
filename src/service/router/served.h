// What every result says: what was asked, what was served, why, and what it cost. Plain data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "service/router/walk.h"

namespace safelight {

struct Served {
  std::string outcome = "refused";  // full: as asked; degraded: a labelled, lesser picture; refused: none
  std::string asked_model;          // empty: any
  std::string first_choice;         // option of the plan's first step; empty: there was none
  std::string model, option, rung;  // what made the picture; empty where there is none
  int asked_width_px = 0, asked_height_px = 0, width_px = 0, height_px = 0;  // 0: the model's own
  double steps_share = 1;
  std::string upscaler;
  std::vector<std::string> why;     // one sentence for every turn, in order
  std::vector<std::string> shown;   // failure modes in the picture that may pass
  int attempts = 0;
  double usd = 0, possible_usd = 0; // booked; of calls that may have been accepted
  double ms = 0;
  bool on_time = false;             // within the limit
};

// Collects the turns of a walk.
class ServedRecord {
 public:
  ServedRecord(const RoutePlan& plan, const ImageRequest& request);
  void moved(const Move& move);                              // every move, in order
  void attempted(double usd, double possible_usd);           // every attempt, as it was billed
  // The last move decides the outcome.
  Served finish(double elapsed_ms, const std::optional<Judgement>& judgement) const;

 private:
  const RoutePlan& plan_;
  Served served_;
  Move last_;
};

// "degraded (fewer-steps): ..." for people and for the picture's label; empty for a full one.
std::string label(const Served& served);
Json to_json(const Served& served);

}  // namespace safelight
