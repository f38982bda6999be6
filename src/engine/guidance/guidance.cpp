#include "engine/guidance/guidance.h"

#include <ATen/ATen.h>

#include <vector>

namespace safelight {

at::Tensor classifier_free_guidance(const at::Tensor& cond, const at::Tensor& uncond, double w) {
  if (!uncond.defined()) return cond;
  return uncond + w * (cond - uncond);
}

at::Tensor rescale_guided(const at::Tensor& guided, const at::Tensor& cond, double share) {
  if (share == 0) return guided;
  const std::vector<int64_t> rest = {1, 2, 3};
  const at::Tensor ratio = cond.std(rest, true, true) / guided.std(rest, true, true);
  return share * (guided * ratio) + (1 - share) * guided;
}

}  // namespace safelight
