// What a person asks for. Plain data; check() says what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/problem.h"

namespace safelight {

// How the noise is taken away. Empty strings and absent values mean "as the model recommends".
struct SchedulerChoice {
  std::string solver;               // name in the table of schedulers, for example "euler"
  std::string spacing;              // leading, trailing, linspace, sgm-uniform, beta, karras, exponential
  std::string prediction;           // epsilon, v_prediction, sample, flow: only to contradict the model's own setting
  std::optional<double> eta;        // share of fresh noise per step, 0..1, for solvers that have it
};

// How the conditional and the unconditional estimate become one; see the table of guidance forms.
struct GuidanceForm {
  std::string kind = "cfg";         // cfg, cfg++, apg
  double rescale = 0;               // 0..1: towards the conditional estimate's standard deviation (arXiv:2305.08891)
  double from = 0, to = 1;          // shares of the run between which there is guidance (arXiv:2404.07724)
  double parallel = 0;              // apg: share of the part along the estimate that stays
  double norm = 15;                 // apg: longest update, in norms of an image's estimate; 0: no limit
};

// Starts from a picture instead of noise alone, or repaints a part of it.
struct PictureInput {
  std::string file;                 // PNG; empty: none
  double strength = 0.8;            // 0..1: 0 returns the picture up to the autoencoder, 1 ignores it
  std::string mask;                 // PNG of the same size, white where it is repainted; empty: everywhere
  int mask_blur = 0;                // pixels inside the mask over which old and new are mixed; outside it nothing changes
  int crop_padding = -1;            // >= 0: work on the mask's surroundings alone, with this many pixels round it
  int noise_level = 20;             // x4 upscaler: noise on the small picture, in training steps
};

// Residuals from a ControlNet.
struct ControlInput {
  std::string model;                // directory; empty: none
  std::string file;                 // PNG, the hint
  double scale = 1;                 // -10..10
  bool guess = false;               // rising strength with depth, for use without a prompt
};

// What models with micro-conditioning are told about the picture; 0: the size that is asked for, uncropped.
struct SizeHints {
  int original_width = 0, original_height = 0, crop_left = 0, crop_top = 0, target_width = 0, target_height = 0;
};

// A part of a run: stop before the end, or go on where another run stopped.
struct RunPart {
  std::optional<double> end;        // share of the noise schedule at which to stop, 0..1
  std::optional<double> start;      // share at which to begin, with the latents of `from`
  std::string from;                 // run directory whose latents this one goes on with
};

// A LoRA file, merged into the model's weights.
struct AdapterChoice {
  std::string file;
  double weight = 1;                // -10..10
};

// What a run leaves out to be faster, at some cost to the picture. All off by default; recorded with the run. A tiny decoder (`vae`), a guidance
// interval (GuidanceForm) and fewer steps are shortcuts too, under their own names.
struct Shortcuts {
  int cache_interval = 1;           // UNets: every n-th step computes the whole network, the others its outermost layers over kept deep features
                                    // (DeepCache, arXiv:2312.00858); 1: every step is whole
  int cache_depth = 0;              // skip connections, besides the outermost, that the other steps still compute
  double cache_threshold = 0;       // transformers: the first block's change, relative to the last whole step, below which the other blocks' result
                                    // is taken from that step (first-block caching); 0: never
  double merge_tokens = 0;          // 0..0.75: share of the finest self-attention's tokens that join their nearest neighbour (arXiv:2303.17604)

  bool caching() const { return cache_interval > 1 || cache_threshold > 0; }
  bool any() const { return caching() || merge_tokens > 0; }
};

// A file of textual inversion.
struct EmbeddingChoice {
  std::string file;
  std::string token;                // how prompts write it; empty: as the file says
};

struct GenerateRequest {
  std::string model;                // name of an embedded model, path of a model directory or of a checkpoint; empty: the default model
  std::string vae;                  // folder of another autoencoder, for example a tiny one; empty: the model's own
  bool unpack = false;              // GGUF: plain numbers when loaded (faster, larger) instead of blocks unpacked at every use
  std::string base;                 // directory that lends a checkpoint the components that it does not hold
  std::string prompt;               // UTF-8; may be empty
  std::string negative;             // UTF-8; what guidance leads away from
  std::string prompt_2, prompt_3;   // for the second and third text encoder; empty: the same as the first
  std::string negative_2, negative_3;
  int clip_skip = 0;                // layers left out at the end of CLIP's text encoder, 0..11
  int max_text_tokens = 0;          // of T5; 0: the family's usual length
  std::string long_prompt = "cut";  // what CLIP's encoders do with more tokens than they take: cut, or chunks side by side
  std::vector<AdapterChoice> adapters;
  std::vector<EmbeddingChoice> embeddings;
  int width = 0;                    // pixels; 0: the model's own size
  int height = 0;
  int steps = 0;                    // 1..1000; 0: as recommended
  std::optional<double> guidance;   // classifier-free guidance scale w in u + w (c - u); 0..100; up to 1 switches it off
  GuidanceForm guidance_form;
  Shortcuts shortcuts;
  std::uint64_t seed = 0;           // images of a batch use seed, seed + 1, ...
  int count = 1;                    // images, 1..64
  SchedulerChoice scheduler;
  PictureInput picture;
  ControlInput control;
  SizeHints sizes, negative_sizes;
  RunPart part;
  std::string dtype = "float32";    // arithmetic of the networks: float32 or bfloat16
  std::string probes = "summary";   // none, summary, full
};

constexpr int kMaxSide_px = 8192;
constexpr std::size_t kMaxPromptBytes = 64 * 1024;

// All problems that can be seen without a model. Empty when there are none.
std::vector<Problem> check(const GenerateRequest& request);

}  // namespace safelight
