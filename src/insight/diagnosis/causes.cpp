// The table of causes: written before the detectors; every finding's cause is a row here.
#include "insight/diagnosis/diagnose.h"

namespace safelight {
namespace {

constexpr CauseInfo kCauses[] = {
    {"non-finite", "", "run the module that is named in float32, or fetch its weights again"},
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
    {"tokens-changed", "prompt", "use the tokenizer files that belong to the model"},
    {"negative-repeats", "prompt", "say in the negative prompt what the picture should not show"},
    {"untrained-size", "configuration", "ask for the size that the model was trained on, and enlarge the picture afterwards"},
    {"text-changed", "text-encoder", "fetch the text encoder's weights again, and check which of its layers is used"},
    {"attention-rerouted", "cross-attention", "remove what exchanges keys, values or queries of cross-attention"},
    {"guidance-weak", "guidance", "raise the guidance scale"},
    {"guidance-lost", "guidance", "check that the conditional estimate is made with the prompt"},
    {"guidance-inverted", "guidance", "check the sign of the guidance difference"},
    {"guidance-swapped", "guidance", "check the order of the two halves of the batch"},
    {"guidance-changed", "guidance", "check how the two estimates are combined"},
    {"timestep-told", "scheduler", "check the scheduler's steps_offset and spacing"},
    {"schedule-changed", "scheduler", "use the scheduler configuration that belongs to the model"},
    {"noise-changed", "scheduler", "check the noise generator and the initial noise level"},
    {"solver-changed", "scheduler", "check the solver's order, history and thresholding"},
    {"output-changed", "denoiser", "remove what changes the denoiser's output"},
    {"latent-handoff", "decoder", "remove what changes the latents before they are decoded"},
    {"pixels-changed", "postprocess", "leave out the steps after decoding, one at a time"},
    {"shortcut", "shortcuts", "leave the run's shortcuts out"},
    {"word-unplaced", "cross-attention", "raise the attention logits of the word that the picture lacks"},
    {"word-weak", "text-encoder", "write the word that the picture lacks with more weight, (word:1.5)"},
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
