// Interventions on the forward pass, as a ForwardEdit.
#pragma once

#include <string>

#include "common/api/interventions.h"
#include "engine/tensor/hooks.h"

namespace safelight {

class InterventionEdit final : public ForwardEdit {
 public:
  explicit InterventionEdit(const Interventions& change) : change_(change) {}
  bool needed() const { return !change_.attention.empty() || !change_.precision.empty(); }
  void set_step(int step) { step_ = step; }
  void edit_attention(AttentionCall& call) override;
  at::Tensor edit_block(std::string_view module, at::Tensor x) override;

 private:
  const Interventions& change_;
  int step_ = 0;
};

// Pushes channels of [N,C,h,w] as asked for this step; returns x itself when nothing applies.
// Throws Error(invalid_argument) for a channel that is not there.
at::Tensor pushed(const at::Tensor& x, const std::vector<LatentPush>& pushes, int step);

}  // namespace safelight
