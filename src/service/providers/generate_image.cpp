// One request as calls, attempts and waits, with the money of each.
#include <algorithm>
#include <exception>
#include <mutex>
#include <random>
#include <thread>

#include "common/base/error.h"
#include "service/providers/outcome.h"
#include "service/providers/provider.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

constexpr int kMostSuccessors = 4;  // of a chain of retired models

// What a request may spend: reserved before an attempt, settled after it.
class Purse {
 public:
  explicit Purse(double most_usd) : most_usd_(most_usd) {}
  bool reserve(double usd) {
    const std::lock_guard lock(mutex_);
    if (most_usd_ > 0 && spent_usd_ + usd > most_usd_ + 1e-9) return false;
    spent_usd_ += usd;
    return true;
  }
  void settle(double reserved_usd, const ProviderCost& cost) {
    const std::lock_guard lock(mutex_);
    spent_usd_ += cost.usd + cost.possible_usd - reserved_usd;
  }

 private:
  std::mutex mutex_;
  double most_usd_ = 0, spent_usd_ = 0;
};

// One request under way, shared by the threads of its calls.
struct Job {
  const ImageRequest& request;     // fitted to the row
  const ModelRow& row;
  const ProviderEntry& entry;
  const CallPlan& plan;
  const Secret& credential;
  ProviderContext& context;
  std::string id;
  std::int64_t deadline_ms = 0;    // on the steady clock; 0: none
  Purse& purse;
  std::mutex retry_mutex = {};     // policy.random need not be thread-safe
  std::atomic<bool> stop = false;  // a call failed for good: no further one is begun
  std::atomic<bool> sent = false;  // something may have been paid for: errors become failures
};

struct CallResult {
  std::vector<ProviderImage> images;
  std::optional<ProviderFailure> failure;
  std::vector<AttemptRecord> attempts;
  std::string reported_model;
  ProviderUsage usage;
  std::vector<std::string> warnings;
  std::exception_ptr error;        // of the ledger, before anything was sent
};

std::string random_id() {
  std::random_device device;
  std::string out = "image-";
  for (int i = 0; i < 16; ++i) out += "0123456789abcdef"[device() & 15];
  return out;
}

CallOutcome send_call(const Job& job, const ImageRequest& part, const AttemptRecord& attempt) {
  ProviderContext& context = job.context;
  const ProviderCall call{.row = job.row, .request = part, .size = job.plan.size, .credential = job.credential, .attempt_id = attempt.id, .deadline_ms = job.deadline_ms,
                          .cancel = context.cancel, .transport = context.transport, .clock = context.clock,
                          .note_remote_id = [&](const std::string& remote_id) { context.ledger.note_remote_id(attempt.id, redact(clean_text(remote_id, 200), job.credential)); },
                          .on_preview = context.on_preview};
  CallOutcome outcome;
  try {
    outcome = job.entry.call(call);
    examine(outcome, call);
  } catch (const std::exception& e) {  // our own bug or no memory: nobody knows what was accepted
    outcome = {.failure = ProviderFailure{.failure = FailureClass::ambiguous, .message = std::string("the call ended in an error of its own: ") + e.what(), .acceptance = Acceptance::unknown}};
  }
  clean(outcome, job.credential);
  if (outcome.images.empty() && !outcome.failure)
    outcome.failure = ProviderFailure{.failure = FailureClass::no_image, .message = "model '" + job.row.id + "' answered without a picture", .acceptance = Acceptance::unknown};
  return outcome;
}

std::int64_t left_ms(const Job& job) { return job.deadline_ms > 0 ? std::max<std::int64_t>(0, job.deadline_ms - job.context.clock.steady_ms()) : -1; }

// Why the next attempt is not made at all; empty: it is.
std::optional<ProviderFailure> obstacle(const Job& job, const AttemptRecord& attempt) {
  if (job.context.cancel && *job.context.cancel) return ProviderFailure{.failure = FailureClass::cancelled, .message = "cancelled before anything was sent"};
  if (left_ms(job) == 0) return ProviderFailure{.failure = FailureClass::deadline, .message = "the request's time is over; nothing was sent"};
  if (job.request.max_usd > 0 && !attempt.price_known)
    return ProviderFailure{.failure = FailureClass::over_budget, .message = "the price of model '" + job.row.id + "' at this size is not known, so the limit of max_usd cannot be kept; add it to the catalogue"};
  if (!job.purse.reserve(attempt.price_usd))
    return ProviderFailure{.failure = FailureClass::over_budget, .message = "another call to model '" + job.row.id + "' could pass the request's limit of max_usd; nothing was sent"};
  return {};
}

