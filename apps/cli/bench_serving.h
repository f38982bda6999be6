// lab bench --model --serve: pictures that arrive by chance at several loads, served one by one and by step-level batching.
#pragma once

#include "apps/cli/context.h"
#include "apps/lab/lab.h"

namespace safelight::app {

Json bench_serving(Context& context, const ModelBench& wanted);

}  // namespace safelight::app
