#include <fmt/format.h>

#include "common/trace/trace_file.h"

namespace safelight {

std::string parameters_text(const Json& r) {
  std::string text = r.value("prompt", std::string());
  const std::string negative = r.value("negative", std::string());
  if (!negative.empty()) text += "\nNegative prompt: " + negative;
  text += fmt::format("\nSteps: {}, Sampler: {}, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}, Version: safelight",
                      r.value("steps", 0), r.value("solver", std::string()), r.value("guidance", 0.0),
                      r.value("seed", std::uint64_t{0}), r.value("width", 0), r.value("height", 0), r.value("model", std::string()));
  return text;
}

}  // namespace safelight
