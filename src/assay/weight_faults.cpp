// Faults of stored weights, in each of the networks.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "assay/damaged_weights.h"
#include "assay/decorators.h"

namespace safelight {
namespace {

const Truth kText = {.subsystem = "text-encoder", .also = {}, .trigger = "text-encoder"};
const Truth kDenoiser = {.subsystem = "denoiser", .also = {}, .trigger = "denoiser", .causes = {"activation-band"}};
const Truth kDecoder = {.subsystem = "decoder", .also = {}, .trigger = "decoder", .causes = {"decoder-mismatch"}};

at::Tensor noisy(const at::Tensor& w, double dose, std::uint64_t seed) {
  return w.numel() < 2 ? w : w + dose * w.std() * fault_noise(w.sizes(), seed);
}

std::uint64_t seed_of(const std::string& key, std::uint64_t seed) { return SceneRandom(seed, number_of(key)).next() >> 1; }

at::Tensor rounded(const at::Tensor& w, double bits) {
  const at::Tensor unit = w.abs().max() / (std::exp2(bits - 1) - 1) + 1e-12;
  return at::round(w / unit) * unit;
}

bool is_matrix(const std::vector<int64_t>& shape) { return shape.size() >= 2; }

// Every tensor under a prefix of the part's names.
template <class Change>
WeightChange under(std::string prefix, Change change) {
  return [prefix = std::move(prefix), change](const WeightSource& source, const std::string& key) {
    const at::Tensor w = source.read(key);
    return key.rfind(prefix, 0) == 0 && is_matrix(w.sizes().vec()) ? change(key, w.to(at::kFloat)) : w;
  };
}

void noise_under(const FaultSite& s, Injection& i, Part part, const std::string& prefix) {
  damage_weights(s, i, part, under(prefix, [dose = s.dose, seed = s.seed](const std::string& key, const at::Tensor& w) { return noisy(w, dose, seed_of(key, seed)); }));
}

void text_noise(const FaultSite& s, Injection& i) { noise_under(s, i, Part::text_encoder, ""); }
void decoder_noise(const FaultSite& s, Injection& i) { noise_under(s, i, Part::decoder, "decoder."); }

void module_noise(const FaultSite& s, Injection& i) {
  i.truth.module = drawn_block(s);
  i.truth.from_timestep = kEveryTimestep;
  noise_under(s, i, Part::denoiser, i.truth.module + ".");
}

void module_faded(const FaultSite& s, Injection& i) {
  i.truth.module = drawn_block(s);
  i.truth.from_timestep = kEveryTimestep;
  damage_weights(s, i, Part::denoiser, under(i.truth.module + ".", [rest = 1 - s.dose](const std::string&, const at::Tensor& w) { return w * rest; }));
}

void few_bits(const FaultSite& s, Injection& i, Part part, const std::string& prefix) {
  damage_weights(s, i, part, under(prefix, [bits = s.dose](const std::string&, const at::Tensor& w) { return rounded(w, bits); }));
}

void denoiser_bits(const FaultSite& s, Injection& i) {
  i.truth.from_timestep = kEveryTimestep;
  few_bits(s, i, Part::denoiser, "");
}
void decoder_bits(const FaultSite& s, Injection& i) { few_bits(s, i, Part::decoder, "decoder."); }

// Rows of the table of words: what the tokens mean before anything else is computed.
void word_rows(const FaultSite& s, Injection& i) {
  damage_weights(s, i, Part::text_encoder, [share = s.dose, seed = s.seed](const WeightSource& source, const std::string& key) {
    const at::Tensor w = source.read(key);
    if (key.find("token_embedding") == std::string::npos) return w;
    SceneRandom random(seed, 1);
    const at::Tensor damaged = w.clone();
    for (int64_t row = 0; row < w.size(0); ++row)
      if (row == 0 || random.chance(share)) damaged[row].zero_();
    return damaged;
  });
}

void positions_lost(const FaultSite& s, Injection& i) {
  damage_weights(s, i, Part::text_encoder, [rest = 1 - s.dose](const WeightSource& source, const std::string& key) {
    const at::Tensor w = source.read(key);
    return key.find("position_embedding") == std::string::npos ? w : w * rest;
  });
}

void timestep_weights(const FaultSite& s, Injection& i) {
  i.truth.from_timestep = kEveryTimestep;
  noise_under(s, i, Part::denoiser, "time_embedding.");
}

// Gains of one block's norms, which are vectors, not matrices.
void norms_scaled(const FaultSite& s, Injection& i) {
  i.truth.module = drawn_block(s);
  i.truth.from_timestep = kEveryTimestep;
  damage_weights(s, i, Part::denoiser, [prefix = i.truth.module + ".", factor = s.dose](const WeightSource& source, const std::string& key) {
    const at::Tensor w = source.read(key);
    const bool gain = key.rfind(prefix, 0) == 0 && key.find("norm") != std::string::npos && key.ends_with(".weight");
    return gain ? w * factor : w;
  });
}

void decoder_stage_faded(const FaultSite& s, Injection& i) {
  damage_weights(s, i, Part::decoder, under("decoder.up_blocks." + std::to_string(s.random.below(2)) + ".", [rest = 1 - s.dose](const std::string&, const at::Tensor& w) { return w * rest; }));
}

// Pairs of matrices of one shape that change places.
std::map<std::string, std::string> swaps_of(const WeightSource& source, std::size_t pairs, std::uint64_t seed) {
  std::map<std::vector<int64_t>, std::vector<std::string>> alike;
  for (const auto& [key, shape] : source.shapes())
    if (is_matrix(shape)) alike[shape].push_back(key);
  std::vector<std::pair<std::string, std::string>> candidates;
  SceneRandom random(seed, 1);
  for (auto& [shape, keys] : alike) {
    for (std::size_t k = keys.size(); k > 1; --k) std::swap(keys[k - 1], keys[static_cast<std::size_t>(random.below(static_cast<int>(k)))]);
    for (std::size_t k = 0; k + 1 < keys.size(); k += 2) candidates.emplace_back(keys[k], keys[k + 1]);
  }
  std::map<std::string, std::string> out;
  for (std::size_t k = candidates.size(); k > 0 && out.size() < 2 * pairs; --k) {
    std::swap(candidates[k - 1], candidates[static_cast<std::size_t>(random.below(static_cast<int>(k)))]);
    out[candidates[k - 1].first] = candidates[k - 1].second;
    out[candidates[k - 1].second] = candidates[k - 1].first;
  }
  return out;
}

void layers_swapped(const FaultSite& s, Injection& i) {
  i.truth.from_timestep = kEveryTimestep;
  damage_weights(s, i, Part::denoiser, [pairs = static_cast<std::size_t>(s.dose), seed = s.seed](const WeightSource& source, const std::string& key) {
    const auto swaps = swaps_of(source, pairs, seed);
    const auto other = swaps.find(key);
    return source.read(other == swaps.end() ? key : other->second);
  });
}

// What an adapter does whose weight is far too great: a change of low rank to every attention projection.
void adapter_too_strong(const FaultSite& s, Injection& i) {
  i.truth.from_timestep = kEveryTimestep;
  damage_weights(s, i, Part::denoiser, [dose = s.dose, seed = s.seed](const WeightSource& source, const std::string& key) {
    constexpr int64_t kRank = 4;
    const at::Tensor w = source.read(key).to(at::kFloat);
    if (w.dim() != 2 || key.find(".to_") == std::string::npos) return w;
    const std::uint64_t own = seed_of(key, seed);
    const at::Tensor change = fault_noise({w.size(0), kRank}, own).matmul(fault_noise({kRank, w.size(1)}, own + 1)) / std::sqrt(static_cast<double>(kRank));
    return w + dose * w.std() * change;
  });
}

}  // namespace

std::vector<FaultEntry> weight_faults() {
  return {
      {"text-weights-noise", "noise on the text encoder's weights", kText, {0.3, 0.6, 1.2}, "standard deviations", false, text_noise},
      {"module-weights-noise", "noise on the weights of one block of the denoiser", kDenoiser, {0.5, 1, 2}, "standard deviations", false, module_noise},
      {"module-weights-faded", "the weights of one block of the denoiser shrink, at last to zero", kDenoiser, {0.5, 0.8, 1}, "share that is lost", false, module_faded},
      {"layers-swapped", "matrices of the denoiser stand in each other's places", kDenoiser, {2, 6, 16}, "pairs", false, layers_swapped},
      {"denoiser-few-bits", "the denoiser's weights are rounded to few bits", kDenoiser, {4, 3, 2}, "bits", false, denoiser_bits},
      {"adapter-too-strong", "an adapter is merged with far too great a weight",
       {.subsystem = "denoiser", .also = {"configuration"}, .trigger = "denoiser", .causes = {"activation-band"}}, {0.5, 1, 2}, "standard deviations", false, adapter_too_strong},
      {"decoder-weights-noise", "noise on the decoder's weights", kDecoder, {0.2, 0.4, 0.8}, "standard deviations", false, decoder_noise},
      {"word-rows-lost", "rows of the text encoder's table of words are zero", kText, {0.1, 0.3, 0.7}, "share of the rows", true, word_rows},
      {"text-positions-lost", "the text encoder's table of places fades", kText, {0.5, 0.8, 1}, "share that is lost", true, positions_lost},
      {"timestep-weights-noise", "noise on the weights that tell the denoiser how much noise there is", kDenoiser, {0.3, 0.6, 1.2}, "standard deviations", true, timestep_weights},
      {"norms-scaled", "the norms of one block of the denoiser have too great a gain", kDenoiser, {1.5, 2.5, 4}, "factor", true, norms_scaled},
      {"decoder-stage-faded", "the weights of one stage of the decoder shrink", kDecoder, {0.2, 0.5, 0.9}, "share that is lost", true, decoder_stage_faded},
      {"decoder-few-bits", "the decoder's weights are rounded to few bits", kDecoder, {4, 3, 2}, "bits", false, decoder_bits},
  };
}

}  // namespace safelight
