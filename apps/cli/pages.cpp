#include "apps/cli/pages.h"

#include "apps/cli/known_failures.h"
#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "insight/report/report.h"
#include "insight/report/verdict_page.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kMostReportBytes = std::uint64_t{512} << 20;

// Empty where the run has no verdict, or one of another version.
Json known_failures(const TraceReader& run, const SignatureLibrary& library) {
  const Json stored = run.run().value("verdict", Json());
  if (!stored.is_object()) return Json::array();
  try {
    return matches_json(match_signatures(library, verdict_from_json(stored)));
  } catch (const Error&) {
    return Json::array();
  }
}

// A cell that failed may have left half a run: its record says why, and it gets no page.
void write_cell_page(RunPages& pages, const std::filesystem::path& directory) {
  try {
    pages.write(TraceReader(directory));
  } catch (const Error&) {
    std::filesystem::remove(directory / "report.html");
  }
}

}  // namespace

RunPages::RunPages() : library_(open_signatures("")) {}

const Baseline* RunPages::baseline_of(const TraceReader& run) {
  const Json resolved = run.run().value("resolved", Json::object());
  const std::string model = resolved.is_object() ? resolved.value("directory", "") : "";
  if (model.empty()) return nullptr;
  const auto known = baselines_.find(model);
  const auto& baseline = known != baselines_.end() ? known->second : baselines_.emplace(model, read_baseline(model)).first->second;
  return baseline ? &*baseline : nullptr;
}

Json RunPages::data(const TraceReader& run, const std::filesystem::path& page_directory) {
  Json page = report_run(run, baseline_of(run), page_directory);
  page["known_failures"] = known_failures(run, library_);
  return page;
}

void RunPages::write(const TraceReader& run) {
  write_file_atomic(run.directory() / "report.html", report_html({{"runs", Json::array({data(run, std::filesystem::absolute(run.directory()))})}}));
}

void RunPages::write_cited(const TraceReader& run) {
  for (const auto& directory : cited_runs(run)) write(TraceReader(directory));
}

void write_sweep_page(const std::filesystem::path& directory, const std::filesystem::path& out, const std::function<void(double)>& progress) {
  const auto file = directory / "report.json";
  if (!std::filesystem::exists(file))
    throw Error(ErrorCode::not_found, "the sweep in '" + directory.string() + "' has not come to its end; go on with `safelight sweep --resume " + directory.string() + "`");
  const Json report = read_json(file, kMostReportBytes);
  std::vector<std::filesystem::path> runs;
  if (std::filesystem::is_directory(directory / "cells"))
    for (const auto& entry : std::filesystem::directory_iterator(directory / "cells"))
      if (std::filesystem::exists(entry.path() / "run.json")) runs.push_back(entry.path());
  RunPages pages;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    write_cell_page(pages, runs[i]);
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(runs.size()));
  }
  write_file_atomic(out, report_html({{"sweep", report_sweep(report, directory, std::filesystem::absolute(out).parent_path())}, {"runs", Json::array()}}));
}

}  // namespace safelight::app
