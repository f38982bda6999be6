#include "engine/serving/denoise_call.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/serving/split_observer.h"

namespace safelight {
namespace {

bool alike(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.scalar_type() == b.scalar_type() && a.device() == b.device() && a.sizes().slice(1) == b.sizes().slice(1);
}

// Where the rows of each call stand in the batch; calls with rows of a negative prompt come first.
std::vector<BatchPlace> places_of(const std::vector<DenoiseCall*>& calls) {
  int64_t negative = 0, positive = 0;
  for (const DenoiseCall* c : calls) positive += c->conditioning.unconditional;
  std::vector<BatchPlace> places;
  for (const DenoiseCall* c : calls) {
    const int64_t without = c->conditioning.unconditional, with = c->rows() - without;
    places.push_back({.negative_at = negative, .negative = without, .positive_at = positive, .positive = with});
    negative += without;
    positive += with;
  }
  return places;
}

// One input of all calls, in the order of places_of(); undefined where the calls have none.
template <class Of>
at::Tensor joined(const std::vector<DenoiseCall*>& calls, Of&& of) {
  if (!of(*calls.front()).defined()) return {};
  std::vector<at::Tensor> parts;
  for (const DenoiseCall* c : calls)
    if (c->conditioning.unconditional > 0) parts.push_back(of(*c).narrow(0, 0, c->conditioning.unconditional));
  for (const DenoiseCall* c : calls) parts.push_back(of(*c).slice(0, c->conditioning.unconditional));
  return at::cat(parts, 0);
}

std::vector<MicroConditioning> joined_sizes(const std::vector<DenoiseCall*>& calls) {
  std::vector<MicroConditioning> out;
  if (calls.front()->conditioning.sizes.empty()) return out;
  const auto add = [&](const DenoiseCall& c, int64_t from, int64_t to) {
    const auto& own = c.conditioning.sizes;
    out.insert(out.end(), own.begin() + from, own.begin() + to);
  };
  for (const DenoiseCall* c : calls) add(*c, 0, c->conditioning.unconditional);
  for (const DenoiseCall* c : calls) add(*c, c->conditioning.unconditional, c->rows());
  return out;
}

Conditioning joined_conditioning(const std::vector<DenoiseCall*>& calls) {
  Conditioning out;
  out.text = joined(calls, [](const DenoiseCall& c) { return c.conditioning.text; });
  out.pooled = joined(calls, [](const DenoiseCall& c) { return c.conditioning.pooled; });
  out.guidance = joined(calls, [](const DenoiseCall& c) { return c.conditioning.guidance; });
  out.beside = joined(calls, [](const DenoiseCall& c) { return c.conditioning.beside; });
  out.noise_level = joined(calls, [](const DenoiseCall& c) { return c.conditioning.noise_level; });
  out.sizes = joined_sizes(calls);
  for (const DenoiseCall* c : calls) out.unconditional += c->conditioning.unconditional;
  return out;
}

}  // namespace

bool fit_together(const DenoiseCall& a, const DenoiseCall& b) {
  const Conditioning &p = a.conditioning, &q = b.conditioning;
  return a.may_share() && b.may_share() && &a.denoiser == &b.denoiser && alike(a.x, b.x) && alike(a.timesteps, b.timesteps) && alike(p.text, q.text) &&
         alike(p.pooled, q.pooled) && alike(p.guidance, q.guidance) && alike(p.beside, q.beside) && alike(p.noise_level, q.noise_level) &&
         p.sizes.empty() == q.sizes.empty();
}

void compute(DenoiseCall& call) { call.out = call.denoiser.predict(call.x, call.timesteps, call.conditioning, call.hooks); }

void compute_together(const std::vector<DenoiseCall*>& given) {
  std::vector<DenoiseCall*> calls = given;
  std::stable_partition(calls.begin(), calls.end(), [](const DenoiseCall* c) { return c->conditioning.unconditional > 0; });
  const at::Tensor x = joined(calls, [](const DenoiseCall& c) { return c.x; });
  const at::Tensor timesteps = joined(calls, [](const DenoiseCall& c) { return c.timesteps; });
  const std::vector<BatchPlace> places = places_of(calls);
  SplitObserver observer(x.size(0));
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (calls[i]->hooks.observer) observer.add({.observer = calls[i]->hooks.observer, .place = places[i], .error = &calls[i]->error});
  ForwardHooks hooks;
  hooks.observer = observer.empty() ? nullptr : &observer;
  const at::Tensor out = calls.front()->denoiser.predict(x, timesteps, joined_conditioning(calls), hooks);
  for (std::size_t i = 0; i < calls.size(); ++i) calls[i]->out = places[i].rows(out);
}

}  // namespace safelight
