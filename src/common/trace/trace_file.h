// Writes a trace directory while the run goes on. A process killed at any point leaves everything up to the last
// finished step readable. Nothing is synced to the disk per step: a kill loses nothing that was handed to the system.
#pragma once

#include <functional>
#include <memory>

#include "common/formats/safetensors.h"
#include "common/trace/trace.h"

namespace safelight {

class TraceFile final : public TraceWriter {
 public:
  // Encodes a picture with its parameters text; libspng on ordinary machines.
  using Encoder = std::function<std::string(const Image&, const std::string& parameters)>;

  // Creates the directory and writes run.json with status "running". Throws Error(io, or conflict when it holds a run).
  TraceFile(std::filesystem::path directory, Json run, Encoder encoder);
  ~TraceFile() override;

  void declare(const SeriesInfo& series) override;
  void declare_map(const MapInfo& map) override;
  void series(const std::string& name, std::span<const double> values) override;
  using TraceWriter::series;
  void map(const std::string& name, int64_t row, std::span<const float> values) override;
  void fact(const std::string& probe, const std::string& key, Json value) override;
  void preview(int step, const Image& image) override;

  // After the last declaration. restart: shapes of what a restart point stores (empty: none), rows: how many there will be.
  struct RestartLayout {
    std::vector<std::pair<std::string, std::vector<int64_t>>> tensors;
    int64_t rows = 0;
  };
  void start_steps(const RestartLayout& layout);
  void store_restart(const StoredRestart& restart);
  void end_step(int step, const NodeInfo& node);
  void final_latent(const StoredTensor& latent);
  void partial_latents(const StoredTensor& latents);
  void image(int index, const Image& image, const std::string& parameters, std::uint64_t seed);

  Json& run() { return run_; }         // changed by the caller, written by finish() or update()
  void update();                       // rewrites run.json
  void finish(const std::string& status);  // finished, failed, cancelled
  std::uint64_t bytes() const;         // on disk so far

 private:
  std::filesystem::path directory_;
  Json run_, restart_note_;
  std::string values_;  // of the current step, as the members of a JSON object
  Encoder encoder_;
  std::vector<SeriesInfo> series_;
  std::vector<MapInfo> maps_;
  std::vector<std::string> maps_written_;
  std::unique_ptr<SafetensorsRows> map_rows_, latent_rows_;
  int64_t restart_row_ = 0;
  int steps_descriptor_ = -1;
};

// The run's settings in the text that the field's tools write into PNG files and read from them.
std::string parameters_text(const Json& resolved);

}  // namespace safelight
