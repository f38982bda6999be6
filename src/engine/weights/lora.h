// Low-rank adapters (Hu et al., arXiv:2106.09685): W + weight * alpha / rank * up * down, in the names of kohya's scripts, of
// diffusers and of PEFT, with the modules of a directory or of an original checkpoint.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/weights/weight_source.h"

namespace safelight {

// One change of one weight.
struct LoraDelta {
  std::shared_ptr<const WeightSource> file;
  std::string up, down;          // keys in the file
  double scale = 1;              // weight * alpha / rank
  int64_t first_row = 0;         // of `up`, for weights that are a part of a fused one
  int64_t rows = 0;
};

using LoraDeltas = std::map<std::string, std::vector<LoraDelta>>;  // by the weight's key

struct LoraChoice {
  std::filesystem::path file;
  double weight = 1;
};

// components: the shapes of every component of the model, by name. Returns the changes per component. Throws
// Error(conflict) naming file and tensor when a module of an adapter is not in the model or has another shape (as of another
// family's), Error(corrupt_file) for halves without the other or a bad rank, Error(unsupported) for other kinds (LoHa, LoKr, DoRA).
std::map<std::string, LoraDeltas> resolve_loras(const std::vector<LoraChoice>& files, const std::map<std::string, WeightSource::Shapes>& components);

// `inner` with the changes added, in float32; weights that no change touches are read from it as they are.
std::shared_ptr<const WeightSource> with_loras(std::shared_ptr<const WeightSource> inner, LoraDeltas deltas);

}  // namespace safelight
