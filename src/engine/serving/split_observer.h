// Shows a batch that several runs share to the observers of those runs: to each its own rows, as if it had been computed alone.
#pragma once

#include <exception>
#include <vector>

#include "engine/tensor/hooks.h"

namespace safelight {

// The rows of one run in a shared batch: those of its negative prompt and the others, each side by side.
struct BatchPlace {
  int64_t negative_at = 0, negative = 0, positive_at = 0, positive = 0;

  // Those rows of a tensor [batch,...], in the run's own order. A view, unless a run of several pictures has rows of both kinds.
  at::Tensor rows(const at::Tensor& batch) const;
};

class SplitObserver final : public ForwardObserver {
 public:
  struct Share {
    ForwardObserver* observer = nullptr;
    BatchPlace place;
    std::exception_ptr* error = nullptr;   // where what the observer throws is kept; from then on it is shown nothing
  };
  explicit SplitObserver(int64_t batch) : batch_(batch) {}
  void add(const Share& share) { shares_.push_back(share); }
  bool empty() const { return shares_.empty(); }

  bool wants_attention(std::string_view layer, bool cross) const override;
  void on_attention(const AttentionCall& call) override;
  bool wants_entropy(std::string_view layer, bool cross) const override;
  void on_entropy(std::string_view layer, const at::Tensor& entropy, int64_t keys) override;
  bool wants_blocks() const override;
  void on_block(std::string_view module, const at::Tensor& x) override;
  void on_timesteps(const at::Tensor& timesteps) override;

 private:
  template <class Wants>
  bool any(Wants&& wants) const;
  template <class Show>
  void each(Show&& show);
  at::Tensor rows(const Share& share, const at::Tensor& t) const;

  int64_t batch_;
  std::vector<Share> shares_;
  mutable std::vector<const Share*> entropy_wanted_;   // who said so of the layer that runs now: on_entropy() does not say which kind it is
};

}  // namespace safelight
