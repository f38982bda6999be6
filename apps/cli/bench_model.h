// lab bench --model: whole pictures of a model at each probe level, interleaved, and what the levels cost in time and bytes.
#pragma once

#include "apps/cli/context.h"
#include "apps/lab/lab.h"

namespace safelight::app {

Json bench_model(Context& context, const ModelBench& wanted);

}  // namespace safelight::app
