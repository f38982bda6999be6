// The engine as a provider, so that routes and pipelines draw with the models here as with hosted ones.
#pragma once

#include "apps/cli/context.h"
#include "service/providers/provider.h"

namespace safelight::app {

// Serves the protocol "local": a row's wire_model is a model of the engine. Every picture leaves its run in runs_dir; its id is the request id.
ProviderEntry local_provider(Context& context);

}  // namespace safelight::app
