// Words for scenes, in many orders and from a closed list.
#pragma once

#include <string>
#include <vector>

#include "engine/training/recipe.h"
#include "engine/training/scene.h"

namespace safelight {

SceneOptions scene_options(const Recipe& recipe);

// True of the scene, chosen among many wordings by `seed`. Says the background in about half of the cases, a size in
// about a third, and for two objects either a relation or only both of them.
std::string caption(const Scene& scene, const SceneOptions& options, std::uint64_t seed);

// Every word (and punctuation mark) that captions may use, in a fixed order.
std::vector<std::string> scene_vocabulary(const SceneOptions& options);

}  // namespace safelight
