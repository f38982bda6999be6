// Faults of what the text encoder gives.
#include <ATen/ATen.h>

#include <limits>

#include "assay/decorators.h"

namespace safelight {
namespace {

const Truth kText = {.subsystem = "text-encoder", .also = {}, .trigger = "text-encoder"};

void noise(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.encoded = [dose = s.dose, seed = s.seed](EncodedPrompt& e) {
    e.text = e.text + dose * e.text.std() * fault_noise(e.text.sizes(), seed).to(e.text.scalar_type());
  }});
}

void scaled(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.encoded = [dose = s.dose](EncodedPrompt& e) { e.text = e.text * dose; }});
}

void other_layer(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.options = [layers = static_cast<int>(s.dose)](EncodeOptions& o) { o.clip_skip += layers; }});
}

void channels_lost(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.encoded = [share = s.dose, seed = s.seed](EncodedPrompt& e) {
    SceneRandom random(seed, 1);
    e.text = e.text.clone();
    for (int64_t c = 0; c < e.text.size(2); ++c)
      if (c == 0 || random.chance(share)) e.text.select(2, c).zero_();
  }});
}

void words_alike(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.encoded = [dose = s.dose](EncodedPrompt& e) { e.text = e.text + dose * (e.text.mean(1, true) - e.text); }});
}

void clipped(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.encoded = [dose = s.dose](EncodedPrompt& e) {
    const double limit = dose * e.text.std().item<double>();
    e.text = e.text.clamp(-limit, limit);
  }});
}

void positions_shifted(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.encoded = [places = static_cast<int64_t>(s.dose)](EncodedPrompt& e) { e.text = e.text.roll({places}, {1}); }});
}

void non_finite(const FaultSite&, Injection& i) {
  damage_prompt(i, {.encoded = [](EncodedPrompt& e) {
    e.text = e.text.clone();
    e.text.select(1, 1).fill_(std::numeric_limits<float>::quiet_NaN());
  }});
}

}  // namespace

std::vector<FaultEntry> text_encoder_faults() {
  return {
      {"text-noise", "noise on the text encoder's output", kText, {0.5, 1, 2}, "standard deviations", false, noise},
      {"text-scaled", "the text encoder's output is too large", kText, {2, 4, 8}, "factor", false, scaled},
      {"text-other-layer", "the output of an earlier layer is taken for the last one's", kText, {1}, "layers", false, other_layer},
      {"text-channels-lost", "channels of the text encoder's output are zero", kText, {0.25, 0.5, 0.9}, "share of the channels", false, channels_lost},
      {"text-clipped", "the text encoder's output is clipped", kText, {1, 0.5, 0.25}, "standard deviations", true, clipped},
      {"text-words-alike", "the tokens' vectors lie nearer to each other than they should", kText, {0.5, 0.8, 1}, "share of the way to their mean", false, words_alike},
      {"text-positions-shifted", "every token has the vector of an earlier place", kText, {1, 3, 6}, "places", false, positions_shifted},
      {"text-non-finite", "the first word's vector is NaN",
       {.subsystem = "text-encoder", .also = {}, .trigger = "text-encoder", .causes = {"non-finite"}, .module = "text"}, {1}, "on", false, non_finite},
  };
}

}  // namespace safelight
