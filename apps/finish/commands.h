// Commands over finished pictures. They need no model, and no libtorch.
#pragma once

#include <vector>

#include "apps/console/console.h"
#include "finish/resize/upscaler.h"

namespace safelight::app {

// text check, text fix. `common` outlives the command, as for all of them.
Command text_command(CLI::App& app, const Common& common);
// upscale, by the rows of `upscalers`: what needs models is added to them by who may link those.
Command upscale_command(CLI::App& app, const Common& common, const std::vector<UpscalerEntry>& upscalers);

}  // namespace safelight::app
