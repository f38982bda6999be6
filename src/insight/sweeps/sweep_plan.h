// What a sweep is asked to do, and the order in which it does it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "common/base/json.h"

namespace safelight {

// An empty axis has one value: what the model recommends, its own decoder; for seeds 0 to 7.
struct SweepSpec {
  GenerateRequest request;              // what all cells share; its model, vae, solver, steps, guidance and seed stay unset
  std::vector<std::string> models;      // names or directories
  std::vector<std::string> decoders;    // own, float32, linear (the cheap decode), or the folder of another autoencoder
  std::vector<std::string> schedulers;
  std::vector<int> steps;
  std::vector<double> guidance;
  std::vector<std::uint64_t> seeds;
  int counterfactuals = 0;              // reruns that each cell's diagnosis may spend beside the latent-difference check's one, 0..1000
};

constexpr std::size_t kMostCells = 100'000;

// Keys as in the struct. Reading throws Error(invalid_argument) listing every problem, the known keys among them.
Json to_json(const SweepSpec& spec);
SweepSpec sweep_spec_from_json(const Json& json);
// A TOML file with the same keys; `request` is a table. Throws Error(not_found, corrupt_file, invalid_argument).
SweepSpec read_sweep_file(const std::string& file);

// One setting, measured over all seeds. As asked: empty strings, 0 steps and NaN guidance mean "as recommended"; the runner
// settles them before the sweep begins.
struct OperatingPoint {
  std::string model;       // as asked
  std::string directory;   // where the model lies; known once settled
  std::string decoder;
  std::string scheduler;   // name in the table of schedulers
  int steps = 0;
  double guidance = 0;
  bool operator==(const OperatingPoint&) const = default;
};
Json to_json(const OperatingPoint& point);
std::string name_of(const OperatingPoint& point);  // "signs-nano, dpmpp-2m, 20 steps, guidance 4"

struct Cell {
  int index = 0;
  std::size_t point = 0;   // into SweepPlan::points
  std::uint64_t seed = 0;
};

// Model by model, so that one is held at a time; within it seed by seed, so that a sweep that is stopped has covered the whole
// grid for some seeds; decoders last, so that cells of the same latents stand side by side.
struct SweepPlan {
  std::vector<OperatingPoint> points;
  std::vector<Cell> cells;
};

std::vector<OperatingPoint> points_asked(const SweepSpec& spec);
// `settled` as points_asked() gave them, settled. Throws Error(invalid_argument) when two came to the same.
SweepPlan plan_of(std::vector<OperatingPoint> settled, const std::vector<std::uint64_t>& seeds);
// What cells have in common and how often it is done: [{"what", "times", "instead_of"}].
Json sharing(const SweepPlan& plan);

}  // namespace safelight