AttemptRecord new_attempt(const Job& job, const ImageRequest& part, int index, int number) {
  AttemptRecord a{.id = job.id + "/" + std::to_string(index) + "/" + std::to_string(number), .job = job.id, .model = job.row.id, .protocol = job.row.protocol};
  a.host = url_host(job.row.base_url);
  a.call = index, a.number = number, a.count = part.count;
  const auto each = price_usd(job.row, part.quality, job.plan.size);
  a.price_usd = each.value_or(0) * part.count, a.price_known = each.has_value();
  return a;
}

// Sends one attempt between the two lines of the ledger.
CallOutcome attempt_once(Job& job, const ImageRequest& part, AttemptRecord& attempt) {
  Clock& clock = job.context.clock;
  attempt.started_unix_ms = clock.unix_ms();
  try {
    job.context.ledger.open(attempt);
  } catch (...) {
    job.purse.settle(attempt.price_usd, {});
    throw;
  }
  job.sent = true;
  const std::int64_t start_ms = clock.steady_ms();
  CallOutcome outcome = send_call(job, part, attempt);
  attempt.duration_ms = clock.steady_ms() - start_ms;
  attempt.ended = true;
  attempt.failure = outcome.failure;
  attempt.acceptance = outcome.images.empty() ? outcome.failure->acceptance : Acceptance::accepted;
  attempt.request_id = outcome.request_id;
  attempt.images = static_cast<int>(outcome.images.size());
  attempt.cost = cost_of(attempt, outcome, job.row);
  job.purse.settle(attempt.price_usd, attempt.cost);
  if (job.context.keep && !outcome.images.empty()) job.context.keep(attempt, outcome.images);
  job.context.ledger.close(attempt);
  return outcome;
}

void take(CallResult& result, CallOutcome&& outcome) {
  result.failure = outcome.failure;
  result.images = std::move(outcome.images);
  if (!outcome.reported_model.empty()) result.reported_model = outcome.reported_model;
  result.usage.text_in += outcome.usage.text_in, result.usage.image_in += outcome.usage.image_in, result.usage.image_out += outcome.usage.image_out;
  result.usage.known = result.usage.known || outcome.usage.known;
  result.warnings.insert(result.warnings.end(), outcome.warnings.begin(), outcome.warnings.end());
}

// One call until it works or may not be repeated. `part` asks for the pictures of this call alone.
void run_call(Job& job, const ImageRequest& part, int index, CallResult& result) {
  RetryState state;
  if (job.context.retry_budget) job.context.retry_budget->first_attempt();
  for (std::int64_t waited_ms = 0;;) {
    AttemptRecord attempt = new_attempt(job, part, index, state.attempts);
    attempt.waited_ms = waited_ms;
    if (auto reason = obstacle(job, attempt)) {
      const bool cancelled = reason->failure == FailureClass::cancelled;
      if (!result.failure || cancelled) result.failure = reason;  // else the failure of the attempt before says more
      return;
    }
    take(result, attempt_once(job, part, attempt));
    result.attempts.push_back(attempt);
    ++state.attempts;
    if (!result.failure || !result.images.empty()) return;
    std::optional<std::int64_t> wait_ms;
    {
      const std::lock_guard lock(job.retry_mutex);
      wait_ms = next_wait_ms(*result.failure, job.context.retry, {.free = job.row.free, .paid_retry = job.request.paid_retry, .left_ms = left_ms(job)}, state, job.context.retry_budget);
    }
    if (!wait_ms) return;
    waited_ms = *wait_ms;
    job.context.clock.sleep_ms(waited_ms, job.context.cancel);
  }
}

// The pictures of call `index`: max_count each, the last takes the rest; seeds go on where the call before stopped.
ImageRequest part_of(const Job& job, int index) {
  ImageRequest part = job.request;
  const int first = index * job.row.can.max_count;
  part.count = std::min(job.row.can.max_count, job.request.count - first);
  if (part.seed) *part.seed += static_cast<std::uint64_t>(first);
  return part;
}

std::vector<CallResult> run_calls(Job& job) {
  std::vector<CallResult> results(static_cast<std::size_t>(job.plan.calls));
  std::atomic<int> next = 0;
  const auto work = [&] {
    for (int index; !job.stop && (index = next++) < job.plan.calls;) {
      CallResult& result = results[static_cast<std::size_t>(index)];
      try {
        run_call(job, part_of(job, index), index, result);
      } catch (...) {
        result.error = std::current_exception();
      }
      if (result.failure || result.error) job.stop = true;
    }
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < std::min(job.plan.calls, job.row.concurrency); ++i) others.emplace_back(work);
  work();
  others.clear();  // waits for them
  return results;
}

// The ledger refused to record an attempt. Before anything was sent that is the caller's error; afterwards what came is still delivered.
ProviderFailure failure_of_ledger(const std::exception_ptr& error, bool sent) {
  if (!sent) std::rethrow_exception(error);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return {.failure = FailureClass::over_budget, .message = std::string("no further attempt could be recorded, so none was sent: ") + e.what()};
  }
}

