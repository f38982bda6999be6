// A model's files with LoRA merged in and learned words added.
#pragma once

#include <memory>
#include <vector>

#include "common/api/generate_request.h"
#include "engine/families/model_files.h"

namespace safelight {

// Reads headers at once and weights when the model is opened. Throws what resolve_loras and read_learned_words throw.
std::unique_ptr<const ModelFiles> with_adapters(std::unique_ptr<const ModelFiles> model, const std::vector<AdapterChoice>& adapters,
                                                const std::vector<EmbeddingChoice>& embeddings);

// The adapters that a directory names in its own safelight.json, "adapters": [{"file", "weight"}]: they are a part of the model, as
// of one that was distilled from another. Throws Error(corrupt_file) naming safelight.json for files outside the directory and
// weights outside -10..10, Error(not_found) naming a file that is missing.
std::vector<AdapterChoice> own_adapters(const ModelFiles& model);

}  // namespace safelight
