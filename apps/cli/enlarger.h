// The upscalers of the laboratory behind one interface: a small picture in, a large one out.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "apps/cli/context.h"
#include "common/api/generate_request.h"
#include "common/api/image.h"

namespace safelight::app {

struct EnlargeTask {
  Image small;
  std::string prompt;        // what is to be seen; upscalers of latents do not read it
  std::uint64_t seed = 0;
};

class Enlarger {
 public:
  virtual ~Enlarger() = default;
  virtual Image enlarged(const EnlargeTask& task) = 0;
  // The small picture as far as the upscaler knows it: one of latents sees what the latent decodes to.
  virtual Image seen(const Image& small) = 0;
  // A picture through the autoencoder and back: no upscaler over that autoencoder can do much better.
  virtual Image round_trip(const Image& picture) = 0;
  virtual Json settings() const = 0;   // what the pictures were made with
};

// What a model says of itself in safelight.json.
struct UpscalerKind {
  std::string kind;     // "latent" or "cascade"
  int factor = 2;       // of the side, in one pass
  int low_px = 0;       // side of the small pictures that it was trained with
};

// True where safelight.json says that the model enlarges pictures.
bool is_upscaler(const std::filesystem::path& model);
// Throws Error(corrupt_file) naming file and key.
UpscalerKind upscaler_kind(const std::filesystem::path& model);

// factor: of the side; an upscaler of latents makes more than 2 by several passes. Throws Error(invalid_argument) for one that this
// model cannot make. `request` has the model, and of a cascade the sampling.
std::unique_ptr<Enlarger> open_enlarger(const std::filesystem::path& model, int factor, const GenerateRequest& request, Context& context);

}  // namespace safelight::app
