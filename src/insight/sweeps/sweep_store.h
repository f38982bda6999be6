// The directory of a sweep: sweep.json (what is asked, written once), cells.jsonl (one line per cell that is done), cells/N (runs).
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "common/base/json_lines.h"
#include "insight/sweeps/cell_record.h"

namespace safelight {

class SweepStore {
 public:
  // Makes the directory, or goes on with the sweep that lies there; a last line that was cut off by a kill is dropped. Throws
  // Error(conflict) when it holds another sweep or something else, or when another process works on it; Error(corrupt_file).
  SweepStore(std::filesystem::path directory, const Json& spec);

  const std::filesystem::path& directory() const { return directory_; }
  const std::vector<CellRecord>& records() const { return records_; }
  void append(const CellRecord& record);  // one write; throws Error(io)

 private:
  std::filesystem::path directory_;
  std::vector<CellRecord> records_;
  std::optional<JsonLines> cells_;   // open once the directory is known to be ours
};

// What the sweep in `directory` was asked. Throws Error(not_found, corrupt_file).
SweepSpec stored_sweep(const std::filesystem::path& directory);

}  // namespace safelight
