// The engine's upscalers, from their files: rows for the table of finish/resize, and what the laboratory asks of some of them besides.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/context.h"
#include "common/api/generate_request.h"
#include "finish/resize/upscaler.h"

namespace safelight::app {

// Upscalers over an autoencoder, which the laboratory compares with what that autoencoder can do.
class Enlarger : public Upscaler {
 public:
  // The small picture as far as the upscaler knows it: one of latents sees what the latent decodes to.
  virtual Image seen(const Image& small) const = 0;
  // A picture through the autoencoder and back: no upscaler over that autoencoder can do much better.
  virtual Image round_trip(const Image& picture) const = 0;
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

// Of a model with an UpscalerKind. factor: of the side; an upscaler of latents makes more than 2 by several passes. Throws
// Error(invalid_argument) for one that this model cannot make. `request` has the model, and of a cascade the sampling.
std::unique_ptr<Enlarger> open_enlarger(const std::filesystem::path& model, int factor, const GenerateRequest& request, Context& context);

// An upscaler of a model with an UpscalerKind, opened at its first picture. Not thread-safe.
class LateEnlarger {
 public:
  // factor 0: of one pass.
  LateEnlarger(std::filesystem::path model, int factor, Context& context) : model_(std::move(model)), factor_(factor), context_(context) {}
  Image enlarged(const Image& small, const std::string& prompt, std::uint64_t seed);

 private:
  std::filesystem::path model_;
  int factor_;
  Context& context_;
  std::unique_ptr<Enlarger> opened_;
};

// Every upscaler that has a model: what `safelight upscale` and pipelines add to upscalers(). The context outlives the rows.
std::vector<UpscalerEntry> model_upscalers(Context& context);

// --- the kinds, one file each ---

// `model`: the directory. Throw Error(not_found, corrupt_file, unsupported, conflict) for its files, Error(invalid_argument) for the factor.
std::unique_ptr<Upscaler> open_swin2sr(const std::filesystem::path& model, Context& context);
// Here `model` is a safetensors file, or a directory with nothing else that says what it is.
bool is_esrgan(const std::filesystem::path& model);
std::unique_ptr<Upscaler> open_esrgan(const std::filesystem::path& model, Context& context);
std::unique_ptr<Enlarger> open_latent_enlarger(const std::filesystem::path& model, const UpscalerKind& kind, int factor, Context& context);
// A diffusion model that sees the small picture: ours, or a published x4 upscaler in the diffusers layout.
std::unique_ptr<Enlarger> open_diffusion_enlarger(const GenerateRequest& request, Context& context);

// libtorch's threads: as many as --threads says; else one for a small network, one per processor for others.
void choose_threads(Context& context, bool small);
// The same by thread_choice() of the weights' size, as runs of models choose.
void choose_threads_for(Context& context, std::uint64_t weight_bytes);

// The last column and row repeated until the sides are multiples of `unit`.
Image filled_up(const Image& picture, int unit);
// As it was: gray pictures are enlarged in colour and come back gray.
Image like(const Image& picture, Image enlarged);

}  // namespace safelight::app
