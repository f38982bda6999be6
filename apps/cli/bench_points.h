// lab bench --points: pictures an hour at operating points, drawn in turns.
#pragma once

#include "apps/cli/context.h"
#include "apps/lab/lab.h"

namespace safelight::app {

// wanted.points: NAME=MODEL, or NAME=MODEL+UPSCALER for a cascade. Throws Error(invalid_argument) for other texts, and what opening and running throw.
Json bench_points(Context& context, const ModelBench& wanted);

}  // namespace safelight::app
