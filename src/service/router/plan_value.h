// What a sequence of attempts can be expected to cost: money, time, quality and broken promises, from distributions alone.
#pragma once

#include <span>
#include <string>

#include "service/router/latency.h"
#include "service/router/slo.h"

namespace safelight {

// One attempt as far as its worth goes.
struct StepOutlook {
  LatencyView latency;           // of the call itself
  double p50_ms = 0, sure_ms = 0;  // its median and its 99 % quantile, without waiting
  double queue_ms = 0;           // wait before it starts
  double answers = 1;            // chance that a call gets an answer, however late
  double failure_ms = 0;         // until a failed call says so
  double usd = 0;                // paid for an answer, and possibly for a call that was given up
  double quality = 0;            // chance that the picture is right
};

enum class AfterAmbiguous { stop, free, any };
AfterAmbiguous after_ambiguous(const SloFallback& fallback);

// How loss is counted; weights as in ModeTraits.
struct LossScale {
  double cost = 0, time = 0, quality = 0;
  double cap_usd = 0;            // 0: money does not count, since none may be spent
  double limit_ms = 0, deadline_ms = 0;
  double percentile = 0.95;
  AfterAmbiguous after_ambiguous = AfterAmbiguous::free;
};
LossScale loss_scale(const Slo& slo, RouteMode mode);

inline constexpr double kLatePenalty = 1;        // answered between the limit and the deadline
inline constexpr double kUnansweredPenalty = 3;  // no picture at all

struct PlanValue {
  double loss = 0;
  double usd = 0;                // expected, possible charges of calls that were given up included
  double on_time = 0;            // chance of a picture within the limit
  double answered = 0;           // chance of a picture within the deadline
};

// Time of the steps after step i of which the fastest must still fit; -1: none may follow a call that was given up.
double reserve_ms(std::span<const StepOutlook* const> steps, std::size_t i, AfterAmbiguous policy);

struct StepTiming {
  double p50_ms = 0, sure_ms = 0, queue_ms = 0, reserve_ms = -1;
  bool free = false;
};
// How long an attempt may take that starts `elapsed_ms` after the request; 0: it is not worth starting. While another step may follow, time
// for that one is kept within the limit, except where this one is the fastest that is left; the last may take until the deadline.
double attempt_ms(const StepTiming& step, double elapsed_ms, double limit_ms, double deadline_ms);

PlanValue value_of(std::span<const StepOutlook* const> steps, const LossScale& scale);

}  // namespace safelight
