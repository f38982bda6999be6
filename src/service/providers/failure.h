// The one taxonomy of what goes wrong with a provider, shared by every protocol, and what each class means for the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace safelight {

enum class FailureClass {
  caller_error,     // the request is wrong; no provider would take it
  unsupported,      // this model cannot do what is asked; another may
  refused,          // a content policy said no; not a sign of bad health
  model_retired,    // the vendor has switched the model off; the message names the successor
  model_not_found,  // the vendor or peer does not know the model
  auth,             // the credential is missing, wrong or not entitled
  exhausted,        // quota or money is used up until a reset or a top-up
  throttled,        // too many requests now; see retry_after_ms
  transient,        // it failed and nothing was accepted; may work in a moment
  ambiguous,        // it may have been accepted and billed; never repeated without permission
  no_image,         // answered without a picture
  peer_lost,        // a peer forgot or lost the job
  over_budget,      // it would cost more than the request allows; nothing was sent
  cancelled,        // the caller asked to stop
  deadline,         // the request's time is over
};

// How far a call got, for the question of money.
enum class Acceptance {
  not_sent,  // the last byte of the request did not leave: costs nothing
  rejected,  // the provider answered that it did not do the work: costs nothing
  unknown,   // sent, but no answer says what happened: may have cost the full price
  accepted,  // the work was done
};

enum class HealthEffect { none, weak, full };

struct FailureTraits {
  FailureClass failure = FailureClass::caller_error;
  std::string_view name;           // "caller_error"; stable, used in JSON
  bool retry_same = false;         // the same model may be tried again, if nothing may have been accepted
  bool try_other = false;          // another model may be tried without asking; `refused` and `ambiguous` need a policy's word
  HealthEffect health = HealthEffect::none;  // whether it counts against the model's health
  bool disables_credential = false;          // the credential is of no use until somebody acts or a reset passes
};

const std::vector<FailureTraits>& failure_table();
const FailureTraits& traits(FailureClass failure);
std::string_view name(FailureClass failure);
std::string_view name(Acceptance acceptance);

struct ProviderFailure {
  FailureClass failure = FailureClass::caller_error;
  std::string message;             // what, where, remedy; free of secrets, at most 1000 bytes
  Acceptance acceptance = Acceptance::not_sent;
  int http_status = 0;             // 0: there was no answer
  std::string vendor_code;         // the vendor's own word, for example "moderation_blocked"; may be empty
  std::string request_id;          // the vendor's id of the call; may be empty
  std::optional<std::int64_t> retry_after_ms;  // the vendor's hint
  bool final = false;              // the vendor says that a repetition is of no use
  std::string successor;           // model_retired: catalogue id of the model that replaces it; may be empty
};

}  // namespace safelight
