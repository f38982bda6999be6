#include "insight/diagnosis/symptoms.h"

#include <algorithm>

#include "common/base/error.h"

namespace safelight {

const std::vector<Symptom>& symptom_table() {
  static const std::vector<Symptom> table = {
      {"text", "letters wrong, misplaced or unreadable", {"text-encoder", "prompt", "cross-attention", "guidance", "scheduler", "denoiser", "decoder", "postprocess"},
       {{"misalignment", Side::above, 0.1}, {"parts", Side::either, 1}, {"sharpness", Side::below, 6}}},
      {"banding", "steps where colours should change smoothly", {"postprocess", "decoder", "denoiser", "guidance"},
       {{"banding", Side::above, 0.02}, {"distinct_colours", Side::below, 1.5}, {"shading", Side::below, 0.03}, {"seam", Side::above, 3}}},
      {"colour", "colours too strong, too pale or with a cast", {"guidance", "decoder", "denoiser", "postprocess", "configuration", "cross-attention"},
       {{"mean_chroma", Side::either, 6}, {"max_chroma", Side::either, 10}, {"cast_red", Side::either, 6}, {"cast_blue", Side::either, 6}, {"clip_high", Side::above, 0.03}, {"clip_low", Side::above, 0.03}}},
      {"contrast", "too hard, too flat, too dark or too bright", {"guidance", "decoder", "configuration", "denoiser", "scheduler", "postprocess"},
       {{"mean_luma", Side::either, 6}, {"std_luma", Side::either, 4}}},
      {"blur", "edges and detail are soft", {"scheduler", "decoder", "guidance", "denoiser", "postprocess"},
       {{"sharpness", Side::below, 6}, {"soft_edges", Side::above, 0.3}, {"shading", Side::above, 0.03}}},
      {"noise", "grain or speckle", {"scheduler", "denoiser", "decoder", "guidance", "postprocess"},
       {{"noise", Side::above, 0.5}, {"texture", Side::above, 0.5}, {"shading", Side::above, 0.03}}},
      {"seams", "straight lines where pieces were joined", {"decoder", "postprocess", "denoiser"}, {{"seam", Side::above, 3}, {"blockiness", Side::above, 0.2}}},
      {"duplicated", "more of a thing than was asked for", {"cross-attention", "configuration", "guidance", "denoiser", "text-encoder", "prompt", "postprocess"},
       {{"parts", Side::above, 1}, {"alike", Side::above, 1}}},
      {"detached", "a part that should belong to another", {"cross-attention", "denoiser", "guidance", "scheduler", "configuration", "postprocess"},
       {{"parts", Side::above, 1}, {"largest_share", Side::below, 0.1}}},
      {"missing", "something asked for is not there", {"cross-attention", "text-encoder", "prompt", "guidance", "denoiser", "postprocess"},
       {{"parts", Side::below, 1}, {"part_share", Side::below, 0.05}}},
      {"merged", "two things run into one", {"cross-attention", "text-encoder", "guidance", "denoiser", "scheduler", "postprocess"},
       {{"parts", Side::below, 1}, {"largest_share", Side::above, 0.1}, {"soft_edges", Side::above, 0.3}}},
      {"layout", "things are at the wrong place", {"cross-attention", "text-encoder", "prompt", "guidance", "postprocess", "denoiser"},
       {{"centre_x", Side::either, 0.05}, {"centre_y", Side::either, 0.05}, {"part_share", Side::either, 0.05}}}};
  return table;
}

const Symptom& symptom_named(const std::string& name) {
  std::string known;
  for (const Symptom& s : symptom_table()) {
    if (name == s.name) return s;
    known += (known.empty() ? "" : ", ") + std::string(s.name);
  }
  throw Error(ErrorCode::invalid_argument, "the symptom '" + name + "' is unknown; known: " + known);
}

bool can_cause(const Symptom& symptom, const std::string& subsystem) {
  return std::find(symptom.subsystems.begin(), symptom.subsystems.end(), subsystem) != symptom.subsystems.end();
}

}  // namespace safelight
