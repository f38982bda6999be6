// Texts that many runs have in common are encoded once.
#pragma once

#include "engine/facade/engine.h"

namespace safelight {

// Models that an engine with these settings opens remember what their text encoders gave for the texts they met last: equal tokens give the same tensors,
// so the pictures are the same bytes as without.
EngineSettings with_shared_texts(EngineSettings settings);

}  // namespace safelight
