// Draws and measures what a page about knobs needs, and what it costs to draw.
#pragma once

#include <optional>

#include "apps/cli/enlarger.h"
#include "apps/cli/lab/knobs_cells.h"

namespace safelight::app {

class KnobPainter {
 public:
  KnobPainter(const KnobPlan& plan, Context& context);
  ~KnobPainter();

  // {"pictures": [{"seed": ..., "values": {...}}, ...], "unknown_words": [...]}. Throws Error(cancelled) after an interrupt.
  Json measured(const KnobCell& cell);
  // One picture of a subject at its recommended setting.
  Image painted(const Subject& subject, const std::string& prompt, std::uint64_t seed);

 private:
  FinishedRun generate(const Subject& subject, GenerateRequest request, const std::filesystem::path& trace) const;
  Image enlarged(const Subject& subject, const Image& small, const std::string& prompt, std::uint64_t seed);

  const KnobPlan& plan_;
  Context& context_;
  std::filesystem::path scratch_;                // a trace at a time
  std::optional<LateEnlarger> enlarger_;
};

// {"ms": [...], "peak_bytes": ...}: the time of some single pictures after a first one, and the most memory that making them took.
// Measured in a child process, so that no other model counts; call it before this process has computed anything, for a child gets
// none of the threads. Throws what the child threw.
Json measured_cost(const Subject& subject, const KnobPlan& plan, Context& context);
// AutoencoderScores of codec_scenes() scenes, likewise in a child process.
Json measured_codec(const Codec& codec, const KnobPlan& plan, Context& context);

}  // namespace safelight::app
