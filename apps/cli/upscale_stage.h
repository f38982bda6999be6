// The stage `upscale` of pipelines with the upscalers of this program, in place of the one that knows no model.
#pragma once

#include <vector>

#include "finish/resize/upscaler.h"
#include "service/jobs/stage.h"

namespace safelight::app {

StageEntry stage_upscale_by(std::vector<UpscalerEntry> upscalers);

}  // namespace safelight::app
