// How far the pictures of a batch differ in style.
#pragma once

#include <vector>

#include "service/jobs/objects.h"
#include "service/jobs/stage.h"

namespace safelight {

// {"figures": {statistic: {"mean", "deviation"}}, "odd_one": index or null, "odd_by"}; null where fewer than two of the pictures are PNG.
Json style_report(const std::vector<Picture>& pictures, const ObjectStore& objects);

}  // namespace safelight
