// The table of causes: written before the detectors; every finding's cause is a row here.
#include <array>

#include "insight/diagnosis/diagnose.h"

namespace safelight {

const CauseInfo& cause_info(const std::string& cause) {
  static constexpr std::array<CauseInfo, 14> kCauses = {{
      {"non-finite", "denoiser", "run the module that is named in float32, or fetch its weights again", "unet-nan-fp16-generic"},
      {"prediction-type", "configuration", "set prediction_type in scheduler_config.json to what the model was trained for", "prediction-type-vpred-as-eps"},
      {"latent-scale", "configuration", "set scaling_factor in vae/config.json to the model's own", "latent-scale-factor-mismatch"},
      {"truncated", "prompt", "shorten the prompt, or say what matters first", "clip-77-truncation"},
      {"unknown-words", "prompt", "use words that the model knows; `safelight models inspect` lists them", ""},
      {"attention-flat", "cross-attention", "remove what flattens the attention", "catastrophic-neglect"},
      {"attention-sharp", "cross-attention", "remove what scales the attention", "attention-entropy-resolution-shift"},
      {"guidance-burn", "guidance", "lower the guidance scale", "cfg-oversaturation"},
      {"too-few-steps", "scheduler", "use more steps, or a solver of higher order", "too-few-steps-underconverged"},
      {"channel-drift", "denoiser", "remove what pushes the channel", "exposure-bias-drift"},
      {"activation-band", "denoiser", "fetch the denoiser's weights again, or run it in float32", ""},
      {"decoder-mismatch", "decoder", "use the autoencoder that belongs to the model", "wrong-vae-family"},
      {"damaged-file", "configuration", "fetch the file again", ""},
      {"", "", "", ""},
  }};
  for (const CauseInfo& c : kCauses)
    if (cause == c.cause) return c;
  return kCauses.back();
}

}  // namespace safelight
