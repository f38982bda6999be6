// The front door of the providers: one request to one model, as one or several calls, each attempt recorded before it is sent.
// A protocol is one file and one line of table.cpp; the engine itself comes in as an injected entry named "local".
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "service/providers/catalogue.h"
#include "service/providers/clock.h"
#include "service/providers/ledger.h"
#include "service/providers/request.h"
#include "service/providers/retry.h"
#include "service/providers/secret.h"
#include "service/providers/transport.h"

namespace safelight {

struct ProviderPreview {
  int index = 0;                   // from 0
  std::string bytes;               // encoded picture
};

// One call of a protocol: at most one accepted piece of work. Everything in the request has been fitted to the row.
struct ProviderCall {
  const ModelRow& row;
  const ImageRequest& request;     // count is at most row.can.max_count
  SizeOption size;                 // what the wire is to ask for
  const Secret& credential;
  std::string attempt_id;          // stable for one attempt; a protocol with idempotency sends it
  std::int64_t deadline_ms = 0;    // on clock.steady_ms(); 0: none
  const std::atomic<bool>* cancel = nullptr;
  Transport& transport;
  Clock& clock;
  std::function<void(const std::string& remote_id)> note_remote_id;  // called before the first poll of an asynchronous job
  std::function<void(const ProviderPreview&)> on_preview;            // may be empty
};

struct CallOutcome {
  std::vector<ProviderImage> images;
  std::optional<ProviderFailure> failure;    // with images: fewer came than asked for
  std::string request_id, reported_model;
  ProviderUsage usage;
  std::vector<std::string> warnings;
};

struct ProviderEntry {
  std::string name;                          // "openai.images"
  std::string summary;                       // one sentence for lists
  std::vector<std::string> dialects;         // the first is the default; may be empty
  std::function<CallOutcome(const ProviderCall&)> call;  // thread-safe
  std::function<std::string(const ModelRow&)> problem = {};   // why the row cannot be called from here; null or "": it can
};

// Every protocol that goes over the network.
const std::vector<ProviderEntry>& provider_table();

// Given the pictures of an attempt before the ledger hears that it has ended, so that whoever keeps them loses nothing that was paid for
// to a crash between the two. Thread-safe; must not throw.
using PictureKeeper = std::function<void(const AttemptRecord& attempt, const std::vector<ProviderImage>& images)>;

// What a request runs in. Everything is borrowed and must outlive the call; thread-safe parts only.
struct ProviderContext {
  const Catalogue& catalogue;
  Transport& transport;
  Ledger& ledger;
  Clock& clock;
  CredentialSource credentials;              // environment name -> key; called once a request
  RetryPolicy retry;
  RetryBudget* retry_budget = nullptr;       // shared by all requests; null: no limit but the policy's
  std::vector<ProviderEntry> injected;       // for example "local"; searched before the table
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(const ProviderPreview&)> on_preview;
  PictureKeeper keep;                        // may be empty
};

// Runs the request against its model and no other (except the successor, where the request allows it). Ordinary failures are in the
// outcome; throws Error(invalid_argument) for a request that check() refuses and Error(not_found) for an unknown model, and whatever
// the ledger throws before anything is sent.
ImageOutcome generate_image(const ImageRequest& request, ProviderContext& context);

// The same without sending: what would be asked for, or why not. For plans.
struct CallPlan {
  ImageRequest request;                      // as it would be sent
  SizeOption size;
  int calls = 0;
  std::optional<double> usd;                 // for all pictures; empty: not known
  std::vector<std::string> warnings;
  std::optional<ProviderFailure> failure;    // why it would not be sent
};
CallPlan plan_call(const ImageRequest& request, const ModelRow& row, const std::string& date);

}  // namespace safelight
