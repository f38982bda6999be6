// What is asked of a provider and what comes back, whatever the protocol. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/problem.h"
#include "service/providers/failure.h"

namespace safelight {

// What happens to a parameter that the model lacks.
enum class UnsupportedPolicy {
  strict,   // the request fails with `unsupported`
  drop,     // left out, with a warning
  emulate,  // done another way where there is one (several calls, nearest size, composite outside the mask), with a warning; else as strict
};

struct ImageRequest {
  std::string model;               // id of a catalogue row
  std::string prompt;              // UTF-8, not empty
  std::string negative;            // empty: none
  int count = 1;                   // pictures, 1..64
  int width_px = 0, height_px = 0; // 0 and 0: the model's default
  std::optional<std::uint64_t> seed;  // pictures of one request use seed, seed + 1, ...
  std::optional<int> steps;        // 1..1000
  std::optional<double> guidance;  // 0..100
  std::string quality;             // draft, standard, high, max; empty: the row's default
  std::string style;               // one of the row's styles; empty: the provider's default
  std::string format;              // png, jpeg, webp; empty: the row's first
  std::optional<int> compression;  // 0..100, for jpeg and webp
  bool transparent = false;        // transparent background
  std::vector<std::string> references;  // encoded pictures (PNG, JPEG, WebP) to look at
  std::string init;                // encoded picture to start from; empty: none
  std::string mask;                // PNG of its size, white where it is repainted; empty: everywhere
  std::optional<double> strength;  // 0..1: how far to go from `init`
  int previews = 0;                // partial pictures wanted, 0..3
  UnsupportedPolicy unsupported = UnsupportedPolicy::strict;
  bool allow_successor = false;    // a retired model may be replaced by the successor that its row names
  bool paid_retry = false;         // an ambiguous call may be repeated once, at the risk of paying twice
  double max_usd = 0;              // for the whole request, possible charges included; 0: no limit
  std::int64_t deadline_ms = 0;    // from the start of the call; 0: none
  std::string job;                 // the caller's id of this work; attempts and idempotency keys carry it
};

// Everything that can be seen without a model. Empty when there is nothing wrong.
std::vector<Problem> check(const ImageRequest& request);

struct ProviderImage {
  std::string bytes;               // encoded picture
  std::string sha256;              // of bytes, hex
  std::string mime;                // "image/png", read from the bytes
  int width_px = 0, height_px = 0; // read from the bytes
  std::optional<std::uint64_t> seed;  // what it was made with, where the provider takes or tells one
  std::string revised_prompt;      // what the provider made of the prompt; may be empty
};

struct ProviderUsage {
  std::int64_t text_in = 0, image_in = 0, image_out = 0;  // tokens
  bool known = false;
};

struct ProviderCost {
  double usd = 0;                  // booked: accepted work
  double possible_usd = 0;         // of calls that may have been accepted
  std::string basis = "table";     // usage, table, free, unknown
};

// One call as it was made. Written to the ledger before it is sent and once more when it has ended.
struct AttemptRecord {
  std::string id;                  // unique: job, call and number
  std::string job;
  std::string model;               // id of the row
  std::string protocol;
  std::string host;                // where it went
  int call = 0;                    // which of the calls that the request was split into, from 0
  int number = 0;                  // 0: first try of that call
  int count = 0;                   // pictures asked for
  std::int64_t started_unix_ms = 0;
  std::int64_t duration_ms = 0;
  double price_usd = 0;            // what it would cost if accepted; reserved before it is sent
  bool price_known = true;
  std::string remote_id;           // id of the job at an asynchronous peer
  bool ended = false;
  Acceptance acceptance = Acceptance::unknown;  // until it has ended: may have been accepted
  std::optional<ProviderFailure> failure;       // empty: it worked
  std::string request_id;
  int images = 0;                  // pictures that came
  ProviderCost cost;
  std::int64_t waited_ms = 0;      // before this attempt, because of the one before
};

struct ImageOutcome {
  std::vector<ProviderImage> images;         // in the order asked for
  std::optional<ProviderFailure> failure;    // set when a picture that was asked for is missing
  std::string requested_model, served_model; // ids of rows
  std::string reported_model;                // as the provider called it; may be empty
  std::string substitution_reason;           // empty: served as requested
  std::vector<std::string> warnings;         // what was dropped, emulated or snapped
  ProviderUsage usage;
  ProviderCost cost;
  std::vector<AttemptRecord> attempts;
  bool complete() const { return !failure && !images.empty(); }
};

}  // namespace safelight
