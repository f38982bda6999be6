// One component of a single-file checkpoint, under a directory's names.
#pragma once

#include <memory>

#include "engine/weights/single_file_map.h"
#include "engine/weights/weight_source.h"

namespace safelight {

// Renaming and taking rows copies nothing; transposing and swapping halves do.
std::shared_ptr<const WeightSource> mapped_source(std::shared_ptr<const WeightSource> whole, std::shared_ptr<const SingleFileMap> map, const std::string& component);

}  // namespace safelight
