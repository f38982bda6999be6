// The plan for a request: which row first, what after it, and why each other row is not in it. Plain data.
#pragma once

#include <string>
#include <vector>

#include "common/base/json.h"
#include "service/router/eligibility.h"
#include "service/router/plan_value.h"

namespace safelight {

struct RouteStep {
  std::string row;                 // id in the catalogue; empty: no model is called
  std::string option;              // key of its statistics
  std::string rung;                // of the ladder by which it is reached; empty: the first choice
  std::vector<std::string> when;   // what may lead to it: deadline, queue, verdict, down; the first choice has none
  double steps_share = 1;          // of the steps that would be taken otherwise
  int width_px = 0, height_px = 0; // asked of the model; 0: as in the request
  std::string upscaler;            // brings it to the size asked for; empty: nothing
  double usd = 0;                  // for all pictures
  bool free = true;                // a call that is given up costs nothing
  double queue_ms = 0, p50_ms = 0, sure_ms = 0;  // wait, median and 99 % quantile of the call
  double slo_ms = 0;               // quantile of the call at the SLO's percentile
  double reserve_ms = -1;          // time kept for a later step; -1: none may follow a call that was given up
  double answers = 1;              // chance that a call gets an answer
  double quality = 0;              // share of right pictures for the task
  bool quality_measured = false;
  std::string why;                 // one sentence
};

struct DroppedRow {
  std::string row, code, reason;
};

struct RoutePlan {
  TaskProfile profile;
  std::string slo;
  std::vector<RouteStep> steps;    // the chosen row first; empty: the request is refused
  std::vector<DroppedRow> dropped; // every row that is in no step, by id
  PlanValue value;                 // of the steps, expected
  double limit_ms = 0, deadline_ms = 0;
  AfterAmbiguous after_ambiguous = AfterAmbiguous::free;
  bool on_refusal = false;
  bool panic = false;              // only rows that look down were left, so they are tried
  bool explored = false;           // the first choice is not the best known, so that the statistics stay fresh
  std::string why;                 // of the choice, one or two sentences
};

struct RoutePolicy {
  double explore = 0.01;           // share of the requests that try an eligible row of which little is known; 0: none
  double stale_samples = 10;       // a row with fewer samples that still count is one of which little is known
  double optimism = 0.4;           // it is tried only if it would be the best choice, were its calls never to fail and to take this share of the time known
  std::uint64_t seed = 0;          // of chance
};

// Deterministic. calm: the error budgets do not burn, so that exploring is allowed. A deadline of the request (image.deadline_ms) counts where
// it is nearer than the SLO's. Throws Error(not_found) for an image.model that the catalogue lacks.
RoutePlan make_plan(const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now, const RoutePolicy& policy, bool calm = true);

// What `safelight run --plan` prints: "plan", "dropped", and the rest.
Json to_json(const RoutePlan& plan);

}  // namespace safelight
