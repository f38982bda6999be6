// The HTML pages that commands write: their data from runs as they lie on the disk.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/trace/trace.h"
#include "insight/diagnosis/baseline.h"
#include "insight/signatures/signature.h"

namespace safelight::app {

// Makes the pages of runs. Keeps baselines and the library of known failures from one to the next.
class RunPages {
 public:
  RunPages();

  // Of the run's model; null when it has none. Throws Error(corrupt_file).
  const Baseline* baseline_of(const TraceReader& run);

  // What the viewer shows of one run on a page that will stand in `page_directory`, with the known failures that its verdict matches.
  Json data(const TraceReader& run, const std::filesystem::path& page_directory);

  // Writes report.html into the run's directory.
  void write(const TraceReader& run);

  // The same for the counterfactual runs that the verdict names, so that the run's page can link to them.
  void write_cited(const TraceReader& run);

 private:
  SignatureLibrary library_;
  std::map<std::string, std::optional<Baseline>> baselines_;   // by the model's directory
};

// Writes report.html for every cell of a finished sweep, and the page of the whole to `out`. `progress` gets the share that is
// done; may be empty. Throws Error(not_found) when the sweep has not come to its end.
void write_sweep_page(const std::filesystem::path& directory, const std::filesystem::path& out, const std::function<void(double)>& progress);

}  // namespace safelight::app
