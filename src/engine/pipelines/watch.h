// Gathers what probes need from a forward pass: cross-attention maps and block statistics of one image of the batch.
// Plain loops over the tensors' memory: at these sizes a library call costs more than the work.
#pragma once

#include <string>
#include <vector>

#include "engine/pipelines/probe.h"
#include "engine/tensor/hooks.h"

namespace safelight {

class ForwardWatch final : public ForwardObserver {
 public:
  struct Plan {
    bool attention = false, blocks = false;
    int64_t height = 0, width = 0;  // of the maps; layers with another number of queries are left out
    std::size_t max_layers = 4;
  };
  explicit ForwardWatch(const Plan& plan) : plan_(plan) {}

  void begin(int64_t image);     // before each evaluation that is to be watched; image: the batch row to watch
  bool wants_attention(std::string_view layer, bool cross) const override;
  void on_attention(const AttentionCall& call) override;
  bool wants_blocks() const override { return plan_.blocks; }
  void on_block(std::string_view module, const at::Tensor& x) override;

  const AttentionSummary* attention();                 // null when no layer fitted
  const std::vector<BlockSummary>& blocks() const { return blocks_; }
  double spent_ms() const { return spent_ms_; }
  const Plan& plan() const { return plan_; }

 private:
  Plan plan_;
  int64_t image_ = 0;
  AttentionSummary attention_;
  std::vector<float> sum_, keys_;  // of the maps [queries, tokens padded], and one head's keys; kept between steps
  std::vector<BlockSummary> blocks_;
  std::size_t layers_ = 0;
  double spent_ms_ = 0;
};

BlockSummary summarise(const float* x, std::size_t n);

}  // namespace safelight
