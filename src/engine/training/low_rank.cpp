#include "engine/training/low_rank.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/base/error.h"
#include "engine/weights/weight_file.h"

namespace safelight {

LowRank low_rank(const at::Tensor& matrix, int64_t rank) {
  at::NoGradGuard no_grad;
  const auto [u, s, v] = at::linalg_svd(matrix.detach().to(at::kCPU, at::kFloat).flatten(1), /*full_matrices=*/false);
  const int64_t r = std::min(rank, s.size(0));
  // Half of each singular value goes to either side, so that neither leaves float16's range.
  const at::Tensor root = s.narrow(0, 0, r).sqrt(), squares = s.to(at::kDouble).square();
  return {u.narrow(1, 0, r) * root, root.unsqueeze(1) * v.narrow(0, 0, r), squares.narrow(0, 0, r).sum().item<double>(), squares.sum().item<double>()};
}

double write_adapter(const std::filesystem::path& file, const std::string& component,
                     const std::vector<std::pair<std::string, at::Tensor>>& changes, int64_t rank) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  double kept = 0, total = 0;
  for (const auto& [key, change] : changes) {
    if (!key.ends_with(".weight")) throw Error(ErrorCode::internal, "'" + key + "' is no weight that adapters can name");
    const std::string module = component + "." + key.substr(0, key.size() - std::string(".weight").size());
    const LowRank parts = low_rank(change, rank);
    kept += parts.kept, total += parts.total;
    std::vector<int64_t> down = change.sizes().vec(), up(down.size(), 1);
    down[0] = up[1] = parts.down.size(0);
    up[0] = change.size(0);
    tensors.emplace_back(module + ".lora_A.weight", parts.down.reshape(down).to(at::kHalf));
    tensors.emplace_back(module + ".lora_B.weight", parts.up.reshape(up).to(at::kHalf));
  }
  write_tensors(file, tensors, {{"format", "pt"}});
  return total > 0 ? kept / total : 1;
}

}  // namespace safelight
