// The trace of a run: what probes record and how it is read back. The format is a directory, design section 4:
// run.json, steps.jsonl, maps.safetensors, latents.safetensors, preview-K.png, image-N.png.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/api/image.h"
#include "common/base/json.h"

namespace safelight {

// A named quantity that is recorded at most once per step.
struct SeriesInfo {
  std::string name;                 // "snr.drift_db"
  std::string unit;                 // "dB", "", "nat", ...
  std::vector<int64_t> shape;       // {} scalar, {C} per channel, {T} per token, ...
  std::string probe;
  std::string meaning;              // one line, shown as the plot's title
  std::vector<std::string> labels;  // names along the first dimension: tokens, channels, modules; may be empty
};

// A stack of small maps, one row per step (or one row in all), stored as float16 in maps.safetensors.
struct MapInfo {
  std::string name;                 // "attention.cross"
  int64_t rows = 0;                 // steps, or 1
  std::vector<int64_t> shape;       // of one row: {tokens, h, w} or {h, w}
  std::vector<std::string> labels;  // along the first dimension of a row, when it has three
  std::string meaning;
};

struct NodeInfo {
  double alpha = 1, sigma = 0, timestep = 0;
};

// Where probes write. All declarations come before the first step. Not thread-safe.
class TraceWriter {
 public:
  virtual ~TraceWriter() = default;
  virtual void declare(const SeriesInfo& series) = 0;
  virtual void declare_map(const MapInfo& map) = 0;
  // Values of the current step; size must be the product of the declared shape. Non-finite values are kept as such.
  virtual void series(const std::string& name, std::span<const double> values) = 0;
  void series(const std::string& name, double value) { series(name, std::span<const double>(&value, 1)); }
  // One row of a map, row-major float32; converted to float16.
  virtual void map(const std::string& name, int64_t row, std::span<const float> values) = 0;
  // Facts about the run as a whole, merged into run.json under "facts"/probe.
  virtual void fact(const std::string& probe, const std::string& key, Json value) = 0;
  virtual void preview(int step, const Image& image) = 0;
};

// One stored restart point. Tensors are raw float32 with shapes; the solver's history is opaque to the trace.
struct StoredTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
struct StoredRestart {
  int steps_done = 0;
  std::map<std::string, StoredTensor> tensors;  // "latent", "history.0", ...
  std::vector<double> scalars;                  // of the solver
  std::int64_t draws = 0;                       // noise draws consumed
};

// Everything that a finished or killed run left behind. Reading never needs more than what is there; what is missing
// or cut off is simply absent. Throws Error(not_found or corrupt_file) when run.json or the header is unreadable.
class TraceReader {
 public:
  explicit TraceReader(std::filesystem::path directory);

  const std::filesystem::path& directory() const { return directory_; }
  const Json& run() const { return run_; }                       // run.json
  int steps_done() const { return static_cast<int>(nodes_.size()); }
  // The number of the step in the first row of nodes and series: 0, or where a run went on from a restart point. Rows of maps,
  // previews and restart points go by the step's number.
  int first_step() const;
  const std::vector<NodeInfo>& nodes() const { return nodes_; }
  const std::vector<SeriesInfo>& series() const { return series_; }
  bool has(const std::string& series) const;
  // Row per finished step; an absent value is a row of NaN. Throws Error(not_found) naming the known series.
  const std::vector<std::vector<double>>& values(const std::string& series) const;
  std::vector<double> scalar(const std::string& series) const;   // first element of each row
  const std::vector<MapInfo>& maps() const { return maps_; }
  std::vector<float> map_row(const std::string& map, int64_t row) const;  // empty when the row was not written
  std::vector<int> restart_steps() const;
  StoredRestart restart(int steps_done) const;
  // The final latents [C,h,w] of image n; empty values when the run did not finish.
  StoredTensor final_latent() const;
  // The latents [N,C,h,w] at which a run was told to stop, in the variance-preserving scale. Throws Error(not_found) when it
  // was not.
  StoredTensor partial_latents() const;
  std::optional<Image> image(int index) const;
  std::optional<Image> preview(int step) const;
  std::vector<std::string> image_names() const;

 private:
  void read_steps();
  std::filesystem::path directory_;
  Json run_;
  std::vector<SeriesInfo> series_;
  std::vector<MapInfo> maps_;
  std::vector<NodeInfo> nodes_;
  std::vector<Json> step_lines_;
  std::map<std::string, std::vector<std::vector<double>>> values_;
};

}  // namespace safelight
