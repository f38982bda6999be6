// `diagnose IMAGE.png`: a picture that comes alone, made here or elsewhere.
#pragma once

#include <filesystem>
#include <optional>

#include "apps/cli/context.h"
#include "common/formats/picture_parameters.h"
#include "insight/diagnosis/diagnose.h"

namespace safelight::app {

struct PictureDiagnosis {
  std::optional<PictureParameters> parameters;     // of the picture's text; empty: it has none that is known
  std::filesystem::path rerun;                     // run made from them; empty: none was made
  std::optional<double> difference;                // mean absolute difference of picture and rerun, 0..255
  std::vector<std::pair<std::string, double>> statistics;  // of the pixels
  Verdict verdict;                                 // of the rerun, or as far as pixels go
};

// A rerun that differs by less than this (one level in a quarter of all samples) shows the same picture.
inline constexpr double kSamePicture = 0.25;

// Reruns the picture where its parameters are known and the model is at hand. Throws Error(corrupt_file) for a file that is no
// readable PNG or whose parameters make no sense, and what the engine throws.
PictureDiagnosis diagnose_picture(Context& context, const std::filesystem::path& file, const DiagnoseOptions& options, const DiagnoseProgress& progress);

Json to_json(const PictureDiagnosis& diagnosis);
// What is known, what is not, and what was done; the verdict's text is not in it.
std::string picture_text(const PictureDiagnosis& diagnosis);

}  // namespace safelight::app
