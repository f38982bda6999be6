// Walking a plan: after every attempt, which step comes next, how long it may take, or why it ends. Pure; the caller sends and waits.
// Repeating the same model is not decided here: the provider's retry rules have done that before an attempt counts as failed.
#pragma once

#include <optional>
#include <string>

#include "service/providers/failure.h"
#include "service/router/failure_modes.h"
#include "service/router/plan.h"

namespace safelight {

enum class MoveKind { attempt, deliver, refuse };

struct Move {
  MoveKind kind = MoveKind::refuse;
  std::size_t step = 0;            // attempt: of the plan
  double timeout_ms = 0;           // attempt: for its wait and its call, from now
  std::string trigger;             // attempt after the first choice, deliver of a lesser picture, refuse: deadline, queue, verdict, down; empty: none
  std::string why;                 // one sentence
};

struct AttemptResult {
  std::size_t step = 0;
  std::optional<ProviderFailure> failure;  // empty: there is a picture
  std::optional<Judgement> judgement;      // of the picture, where it was judged
};

// The walk so far. Plain data, stored with the job.
struct Walk {
  double elapsed_ms = 0;           // since the request came, set by the caller before every move
  bool free_only = false;          // a paid call may have been billed: nothing that costs may follow
};

Move first_move(const RoutePlan& plan, Walk& walk);
Move next_move(const RoutePlan& plan, Walk& walk, const AttemptResult& result);

}  // namespace safelight
