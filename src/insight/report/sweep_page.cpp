#include <algorithm>
#include <cctype>

#include "common/base/error.h"
#include "insight/report/data_url.h"
#include "insight/report/report.h"

namespace safelight {
namespace {

constexpr int kThumbnail_px = 96;

// "cells/00012", as sweeps name the runs of their cells; anything else is not followed.
bool is_cell(const std::string& run) {
  constexpr std::string_view kFolder = "cells/";
  return run.size() > kFolder.size() && run.size() < 24 && run.rfind(kFolder, 0) == 0 &&
         std::all_of(run.begin() + kFolder.size(), run.end(), [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
}

}  // namespace

Json report_sweep(const Json& report, const std::filesystem::path& directory, const std::filesystem::path& page_directory) {
  const std::string where = "the report of the sweep in '" + directory.string() + "'";
  if (!report.is_object() || report.value("format", Json()) != "safelight-sweep-report/1" || !report.contains("cells") || !report["cells"].is_array())
    throw Error(ErrorCode::corrupt_file, where + " is not of this version");
  Json out = report;
  for (Json& cell : out["cells"]) {
    if (!cell.is_object()) throw Error(ErrorCode::corrupt_file, where + ": a cell is not an object");
    const Json run = cell.value("run", Json());
    cell["picture"] = cell["page"] = nullptr;
    if (!run.is_string() || !is_cell(run.get<std::string>())) continue;
    const auto at = directory / run.get<std::string>();
    cell["picture"] = thumbnail_url(at / "image-0.png", kThumbnail_px);
    if (std::filesystem::exists(at / "report.html")) cell["page"] = std::filesystem::proximate(at / "report.html", page_directory).generic_string();
  }
  return out;
}

}  // namespace safelight