void gather(const Job& job, std::vector<CallResult>& results, ImageOutcome& outcome) {
  for (CallResult& r : results) {
    if (r.error) r.failure = failure_of_ledger(r.error, job.sent);
    if (r.failure && !outcome.failure) outcome.failure = r.failure;
    for (ProviderImage& image : r.images) outcome.images.push_back(std::move(image));
    for (AttemptRecord& attempt : r.attempts) {
      outcome.cost.usd += attempt.cost.usd, outcome.cost.possible_usd += attempt.cost.possible_usd;
      if (attempt.acceptance == Acceptance::accepted || attempt.acceptance == Acceptance::unknown) outcome.cost.basis = attempt.cost.basis;
      outcome.attempts.push_back(std::move(attempt));
    }
    if (!r.reported_model.empty()) outcome.reported_model = r.reported_model;
    outcome.usage.text_in += r.usage.text_in, outcome.usage.image_in += r.usage.image_in, outcome.usage.image_out += r.usage.image_out;
    outcome.usage.known = outcome.usage.known || r.usage.known;
    for (std::string& w : r.warnings)
      if (std::find(outcome.warnings.begin(), outcome.warnings.end(), w) == outcome.warnings.end()) outcome.warnings.push_back(std::move(w));
  }
  if (!outcome.failure && static_cast<int>(outcome.images.size()) < job.request.count)
    outcome.failure = ProviderFailure{.failure = FailureClass::no_image, .message = std::to_string(outcome.images.size()) + " of " + std::to_string(job.request.count) + " pictures came", .acceptance = Acceptance::accepted};
}

const ProviderEntry& entry_of(const ModelRow& row, const ProviderContext& context) {
  for (const auto* table : {&context.injected, &provider_table()})
    for (const ProviderEntry& entry : *table)
      if (entry.name == row.protocol) return entry;
  throw Error(ErrorCode::unavailable, "model '" + row.id + "' needs the protocol '" + row.protocol + "', which this program has not connected");
}

ImageOutcome run_model(const ImageRequest& request, const ModelRow& row, ProviderContext& context, std::int64_t deadline_ms) {
  ImageOutcome outcome{.requested_model = request.model, .served_model = row.id};
  const ProviderEntry& entry = entry_of(row, context);
  const CallPlan plan = plan_call(request, row, date_of(context.clock.unix_ms()));
  outcome.warnings = plan.warnings;
  outcome.failure = plan.failure;
  if (plan.failure) return outcome;
  Secret key;
  if (!row.credential.empty()) {
    const std::optional<Secret> found = context.credentials ? context.credentials(row.credential) : std::nullopt;
    if (!found || found->empty()) {
      outcome.failure = ProviderFailure{.failure = FailureClass::auth, .message = "model '" + row.id + "' needs the key " + row.credential + ", which is not set"};
      return outcome;
    }
    key = *found;
  }
  Purse purse(request.max_usd);
  Job job{.request = plan.request, .row = row, .entry = entry, .plan = plan, .credential = key, .context = context,
          .id = request.job.empty() ? random_id() : request.job, .deadline_ms = deadline_ms, .purse = purse};
  std::vector<CallResult> results = run_calls(job);
  gather(job, results, outcome);
  if (outcome.failure && outcome.failure->failure == FailureClass::model_retired && outcome.failure->successor.empty() && !row.successor.empty()) {
    outcome.failure->successor = row.successor;
    outcome.failure->message += "; its successor is '" + row.successor + "'";
  }
  return outcome;
}

}  // namespace

ImageOutcome generate_image(const ImageRequest& request, ProviderContext& context) {
  require_no(check(request), "image request");
  const std::int64_t deadline_ms = request.deadline_ms > 0 ? context.clock.steady_ms() + request.deadline_ms : 0;
  const ModelRow* row = &context.catalogue.row(request.model);
  std::vector<AttemptRecord> before;
  std::string reason;
  for (int successors = 0;; ++successors) {
    ImageRequest asked = request;
    if (successors > 0 && !request.job.empty()) asked.job += "-successor-" + std::to_string(successors);
    ImageOutcome outcome = run_model(asked, *row, context, deadline_ms);
    outcome.substitution_reason = reason;
    outcome.attempts.insert(outcome.attempts.begin(), before.begin(), before.end());
    const bool retired = outcome.failure && outcome.failure->failure == FailureClass::model_retired && outcome.images.empty();
    if (!retired || !request.allow_successor || row->successor.empty() || successors == kMostSuccessors) return outcome;
    reason += (reason.empty() ? "" : "; ") + outcome.failure->message;
    before = std::move(outcome.attempts);
    row = &context.catalogue.row(row->successor);
  }
}

}  // namespace safelight
