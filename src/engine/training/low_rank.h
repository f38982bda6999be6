// A change of a model's weights, said with few numbers: the best approximation of low rank, and the adapter made of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace safelight {

struct LowRank {
  at::Tensor up, down;           // float32 [out,r] and [r,in], on the CPU; up * down is nearest to the matrix (Eckart and Young, 1936)
  double kept = 0, total = 0;    // squared norms of up * down and of the matrix
};

// matrix: [out, ...], taken as [out,in]. The rank is cut where the matrix has fewer rows or columns.
LowRank low_rank(const at::Tensor& matrix, int64_t rank);

// Writes the changes of a component's weights, each under its key "module.weight", as a float16 LoRA in the naming of PEFT and
// diffusers: "unet.module.lora_A.weight" [r,in,k,k] and "unet.module.lora_B.weight" [out,r,1,1], or [r,in] and [out,r]. Returns
// the share of the changes' squared norm that the rank keeps, 1 where nothing has changed.
double write_adapter(const std::filesystem::path& file, const std::string& component,
                     const std::vector<std::pair<std::string, at::Tensor>>& changes, int64_t rank);

}  // namespace safelight
