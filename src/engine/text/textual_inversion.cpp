#include "engine/text/textual_inversion.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/base/error.h"
#include "engine/weights/weight_source.h"

namespace safelight {

std::vector<LearnedWord> read_learned_words(const std::filesystem::path& path, const std::string& token, int encoder) {
  const auto file = weight_source(path);
  const auto& shapes = file->shapes();
  const bool two = shapes.contains("clip_l") || shapes.contains("clip_g");
  const std::string wanted = encoder == 0 ? "clip_l" : "clip_g";
  std::vector<LearnedWord> out;
  for (const auto& [key, shape] : shapes) {
    if (two && key != wanted) continue;
    const bool named_by_file = two || key == "emb_params";
    if (shape.empty() || shape.size() > 2) throw Error(ErrorCode::corrupt_file, file->where(key) + " is not a vector or a list of vectors");
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) throw Error(ErrorCode::corrupt_file, file->where(key) + " holds no vectors");
    at::Tensor rows = file->read(key).to(at::kFloat).view({-1, shape.back()}).clone();
    if (!at::isfinite(rows).all().item<bool>()) throw Error(ErrorCode::non_finite, file->where(key) + " holds NaN or infinity; fetch the file again");
    out.push_back({!token.empty() ? token : named_by_file ? path.stem().string() : key, rows, file->where(key)});
  }
  if (shapes.empty()) throw Error(ErrorCode::corrupt_file, "'" + path.string() + "' holds no vectors");
  if (out.size() > 1) throw Error(ErrorCode::unsupported, "'" + path.string() + "' holds " + std::to_string(out.size()) + " tensors; a learned word is one");
  return out;
}

}  // namespace safelight
