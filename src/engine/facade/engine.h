// The engine's front door: finds models by name, opens them once, runs requests and writes their traces.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/families/family.h"
#include "engine/pipelines/gradients.h"
#include "engine/pipelines/run.h"

namespace safelight {

struct EngineSettings {
  std::vector<std::filesystem::path> model_dirs;  // searched in order for a model given by name
  std::string default_model = "signs-base";
  std::filesystem::path cache_dir;                // hashes of weight files; empty: not kept
  std::filesystem::path clip_vocabulary;          // tokenizers for single-file checkpoints
  int threads = 0;                                // 0: one for a small model, one per processor for others
  c10::Device device = c10::kCPU;                 // of the networks (engine/tensor/device.h)
  TraceFile::Encoder encoder;                     // null: no PNG
  std::function<Image(const std::filesystem::path&)> read_picture;  // null: requests with pictures are refused
  // Given every model once, when it was opened; what it returns is kept and run in its place. Null: models run as they are.
  std::function<std::shared_ptr<const Components>(std::shared_ptr<const Components>)> wrap;
};

struct RunCalls {
  std::function<void(const RunProgress&)> progress;
  std::function<bool()> cancelled;
};

struct FinishedRun {
  std::filesystem::path directory;   // empty when nothing was written
  GenerateResult result;
  std::uint64_t weight_bytes = 0;    // of the model as loaded
  std::uint64_t loaded_bytes = 0;    // resident memory of the process before the run
};

// Thread-safe.
class Engine {
 public:
  explicit Engine(EngineSettings settings);
  const EngineSettings& settings() const { return settings_; }

  // A name is looked up in model_dirs; anything with a slash is a path. Throws Error(not_found) listing what there is.
  std::filesystem::path find_model(const std::string& name) const;
  std::vector<std::filesystem::path> list_models() const;
  std::shared_ptr<const Components> open(const std::string& model, const std::string& dtype);
  // With the request's adapters, learned words and base directory. Opened once for each choice of them.
  std::shared_ptr<const Components> open(const GenerateRequest& request);

  // Forgets an open model, so that the next run reads its directory anew.
  void close(const std::string& model);

  // Runs into `directory` (a trace), which must not hold a run yet.
  FinishedRun generate(const GenerateRequest& request, const Interventions& change, const std::filesystem::path& directory,
                       const RunCalls& calls);

  // What a score of one step of this run hangs on (engine/pipelines/gradients.h). Nothing is written.
  Gradients gradients(const GenerateRequest& request, const Interventions& change, const GradientQuestion& question, const RunCalls& calls);

 private:
  // The model and the request as a run takes them; fills `options` but for trace and probes.
  struct Prepared {
    std::shared_ptr<const Components> components;
    GenerateRequest sized;
  };
  Prepared prepare(const GenerateRequest& request, const Interventions& change, const RunCalls& calls, RunOptions& options);
  Image read_picture(const std::string& file) const;
  void read_inputs(const GenerateRequest& request, const Components& components, GenerateRequest& sized, RunOptions& options) const;
  Json new_run_record(const Components& components, const GenerateRequest& request, const Interventions& change,
                      const std::string& id);
  std::string hash_of(const std::filesystem::path& file);

  EngineSettings settings_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Components>> open_;
};

// Fits the cheap decode: what one unit of each latent channel looks like, by decoding constant latents.
std::vector<std::array<double, 3>> measure_latent_to_rgb(const Autoencoder& autoencoder, int64_t channels);

}  // namespace safelight
