#include "engine/training/train.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

std::chrono::steady_clock::time_point deadline_of(const TrainOptions& options) {
  const auto now = std::chrono::steady_clock::now();
  if (!options.minutes) return now + std::chrono::hours(24 * 365);
  return now + std::chrono::milliseconds(static_cast<int64_t>(*options.minutes * 60'000));
}

void check_stages(const std::string& stages) {
  if (stages != "all" && stages != "autoencoder" && stages != "denoiser")
    throw Error(ErrorCode::invalid_argument, "stage '" + stages + "' is unknown; known: all, autoencoder, denoiser");
}

}  // namespace

TrainReport train(const Recipe& recipe, const TrainOptions& options) {
  check_stages(options.stages);
  std::filesystem::create_directories(options.out);
  const auto deadline = deadline_of(options);
  TrainReport report;
  report.model = options.out / "model";
  AutoencoderStage autoencoder(recipe, options);
  bool done = autoencoder.run(deadline);
  report.autoencoder_samples = autoencoder.samples();
  if (done && options.stages != "autoencoder") {
    DenoiserStage denoiser(recipe, options, autoencoder);
    done = denoiser.run(deadline);
    report.denoiser_samples = denoiser.samples();
  }
  report.finished = done;
  return report;
}

}  // namespace safelight
