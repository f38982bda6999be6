// A small finished run on disk, written through the real trace writer, for tests of what reads traces.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/measure/sketch.h"
#include "common/trace/trace_file.h"

namespace safelight {

inline constexpr int kSmallSteps = 4;

// What the run did, stage by stage; tests change one thing.
struct SmallRun {
  std::vector<std::int64_t> ids = {1, 7, 8, 2, 0, 0};
  std::vector<std::string> words = {"<begin>", "red", "ring", "<end>"};
  std::vector<float> text = std::vector<float>(24, 0.5f);
  std::vector<double> timesteps = {900, 600, 300, 0};
  double misled = 0;
  double block_rms[2] = {1.5, 2.5};
  std::vector<float> without = {1, 2, 3, 4}, with = {2, 2, 4, 4}, left = {0.5, 0.25, 1, 2}, latent = {1, -1, 2, 0.5}, pixels = {0.25, 0.5, -0.5};
  std::vector<double> channels = {0.1, -0.1};
  double logit_std = 1.2;
  std::map<std::string, double> decoder;  // facts of the decoder probe
  int from_step = 0;                      // what differs in `block_rms`, `with`, `without`, `left` and `misled` sets in here
  Json resolved = {{"prompt", "red ring"}, {"negative", ""}, {"dtype", "float32"}};
};

// Directory of a run of its own, below the system's folder for temporary files.
inline std::filesystem::path write_small_run(const SmallRun& changed) {
  static int number = 0;
  const SmallRun usual;
  const auto directory = std::filesystem::temp_directory_path() / ("safelight-small-run-" + std::to_string(getpid()) + "-" + std::to_string(number++));
  std::filesystem::remove_all(directory);
  TraceFile trace(directory, {{"format", "safelight-trace/1"}, {"resolved", changed.resolved}}, {});
  const auto n = static_cast<int64_t>(kSketch);
  for (const char* s : {"sketch.entered", "sketch.without", "sketch.with", "sketch.guided", "sketch.left"}) trace.declare({s, "", {n}, "sketches", "", {}});
  trace.declare({"activations.rms", "", {2}, "activations", "", {"down", "up"}});
  trace.declare({"activations.kurtosis", "", {2}, "activations", "", {"down", "up"}});
  trace.declare({"attention.logit_std", "", {}, "attention", "", {}});
  trace.declare({"latents.noise_mean", "", {2}, "snr", "", {}});
  trace.declare({"scheduler.misled", "", {}, "scheduler", "", {}});
  Json tokens = Json::array();
  for (std::size_t i = 0; i < changed.words.size(); ++i) tokens.push_back({{"text", changed.words[i]}, {"id", usual.ids[i]}});
  trace.fact("text", "tokens", tokens);
  trace.fact("text", "ids", changed.ids);
  trace.fact("text", "sketch", sketch(changed.text));
  trace.start_steps({});
  for (int step = 0; step < kSmallSteps; ++step) {
    const SmallRun& now = step < changed.from_step ? usual : changed;
    trace.series("sketch.entered", sketch(usual.latent));
    trace.series("sketch.without", sketch(now.without));
    trace.series("sketch.with", sketch(now.with));
    trace.series("sketch.left", sketch(now.left));
    trace.series("activations.rms", now.block_rms);
    const double kurtosis[2] = {3, 3.5};
    trace.series("activations.kurtosis", kurtosis);
    trace.series("attention.logit_std", now.logit_std);
    trace.series("latents.noise_mean", now.channels);
    trace.series("scheduler.misled", now.misled);
    trace.end_step(step, {0.5, 0.5, changed.timesteps[static_cast<std::size_t>(step)]});
  }
  trace.fact("sketch", "latent", sketch(changed.latent));
  trace.fact("sketch", "pixels", sketch(changed.pixels));
  for (const auto& [key, value] : changed.decoder) trace.fact("decoder", key, value);
  trace.finish("finished");
  return directory;
}

}  // namespace safelight
