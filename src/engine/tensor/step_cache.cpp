#include "engine/tensor/step_cache.h"

#include <ATen/ATen.h>

namespace safelight {

void StepCache::begin(int step, int64_t rows) {
  if (rows != rows_) {
    kept_ = at::Tensor();
    first_ = at::Tensor();
  }
  step_ = step;
  rows_ = rows;
}

bool StepCache::first_block_repeats(const at::Tensor& residual) {
  if (first_.defined() && kept_.defined() && first_.sizes() == residual.sizes()) {
    const at::Tensor now = residual.to(at::kFloat), before = first_.to(at::kFloat);
    const double change = (now - before).abs().sum().item<double>(), size = before.abs().sum().item<double>();
    if (change <= plan_.threshold * size) return true;   // false for what is not finite
  }
  first_ = residual;
  return false;
}

at::Tensor StepCache::run_blocks(const at::Tensor& tokens, const Blocks& first, const Blocks& rest) {
  const at::Tensor begun = first(tokens);
  if (first_block_repeats(begun - tokens)) {
    count_reuse();
    return begun + kept_;
  }
  at::Tensor done = rest(begun);
  kept_ = done - begun;
  return done;
}

at::Tensor run_blocks(StepCache* cache, const at::Tensor& tokens, const StepCache::Blocks& first, const StepCache::Blocks& rest) {
  return cache && cache->watches_first_block() ? cache->run_blocks(tokens, first, rest) : rest(first(tokens));
}

}  // namespace safelight
