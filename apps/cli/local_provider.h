// The engine as a provider, so that routes and pipelines draw with the models here as with hosted ones, and diagnosis as the judge of what it drew.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "apps/cli/context.h"
#include "common/api/verdict.h"
#include "service/providers/provider.h"

namespace safelight::app {

// Which run made a picture, by the hash of the picture's bytes.
struct LocalRuns {
  std::mutex mutex;
  std::map<std::string, std::filesystem::path> by_picture;
};

// Serves the protocol "local": a row's wire_model is a model of the engine. Every picture leaves its run in runs_dir; its id is the request id.
ProviderEntry local_provider(Context& context, std::shared_ptr<LocalRuns> made);

// The diagnosis of the run that made the picture, with as many reruns as asking the model what it answered at calibration takes. Nothing for
// pictures that were not made here by this process.
std::optional<Verdict> judge_local(Context& context, LocalRuns& made, const std::string& png);

}  // namespace safelight::app
