// Faults of cross-attention: which word reaches which place of the picture.
#include <ATen/ATen.h>

#include <algorithm>

#include "assay/decorators.h"

namespace safelight {
namespace {

const Truth kAttention = {.subsystem = "cross-attention", .also = {}, .trigger = "cross-attention"};
const Truth kFlat = {.subsystem = "cross-attention", .also = {}, .trigger = "cross-attention", .causes = {"attention-flat"}};
const Truth kSharp = {.subsystem = "cross-attention", .also = {}, .trigger = "cross-attention", .causes = {"attention-sharp"}};

// Every cross-attention layer from a drawn step on.
template <class Change>
void in_every_layer(const FaultSite& s, Injection& i, Change change) {
  damage_denoiser(i, {.from_timestep = drawn_onset(s), .attention = [change](AttentionCall& call) {
    if (call.cross) change(call);
  }});
}

void scaled(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [factor = s.dose](AttentionCall& call) { call.scale *= factor; });
}

// A number of a layer's own in [0,1), so that a share of the layers can be chosen without knowing their names.
double layer_number(std::string_view layer, std::uint64_t seed) { return SceneRandom(seed, number_of(layer)).uniform(); }

at::Tensor order_of(int64_t tokens, std::uint64_t seed) {
  SceneRandom random(seed, 1);
  return at::tensor(shuffled(tokens, 1, random), at::kLong);
}

void routing_random(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [share = s.dose, seed = s.seed](AttentionCall& call) {
    if (layer_number(call.layer, seed) < share) call.k = call.k.index_select(2, order_of(call.k.size(2), seed));
  });
}

void values_swapped(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [share = s.dose, seed = s.seed](AttentionCall& call) {
    if (layer_number(call.layer, seed) < share) call.v = call.v.index_select(2, order_of(call.v.size(2), seed));
  });
}

void sink(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [dose = s.dose](AttentionCall& call) {
    at::Tensor bias = at::zeros({1, 1, 1, call.k.size(2)}, call.q.options());
    bias.select(3, 0).fill_(dose);
    call.bias = call.bias.defined() ? call.bias + bias : bias;
  });
}

void word_lost(const FaultSite& s, Injection& i) {
  const int64_t token = 1 + s.random.below(4);
  in_every_layer(s, i, [token, dose = s.dose](AttentionCall& call) {
    call.k = call.k.clone();
    call.k.select(2, std::min(token, call.k.size(2) - 1)).mul_(-dose);
  });
}

void head_dead(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [heads = static_cast<int64_t>(s.dose)](AttentionCall& call) {
    call.v = call.v.clone();
    call.v.slice(1, 0, std::min(heads, call.v.size(1))).zero_();
  });
}

// A mask that hides the end of the prompt from the picture.
void masked(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [keep = static_cast<int64_t>(s.dose)](AttentionCall& call) {
    at::Tensor bias = at::zeros({1, 1, 1, call.k.size(2)}, call.q.options());
    bias.slice(3, std::min(keep, call.k.size(2) - 1)).fill_(-1e4);
    call.bias = call.bias.defined() ? call.bias + bias : bias;
  });
}

void queries_noisy(const FaultSite& s, Injection& i) {
  in_every_layer(s, i, [dose = s.dose, seed = s.seed](AttentionCall& call) {
    const at::Tensor one = fault_noise(call.q.sizes().slice(1), seed).to(call.q.scalar_type());
    call.q = call.q + dose * call.q.std() * one.unsqueeze(0);
  });
}

}  // namespace

std::vector<FaultEntry> attention_faults() {
  return {
      {"attention-flattened", "attention logits are too small", kFlat, {0.5, 0.2, 0.05}, "factor", false, scaled},
      {"attention-sharpened", "attention logits are too large", kSharp, {2.5, 5, 10}, "factor", false, scaled},
      {"attention-routing-random", "the keys of the words are exchanged in a share of the layers", kAttention, {0.35, 0.7, 1}, "share of the layers", false, routing_random},
      {"attention-values-swapped", "places attend to the right words and receive what others say", kAttention, {0.35, 0.7, 1}, "share of the layers", false, values_swapped},
      {"attention-sink", "the begin token draws attention from all others", kAttention, {2, 4, 8}, "added to its logits", false, sink},
      {"attention-word-lost", "one word's keys are turned round, so that no place attends to it", kAttention, {0.5, 1, 2}, "factor", false, word_lost},
      {"attention-heads-dead", "heads of cross-attention give nothing", kAttention, {1, 2, 3}, "heads", true, head_dead},
      {"attention-masked", "a mask hides all but the first tokens", kAttention, {6, 4, 2}, "tokens are left", true, masked},
      {"attention-queries-noisy", "noise on the queries", kAttention, {1, 2, 4}, "standard deviations", false, queries_noisy},
  };
}

}  // namespace safelight
