// What one forward pass leaves for the next of the same run, so that the next can leave out most of the network. Neighbouring steps give deep features
// that hardly differ (DeepCache, Ma et al., arXiv:2312.00858, for UNets; first-block caching for transformers).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <utility>

namespace safelight {

// Belongs to one run; not thread-safe. A network that knows neither way of caching ignores it and computes everything.
class StepCache {
 public:
  struct Plan {
    int interval = 1;      // UNets: every n-th step is whole; 1: all are
    int depth = 0;         // UNets: skip connections besides the outermost that every pass computes
    double threshold = 0;  // transformers: largest relative L1 change of the first block's residual at which the others are not computed
  };
  explicit StepCache(const Plan& plan) : plan_(plan) {}

  // Before every pass. step: of the run, from 0. rows: of the batch; what was kept of another number of rows is of no use.
  void begin(int step, int64_t rows);

  // UNets: the input of the up path at `depth` skips before its end, of the last whole pass.
  bool keeps_features() const { return plan_.interval > 1; }
  bool has_features() const { return kept_.defined() && step_ % plan_.interval != 0; }
  const at::Tensor& features() const { return kept_; }
  void keep_features(at::Tensor features) { kept_ = std::move(features); }
  std::size_t depth() const { return static_cast<std::size_t>(plan_.depth); }

  // Transformers: `first` makes of the picture's tokens those after the first block, `rest` of these those after the others. `rest` does not run
  // where the first block's residual is close enough to that of the last whole pass: what it added then is added again.
  using Blocks = std::function<at::Tensor(at::Tensor tokens)>;
  bool watches_first_block() const { return plan_.threshold > 0; }
  at::Tensor run_blocks(const at::Tensor& tokens, const Blocks& first, const Blocks& rest);

  int reused() const { return reused_; }   // passes so far that were not whole
  void count_reuse() { ++reused_; }

 private:
  bool first_block_repeats(const at::Tensor& residual);   // if not, it takes the place of the one before

  Plan plan_;
  int step_ = 0, reused_ = 0;
  int64_t rows_ = 0;
  at::Tensor first_, kept_;   // the first block's residual; the features, or what the blocks after the first added
};

// The same where there may be no cache, or one that does not watch the first block.
at::Tensor run_blocks(StepCache* cache, const at::Tensor& tokens, const StepCache::Blocks& first, const StepCache::Blocks& rest);

}  // namespace safelight
