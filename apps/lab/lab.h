// The laboratory's commands, for safelight and for safelight-lab.
#pragma once

#include <vector>

#include "apps/console/console.h"
#include "apps/lab/training_look.h"

namespace safelight::app {

Command lab_train(CLI::App& parent, const Common& common, PictureEncoder encode = {});
Command lab_record(CLI::App& parent, const Common& common);
Command lab_verify(CLI::App& parent, const Common& common);

}  // namespace safelight::app
