// What the kinds of recorded cases share.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <span>

#include "apps/lab/golden.h"

namespace safelight::app {

using Tensors = std::map<std::string, at::Tensor>;

struct Case {
  const Json& golden;
  const Json& config;
  std::filesystem::path root;
  Tensors want;
  GoldenOutcome out;
  int compared = 0;  // tensors that the record holds too

  void give(const std::string& key, const at::Tensor& got) {
    out.tensors.emplace_back(key, got.contiguous());
    const auto it = want.find(key);
    if (it == want.end()) return;
    ++compared;
    double error = 1e9;
    if (it->second.numel() == got.numel()) {
      const at::Tensor w = it->second.to(at::kFloat).flatten(), g = got.to(at::kFloat).flatten();
      error = (g - w).norm().item<double>() / std::max(w.norm().item<double>(), 1e-12);
      if (!std::isfinite(error)) error = 1e9;
    }
    if (error >= out.error) out.error = error, out.what = key;
  }
};

struct Kind {
  const char* name;
  void (*run)(Case&);
};

// Files of other programs: GGUF, single-file checkpoints, LoRA, textual inversion. Empty where zlib is not at hand.
std::span<const Kind> format_kinds();

}  // namespace safelight::app
