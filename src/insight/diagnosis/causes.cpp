// The table of causes: written before the detectors; every finding's cause is a row here.
#include "insight/diagnosis/diagnose.h"

namespace safelight {
namespace {

constexpr CauseInfo kCauses[] = {
    {"non-finite", "denoiser", "run the module that is named in float32, or fetch its weights again"},
    {"prediction-type", "configuration", "set prediction_type in scheduler_config.json to what the model was trained for"},
    {"latent-scale", "configuration", "set scaling_factor in vae/config.json to the model's own"},
    {"truncated", "prompt", "shorten the prompt, or say what matters first"},
    {"unknown-words", "prompt", "use words that the model knows; `safelight models inspect` lists them"},
    {"attention-flat", "cross-attention", "remove what flattens the attention"},
    {"attention-sharp", "cross-attention", "remove what scales the attention"},
    {"guidance-burn", "guidance", "lower the guidance scale"},
    {"too-few-steps", "scheduler", "use more steps, or a solver of higher order"},
    {"channel-drift", "denoiser", "remove what pushes the channel"},
    {"activation-band", "denoiser", "fetch the denoiser's weights again, or run it in float32"},
    {"decoder-mismatch", "decoder", "use the autoencoder that belongs to the model"},
    {"damaged-file", "configuration", "fetch the file again"},
};
constexpr CauseInfo kNoCause = {"", "", ""};

}  // namespace

const CauseInfo& cause_info(const std::string& cause) {
  for (const CauseInfo& c : kCauses)
    if (cause == c.cause) return c;
  return kNoCause;
}

std::vector<std::string> cause_names() {
  std::vector<std::string> out;
  for (const CauseInfo& c : kCauses) out.emplace_back(c.cause);
  return out;
}

}  // namespace safelight
