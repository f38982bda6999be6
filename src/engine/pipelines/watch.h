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
    std::size_t modules = 0;        // that a whole pass reports
  };
  explicit ForwardWatch(const Plan& plan) : plan_(plan) {}

  // Before each evaluation that is to be watched. image: the batch row to watch; timestep: what the network should be told.
  void begin(int64_t image, double timestep);
  bool wants_attention(std::string_view layer, bool cross) const override;
  void on_attention(const AttentionCall& call) override;
  bool wants_entropy(std::string_view, bool cross) const override { return plan_.attention && !cross; }
  void on_entropy(std::string_view layer, const at::Tensor& entropy, int64_t keys) override;
  bool wants_blocks() const override { return plan_.blocks; }
  void on_block(std::string_view module, const at::Tensor& x) override;
  void on_timesteps(const at::Tensor& timesteps) override;

  const AttentionSummary* attention();                 // null when no layer fitted
  const std::vector<BlockSummary>* blocks() const { return plan_.blocks && blocks_.size() == plan_.modules ? &blocks_ : nullptr; }   // null when a part was left out
  // Of self-attention: row entropy over log(keys), the mean over rows, heads and layers, 0..1; NaN when there was none.
  double self_entropy() const;
  double misled() const { return misled_; }            // training steps by which the network was told another timestep
  double spent_ms() const { return spent_ms_; }
  const Plan& plan() const { return plan_; }

 private:
  void add_biased(const AttentionCall& call);
  Plan plan_;
  int64_t image_ = 0;
  double timestep_ = 0, misled_ = 0;
  AttentionSummary attention_;
  std::vector<float> sum_, keys_;  // of the maps [queries, tokens padded], and one head's keys; kept between steps
  std::vector<BlockSummary> blocks_;
  std::size_t layers_ = 0, self_layers_ = 0;
  double self_entropy_ = 0;        // summed over self-attention layers
  double spent_ms_ = 0;
};

// What the decoder itself was given and gave, of image 0; undefined where no decoder of the model's kind ran.
class DecodeWatch final : public ForwardObserver {
 public:
  void on_decode(const at::Tensor& latents, const at::Tensor& pixels) override;
  at::Tensor latents, pixels;
};

BlockSummary summarise(const float* x, std::size_t n);

}  // namespace safelight
