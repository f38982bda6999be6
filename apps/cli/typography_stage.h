// The typography fixer as a stage of pipelines: the text that the prompt quotes is read in every picture and written anew where it is wrong.
#pragma once

#include "service/jobs/stage.h"

namespace safelight::app {

StageEntry stage_typography();

}  // namespace safelight::app
