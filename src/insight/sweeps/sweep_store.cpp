#include "insight/sweeps/sweep_store.h"

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"

namespace safelight {
namespace {

constexpr const char* kFormat = "safelight-sweep/1";

Json read_spec(const std::filesystem::path& directory) {
  const auto file = directory / "sweep.json";
  const Json json = read_json(file);
  if (!json.is_object() || json.value("format", Json()) != kFormat || !json.contains("spec"))
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' is not a sweep of this version");
  return json["spec"];
}

}  // namespace

SweepSpec stored_sweep(const std::filesystem::path& directory) {
  if (!std::filesystem::exists(directory / "sweep.json"))
    throw Error(ErrorCode::not_found, "'" + directory.string() + "' holds no sweep: it has no sweep.json");
  return sweep_spec_from_json(read_spec(directory));
}

SweepStore::SweepStore(std::filesystem::path directory, const Json& spec) : directory_(std::move(directory)) {
  const bool known = std::filesystem::exists(directory_ / "sweep.json");
  if (!known && std::filesystem::exists(directory_))
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      if (entry.path().filename() != "cells.jsonl")
        throw Error(ErrorCode::conflict, "'" + directory_.string() + "' holds something else than a sweep; name another directory with --out");
  if (known && read_spec(directory_) != spec)
    throw Error(ErrorCode::conflict, "'" + directory_.string() + "' holds a sweep with other settings; name another directory, or go on with --resume");
  std::filesystem::create_directories(directory_);
  cells_.emplace(directory_ / "cells.jsonl", "another process works on the sweep in '" + directory_.string() + "'; wait for it or stop it");
  if (!known) write_file_atomic(directory_ / "sweep.json", Json{{"format", kFormat}, {"spec", spec}}.dump(1) + "\n");
  cells_->read([&](const Json& line, const std::string& where) { records_.push_back(cell_record_from_json(line, where)); });
}

void SweepStore::append(const CellRecord& record) {
  const Json json = parse_json(to_json(record).dump(-1, ' ', false, Json::error_handler_t::replace), "a cell's record");  // as a later call will read it
  cells_->append(json);
  records_.push_back(cell_record_from_json(json, "a cell's record"));
}

}  // namespace safelight
