// One picture by a route: plans, walks the plan, asks the providers, and says what was asked, what was served, why, and what it cost.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "service/jobs/services.h"

namespace safelight {

struct DrawRequest {
  ImageRequest image;                // of one picture; its model may be empty
  std::string slo;
  std::string job;                   // of its attempts; unique
  bool pinned = false;               // by image.model as it is, or not at all
};

struct Drawn {
  RoutePlan plan;
  Served served;
  std::optional<ProviderImage> image;        // empty: the request was refused
  std::vector<AttemptRecord> attempts;
  std::vector<std::string> warnings;
  std::string failure;                       // why there is no picture
  bool uncertain = false;                    // there is none, and something may have been paid for
};

// keep: is given every picture that came, before the ledger hears that its attempt has ended.
Drawn draw(const DrawRequest& request, JobServices& services, const PictureKeeper& keep);

Json to_json(const Drawn& drawn);

}  // namespace safelight
