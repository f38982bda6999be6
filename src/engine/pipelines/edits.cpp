#include "engine/pipelines/edits.h"

#include <ATen/ATen.h>

#include "common/base/error.h"

namespace safelight {

void InterventionEdit::edit_attention(AttentionCall& call) {
  for (const AttentionScale& a : change_.attention) {
    const bool layer_fits = a.layers.empty() || call.layer.find(a.layers) != std::string_view::npos;
    if (a.cross != call.cross || !layer_fits || !a.steps.contains(step_)) continue;
    if (a.token < 0) {
      call.scale *= a.factor;
    } else if (a.token < call.k.size(2)) {
      call.k = call.k.clone();
      call.k.select(2, a.token).mul_(a.factor);
    }
  }
}

at::Tensor InterventionEdit::edit_block(std::string_view module, at::Tensor x) {
  for (const PrecisionChange& p : change_.precision) {
    if (!p.module.empty() && module.find(p.module) == std::string_view::npos) continue;
    x = x.to(p.dtype == "float16" ? at::kHalf : at::kBFloat16).to(x.scalar_type());
  }
  return x;
}

at::Tensor pushed(const at::Tensor& x, const std::vector<LatentPush>& pushes, int step) {
  at::Tensor out = x;
  for (const LatentPush& p : pushes) {
    if (!p.steps.contains(step)) continue;
    if (p.channel >= x.size(1))
      throw Error(ErrorCode::invalid_argument, "latents.channel is " + std::to_string(p.channel) + "; this model has channels 0 to " +
                                                   std::to_string(x.size(1) - 1));
    if (out.is_same(x)) out = x.clone();
    out.select(1, p.channel).add_(p.amount);
  }
  return out;
}

}  // namespace safelight
