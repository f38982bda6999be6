// What stages work with. Everything is borrowed and outlives the run.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/api/verdict.h"
#include "service/jobs/job_store.h"
#include "service/jobs/objects.h"
#include "service/providers/provider.h"
#include "service/providers/sqlite_ledger.h"
#include "service/router/router.h"

namespace safelight {

struct JobServices {
  const Catalogue& catalogue;
  Router& router;                    // has declared the pipeline's SLO
  SqliteLedger& ledger;
  JobStore& store;
  ObjectStore& objects;
  Transport& transport;
  Clock& clock;
  CredentialSource credentials;
  RetryPolicy retry = {};
  std::vector<ProviderEntry> injected = {};  // for example "local"
  std::vector<StageEntry> stages = {};       // kinds besides those of stage_table()
  // Looks at a picture (PNG) that was made for the prompt; empty: nothing can. Nothing for a picture of which it knows too little.
  std::function<std::optional<Verdict>(const std::string& png, const std::string& prompt)> judge = {};
  std::filesystem::path folder;      // where deliveries go
  const std::atomic<bool>* cancel = nullptr;
  bool repeat_paid = false;          // a person allows work to be done again that may have been paid for
};

}  // namespace safelight
