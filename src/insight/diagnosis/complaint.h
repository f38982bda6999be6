// What a person points at: measured in that region of the picture, and compared with pictures of the same prompt that the model
// makes at its recommended settings.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/measure/part_statistics.h"
#include "insight/diagnosis/diagnose.h"
#include "insight/diagnosis/symptoms.h"

namespace safelight {

// From this score on the symptom counts as seen: half a half width beyond what the references showed.
inline constexpr double kSeenScore = 0.4;
inline constexpr int kReferences = 5;

class Complaint {
 public:
  // Makes kReferences reruns where `experiment` is not null. Throws Error(invalid_argument) for an unknown symptom or a region outside the picture.
  Complaint(const Looks& looks, const TraceReader& trace, const Image& picture, Experiment* experiment, const DiagnoseProgress& progress);

  const Symptom& symptom() const { return symptom_; }
  // 0 as in the references .. 1; 0 without references, or for a picture of another size.
  double score(const Image& picture) const;
  bool seen() const { return report_.score && *report_.score >= kSeenScore; }
  const SeenSymptom& report() const { return report_; }
  std::string where() const;   // "in the region 10,10,40,40"

 private:
  const Symptom& symptom_;
  PixelRegion region_;
  int width_, height_;         // of the picture
  std::map<std::string, Band> usual_;
  SeenSymptom report_;
};

// The words that reach a region of the picture more than an average region of its size, in the last steps. Empty without maps.
std::vector<WordOverRegion> words_over(const TraceReader& trace, const PixelRegion& region, int width, int height);

// The finding that the picture is not what the pipeline gave: both show the same, but not the same pixels. Nothing when they agree, or when they show
// different things (another machine, another model).
std::optional<Finding> altered_after(const Image& picture, const Image& made);

// What a person points at: measured, put into `v`, and whether the picture is still what the pipeline gave. Nothing where there is no picture.
std::optional<Complaint> look(const Looks& looks, const TraceReader& trace, Experiment* experiment, const DiagnoseProgress& progress, Verdict& v);

// A cure of what a person saw, where no detector had found anything.
Finding cured_symptom(const Counterfactual& c, const std::string& cause, const Complaint& complaint);

}  // namespace safelight
