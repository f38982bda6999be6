#include "service/providers/failure.h"

namespace safelight {

const std::vector<FailureTraits>& failure_table() {
  using F = FailureClass;
  using H = HealthEffect;
  // class, name, retry the same, try another, health, disables the credential
  static const std::vector<FailureTraits> table = {
      {F::caller_error, "caller_error", false, false, H::none, false},
      {F::unsupported, "unsupported", false, true, H::none, false},
      {F::refused, "refused", false, false, H::none, false},
      {F::model_retired, "model_retired", false, true, H::none, false},
      {F::model_not_found, "model_not_found", false, true, H::none, false},
      {F::auth, "auth", false, true, H::none, true},
      {F::exhausted, "exhausted", false, true, H::none, true},
      {F::throttled, "throttled", true, true, H::weak, false},
      {F::transient, "transient", true, true, H::full, false},
      {F::ambiguous, "ambiguous", false, false, H::full, false},
      {F::no_image, "no_image", true, true, H::weak, false},
      {F::peer_lost, "peer_lost", true, true, H::full, false},
      {F::over_budget, "over_budget", false, true, H::none, false},
      {F::cancelled, "cancelled", false, false, H::none, false},
      {F::deadline, "deadline", false, false, H::none, false},
  };
  return table;
}

const FailureTraits& traits(FailureClass failure) { return failure_table()[static_cast<std::size_t>(failure)]; }

std::string_view name(FailureClass failure) { return traits(failure).name; }

std::string_view name(Acceptance acceptance) {
  switch (acceptance) {
    case Acceptance::not_sent: return "not_sent";
    case Acceptance::rejected: return "rejected";
    case Acceptance::unknown: return "unknown";
    case Acceptance::accepted: return "accepted";
  }
  return "unknown";
}

}  // namespace safelight
