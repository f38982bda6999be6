// The router against the brute-force planner, on the same arrivals and the same dice.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/service/router/planner.h"

namespace safelight::simulation {

// Loss of one request, in the unit of plan_value.h: what a plan's money (as a share of the cap), time (of the limit) and wrong pictures weigh
// in the request's mode, plus 1 for a late picture and 3 for none.
//
// Regret is counted twice:
//   expected  the loss that the router's plan has under the true distributions of that moment, minus that of the best plan there is with the
//             money that the router has left (BruteForcePlanner: knows every distribution, tries every sequence), over the latter's sum. Free of
//             luck; what the router loses by having to learn, to probe and to explore is in it, what it loses by spending too early is not.
//   realised  what the router really met minus what the planner really met who lives beside it and spends from a book of its own under the
//             same caps, with the same dice for the same call. Luck is in it, mostly cancelled, and so is money spent too early by either.
// The planner does not know the dice, or it would be a planner with luck, and it does not know which requests will come.
struct Regret {
  double router = 0, planner = 0;   // sums of losses
  double share() const { return (router - planner) / planner; }
};

struct SloFigures {
  int requests = 0;
  int late[2] = {0, 0}, unanswered[2] = {0, 0}, wrong[2] = {0, 0};  // router, planner
  double usd[2] = {0, 0};
};

struct Figures {
  Regret expected, realised;
  std::map<std::string, Regret> by_slo;            // expected
  std::map<std::string, double> by_hour;           // script hour (rounded down) and SLO -> expected regret, absolute
  std::map<std::string, SloFigures> slos;
  std::map<std::string, std::array<int, 2>> first_choices;  // SLO and option -> how often it was the first choice of the router, of the planner
  int requests = 0, attempts = 0, explored = 0, panicked = 0, degraded = 0;
  int breached_hours[2] = {0, 0};      // hours of an SLO in which fewer than the promised share were on time
  int avoidable_hours = 0;             // of the router's, those that the planner did not breach and did not expect to breach
  int needless_risks = 0;              // requests whose plan was truly less likely on time than promised though a plan kept the promise
  int breakers_opened = 0, calls_while_open = 0, probes = 0;
  double most_usd_a_day_of_cap = 0;    // largest spending of a day (reserved, booked, possible) over its cap
  int shut_down_calls = 0;             // calls of a row that its vendor had shut down
  std::string digest;                  // SHA-256 over every plan and outcome
};

struct Extent {
  int requests = 100'000;
  double hours = 168;              // over which the script and the requests are spread
  int first = 0;                   // only so many of the requests are made, the first ones; 0: all
};
// seed: of arrivals, dice and the router's own chance.
Figures simulate(const Extent& extent, std::uint64_t seed);

std::string report(const Figures& figures);

}  // namespace safelight::simulation
