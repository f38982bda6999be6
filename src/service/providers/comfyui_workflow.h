// A ComfyUI graph with the values of a request in it.
#pragma once

#include <string>

#include "common/base/json.h"
#include "service/providers/provider.h"

namespace safelight {

// Every {{NAME}} or {{NAME=DEFAULT}} in the graph's strings becomes what was asked for; a string that is nothing else takes the value's own
// type. Names: model, prompt, negative, width, height, count, seed, steps, guidance, strength. `missing` is filled with what the request
// sets and the graph has no place for, or the graph needs and nothing gives; empty: nothing.
Json comfyui_graph(const ProviderCall& call, std::string& missing);

}  // namespace safelight
